"""Changes to an image's run configuration, typed as Dockerfile instructions: `commit --change`, `import --change`.

Text in, a new RunConfig out. The instructions are those that Docker takes here; their meaning is the Dockerfile
reference's.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable
from copy import deepcopy

from carrack.engine.images import healthcheck
from carrack.errors import InvalidArgument
from carrack.oci.image_config import RunConfig

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_SHELL = ["/bin/sh", "-c"]


def apply(config: RunConfig, changes: Iterable[str]) -> RunConfig:
    """`config` with each instruction applied in order. Raises InvalidArgument naming the instruction."""
    result = deepcopy(config)
    command_given = False
    for change in changes:
        for text in _lines(change):
            word, _, rest = text.partition(" ")
            instruction = _INSTRUCTIONS.get(word.upper())
            if instruction is None:
                raise InvalidArgument(f"{word} is not a valid change command")
            if not rest.strip() and word.upper() == "WORKDIR":
                raise InvalidArgument("WORKDIR requires exactly one argument")
            if not rest.strip() and word.upper() not in ("CMD", "ENTRYPOINT"):
                raise InvalidArgument(f"{word.upper()} requires at least one argument")
            instruction(result, rest.strip())
            command_given = command_given or word.upper() == "CMD"
            if word.upper() == "ENTRYPOINT" and not command_given:
                result.pop("Cmd", None)  # the arguments were meant for another entry point
    return result


def _lines(change: str) -> list[str]:
    """Instructions, one a line; a backslash at the end joins the next line; comments and blank lines are left out."""
    joined = re.sub(r"\\[ \t]*\r?\n", "", change)
    lines = [line.strip() for line in joined.splitlines()]
    return [line.replace("\t", " ") for line in lines if line and not line.startswith("#")]


def _exec_form(rest: str) -> list[str] | None:
    """The words of a JSON list of strings; None when `rest` is not one (then it is for the shell)."""
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _command(config: RunConfig, rest: str) -> list[str]:
    words = _exec_form(rest)
    if words is not None:
        return words
    return [*config.get("Shell", _SHELL), *([rest] if rest else [])]


def _cmd(config: RunConfig, rest: str) -> None:
    config["Cmd"] = _command(config, rest)


def _entrypoint(config: RunConfig, rest: str) -> None:
    config["Entrypoint"] = _command(config, rest)


def _split(name: str, rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError as error:
        raise InvalidArgument(f"{name} {rest}: {error}") from None


def _pairs(name: str, rest: str) -> list[tuple[str, str]]:
    """`a=b c="d e"`, or the old form `a the rest of the line`."""
    first = rest.split(" ", 1)[0]
    if "=" not in first:
        key, _, value = rest.partition(" ")
        if not value.strip():
            raise InvalidArgument(f"{name} must have two arguments")
        return [(key, value.strip())]
    pairs = []
    for word in _split(name, rest):
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(f"Syntax error - can't find = in {word!r}. Must be of the form: name=value")
        if not key:
            raise InvalidArgument(f"{name} names can not be blank")
        pairs.append((key, value))
    return pairs


def _env(config: RunConfig, rest: str) -> None:
    values = list(config.get("Env", []))
    for key, value in _pairs("ENV", rest):
        position = next((i for i, old in enumerate(values) if old.partition("=")[0] == key), None)
        if position is None:
            values.append(f"{key}={value}")
        else:
            values[position] = f"{key}={value}"
    config["Env"] = values


def _label(config: RunConfig, rest: str) -> None:
    config["Labels"] = {**config.get("Labels", {}), **dict(_pairs("LABEL", rest))}


def _expose(config: RunConfig, rest: str) -> None:
    ports = dict(config.get("ExposedPorts", {}))
    for word in rest.split():
        match = _PORT.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if match is None or not 1 <= first <= last <= 65535:
            raise InvalidArgument(f"Invalid containerPort: {word}")
        for port in range(first, last + 1):
            ports[f"{port}/{(match[3] or 'tcp').lower()}"] = {}
    config["ExposedPorts"] = ports


def _onbuild(config: RunConfig, rest: str) -> None:
    word = rest.split(None, 1)[0].upper()
    if word == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in ("MAINTAINER", "FROM"):
        raise InvalidArgument(f"{word} isn't allowed as an ONBUILD trigger")
    config["OnBuild"] = [*config.get("OnBuild", []), rest]


def _user(config: RunConfig, rest: str) -> None:
    if len(rest.split()) != 1:
        raise InvalidArgument("USER requires exactly one argument")
    config["User"] = rest


def _stop_signal(config: RunConfig, rest: str) -> None:
    if len(rest.split()) != 1:
        raise InvalidArgument("STOPSIGNAL requires exactly one argument")
    config["StopSignal"] = rest


def _volume(config: RunConfig, rest: str) -> None:
    words = _exec_form(rest)
    volumes = dict(config.get("Volumes", {}))
    for word in words if words is not None else rest.split():
        if not word.strip():
            raise InvalidArgument("VOLUME specified can not be an empty string")
        volumes[word.strip()] = {}
    config["Volumes"] = volumes


def _workdir(config: RunConfig, rest: str) -> None:
    words = _split("WORKDIR", rest)
    config["WorkingDir"] = posixpath.normpath(posixpath.join("/", config.get("WorkingDir", ""), " ".join(words)))


def _healthcheck(config: RunConfig, rest: str) -> None:
    config["Healthcheck"] = healthcheck.parse(rest, _exec_form)


_INSTRUCTIONS: dict[str, Callable[[RunConfig, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
