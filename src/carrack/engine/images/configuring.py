"""What the instructions of a Dockerfile that only describe make of an image's run configuration. Pure.

Builds, and the changes that ``commit`` and ``import`` take, go by the same rules. Source: Dockerfile reference; OCI
image specification, config.md, for the members.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from carrack.dockerfile import commands as c
from carrack.dockerfile import ports
from carrack.oci.image_config import RunConfig

DEFAULT_SHELL = ("/bin/sh", "-c")


def after(config: RunConfig, command: c.Command) -> RunConfig:
    """``config`` with what ``command``, its variables replaced, says; ``config`` itself stays as it is.

    Raises DockerfileError for a port that is none. The arguments of another entry point are the caller's to take away.
    """
    return {**config, **_RULES[type(command)](config, command)}  # type: ignore[typeddict-item]


def environment(config: RunConfig) -> dict[str, str]:
    """The variables by name."""
    return {name: value for name, _, value in (word.partition("=") for word in config.get("Env", []))}


def shell(config: RunConfig) -> tuple[str, ...]:
    """The words that a command in the shell form is handed to."""
    return tuple(config.get("Shell") or DEFAULT_SHELL)


def words(config: RunConfig, line: c.Words) -> list[str]:
    """A command line as it is executed."""
    return [*shell(config), line.words[0]] if line.shell else list(line.words)


def absolute(config: RunConfig, path: str) -> str:
    """A path from the working directory; the slash at its end stays."""
    joined = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", path))
    joined = "/" + joined.lstrip("/")
    folder = path.endswith(("/", "/.")) or path in (".", "")
    return f"{joined}/" if folder and joined != "/" else joined


def _env(config: RunConfig, command: c.Env) -> dict[str, Any]:
    values = {**environment(config), **{pair.key: pair.value or "" for pair in command.pairs}}
    return {"Env": [f"{name}={value}" for name, value in values.items()]}


def _label(config: RunConfig, command: c.Label) -> dict[str, Any]:
    return {"Labels": {**config.get("Labels", {}), **{pair.key: pair.value or "" for pair in command.pairs}}}


def _expose(config: RunConfig, command: c.Expose) -> dict[str, Any]:
    named = sorted(port for word in command.ports for port in ports.each(word, command))
    return {"ExposedPorts": {**config.get("ExposedPorts", {}), **{port: {} for port in named}}}


def _volume(config: RunConfig, command: c.Volume) -> dict[str, Any]:
    return {"Volumes": {**config.get("Volumes", {}), **{path: {} for path in command.paths}}}


def _healthcheck(config: RunConfig, command: c.Healthcheck) -> dict[str, Any]:
    if command.line is None:
        return {"Healthcheck": {"Test": ["NONE"]}}
    times: Mapping[str, int] = {
        "Interval": command.interval, "Timeout": command.timeout, "StartPeriod": command.start_period,
        "StartInterval": command.start_interval, "Retries": command.retries,
    }  # fmt: skip
    test = ["CMD-SHELL" if command.line.shell else "CMD", *command.line.words]
    return {"Healthcheck": {"Test": test, **{name: value for name, value in times.items() if value}}}


_RULES: dict[type[c.Command], Callable[[RunConfig, Any], dict[str, Any]]] = {
    c.Cmd: lambda config, command: {"Cmd": words(config, command.line)},
    c.Entrypoint: lambda config, command: {"Entrypoint": words(config, command.line)},
    c.Env: _env,
    c.Expose: _expose,
    c.Healthcheck: _healthcheck,
    c.Label: _label,
    c.Onbuild: lambda config, command: {"OnBuild": [*config.get("OnBuild", []), command.expression]},
    c.Shell: lambda config, command: {"Shell": list(command.words)},
    c.Stopsignal: lambda config, command: {"StopSignal": command.signal},
    c.User: lambda config, command: {"User": command.user},
    c.Volume: _volume,
    c.Workdir: lambda config, command: {"WorkingDir": absolute(config, command.path).rstrip("/") or "/"},
}
