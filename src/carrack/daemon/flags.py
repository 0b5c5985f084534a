"""The daemon's command line: GNU-style flags as dockerd takes them, over the table in `options`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from carrack.daemon import options, runtimes
from carrack.errors import InvalidArgument

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


def parse(arguments: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(settings by configuration key, command flags by name) of a command line.

    Raises InvalidArgument, worded as dockerd's users know it, for a flag that is unknown, malformed or not built.
    """
    settings: dict[str, Any] = {}
    commands: dict[str, Any] = {}
    for flag, kind, value in _scan(arguments):
        if flag in options.COMMANDS:
            commands[flag] = _convert(flag, kind, value)
        elif option := options.BY_FLAG.get(flag):
            converted = _convert(flag, kind, value)
            if kind == "runtimes":
                runtimes.add(settings.setdefault(option.key, {}), value)
            elif kind in ("list", "pools"):
                settings.setdefault(option.key, []).append(converted)
            elif kind == "network options":
                settings.setdefault(option.key, {}).setdefault(converted[0], {}).update(converted[1])
            elif isinstance(converted, dict):
                settings.setdefault(option.key, {}).update(converted)
            else:
                settings[option.key] = converted
        elif not options.harmless(flag, _convert(flag, kind, value)):
            raise InvalidArgument(f"flag --{flag}: {value!r} is not supported by this engine; leave the flag out")
    return settings, commands


def _scan(arguments: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (flag, kind, raw value); a bool without a value has "true"."""
    words = iter(arguments)
    for word in words:
        if word.startswith("--") and len(word) > 2:
            flag, equals, value = word[2:].partition("=")
            kind = _kind(flag)
            yield flag, kind, value if equals else _value(kind, words, f"--{flag}")
        elif word.startswith("-") and len(word) > 1 and word != "--":
            yield from _shorts(word, words)
        else:
            raise InvalidArgument(f"unknown command or argument: {word}")


def _shorts(word: str, words: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    rest = word[1:]
    while rest:
        letter, rest = rest[0], rest[1:]
        option = options.BY_SHORT.get(letter)
        flag = option.flag if option else options.COMMAND_SHORTS.get(letter, "")
        if not flag:
            raise InvalidArgument(f"unknown shorthand flag: {letter!r} in {word}")
        kind = _kind(flag)
        if kind != "bool":
            yield flag, kind, rest.removeprefix("=") if rest else _value(kind, words, f"-{letter}")
            return
        if rest.startswith("="):
            yield flag, kind, rest[1:]
            return
        yield flag, kind, "true"


def _kind(flag: str) -> str:
    option = options.BY_FLAG.get(flag)
    kind = option.kind if option else options.COMMANDS.get(flag) or options.foreign_kind(flag)
    if kind is None:
        raise InvalidArgument(f"unknown flag: --{flag}")
    return kind


def _value(kind: str, words: Iterator[str], name: str) -> str:
    if kind == "bool":
        return "true"
    value = next(words, None)
    if value is None:
        raise InvalidArgument(f"flag needs an argument: {name}")
    return value


def _convert(flag: str, kind: str, value: str) -> Any:
    if kind == "bool":
        if value not in _TRUE and value not in _FALSE:
            raise InvalidArgument(f'invalid argument "{value}" for "--{flag}" flag: want true or false')
        return value in _TRUE
    if kind == "int":
        try:
            return int(value)
        except ValueError:
            raise InvalidArgument(f'invalid argument "{value}" for "--{flag}" flag: want a number') from None
    return _PARTS[kind](flag, value) if kind in _PARTS else value


def _pool(flag: str, value: str) -> dict[str, Any]:
    """`base=10.0.0.0/8,size=24` as the configuration file writes it."""
    fields = dict(part.partition("=")[0::2] for part in value.split(","))
    if set(fields) != {"base", "size"} or not fields["size"].isdecimal():
        raise InvalidArgument(f'invalid argument "{value}" for "--{flag}" flag: want base=CIDR,size=BITS')
    return {"base": fields["base"], "size": int(fields["size"])}


def _ulimit(flag: str, value: str) -> dict[str, Any]:
    """`nofile=64:128` as the configuration file writes it."""
    name, equals, rest = value.partition("=")
    soft, colon, hard = rest.partition(":")
    try:
        limits = {"Soft": int(soft), "Hard": int(hard if colon else soft)}
    except ValueError:
        limits = {}
    if not equals or not limits:
        raise InvalidArgument(f'invalid argument "{value}" for "--{flag}" flag: want NAME=SOFT[:HARD]')
    return {name: {"Name": name, **limits}}


def _pair(flag: str, value: str) -> dict[str, Any]:
    name, equals, rest = value.partition("=")
    if not equals:
        raise InvalidArgument(f'invalid argument "{value}" for "--{flag}" flag: want NAME=VALUE')
    return {name: rest}


def _switch(flag: str, value: str) -> dict[str, Any]:
    name, equals, rest = value.partition("=")
    return {name: _convert(flag, "bool", rest) if equals else True}


def _network(flag: str, value: str) -> tuple[str, dict[str, str]]:
    """`bridge=com.docker.network.driver.mtu=1400`"""
    driver, _, rest = value.partition("=")
    name, equals, word = rest.partition("=")
    if not (driver and name and equals):
        raise InvalidArgument(f'invalid argument "{value}" for "--{flag}" flag: want DRIVER=NAME=VALUE')
    return driver, {name: word}


_PARTS = {
    "pools": _pool,
    "ulimits": _ulimit,
    "map": _pair,
    "rules": _pair,
    "bool map": _switch,
    "network options": _network,
}
"""What reads one value of a flag that may be given several times, by its kind."""


def usage() -> str:
    """The text of --help."""
    lines = ["Usage:  carrackd [OPTIONS]", "", "The Carrack container engine's daemon.", "", "Options:"]
    rows = [(option.short, option.flag, option.kind, option.help) for option in options.OPTIONS]
    rows += [
        ("", "config-file", "string", "Configuration file (default /etc/carrack/daemon.json)"),
        ("h", "help", "bool", "Print this and exit"),
        ("", "validate", "bool", "Check the configuration and exit"),
        ("v", "version", "bool", "Print the version and exit"),
    ]
    for short, flag, kind, text in sorted(rows, key=lambda row: row[1]):
        left = f"{f'-{short},' if short else '   '} --{flag}{'' if kind == 'bool' else ' ' + kind}"
        lines.append(f"  {left:<36}{text}")
    return "\n".join(lines) + "\n"
