"""The HEALTHCHECK instruction of a Dockerfile: ``[--OPTION=VALUE ...] CMD command | NONE``. Pure.

Source: the Dockerfile reference; the words of refusals are dockerd's.
"""

from __future__ import annotations

from collections.abc import Callable

from carrack.errors import InvalidArgument
from carrack.model.units import NANOSECONDS, parse_duration
from carrack.oci.image_config import Healthcheck

_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def parse(rest: str, exec_form: Callable[[str], list[str] | None]) -> Healthcheck:
    """The check of the instruction's arguments; ``exec_form`` reads a JSON list of words, None for anything else.

    Raises InvalidArgument.
    """
    options, words = _options(rest)
    kind, _, command = words.partition(" ")
    command = command.strip()
    if not kind:
        raise InvalidArgument("HEALTHCHECK requires at least one argument")
    if kind.upper() == "NONE":
        if command:
            raise InvalidArgument("HEALTHCHECK NONE takes no arguments")
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD":
        raise InvalidArgument(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    arguments = exec_form(command)
    if not command or arguments == []:
        raise InvalidArgument("Missing command after HEALTHCHECK CMD")
    result: Healthcheck = {"Test": ["CMD-SHELL", command] if arguments is None else ["CMD", *arguments]}
    for name, field in _TIMES.items():
        if time := _time(name, options.get(name, "")):
            result[field] = time  # type: ignore[literal-required]
    if retries := _retries(options.get("retries", "")):
        result["Retries"] = retries
    return result


def _options(rest: str) -> tuple[dict[str, str], str]:
    options: dict[str, str] = {}
    while rest.startswith("--"):
        word, _, rest = rest.partition(" ")
        rest = rest.strip()
        name, equals, value = word[2:].partition("=")
        if name != "retries" and name not in _TIMES:
            raise InvalidArgument(f"unknown flag: --{name}")
        if not equals:
            raise InvalidArgument(f"missing a value on flag: --{name}")
        if name in options:
            raise InvalidArgument(f"duplicate flag specified: --{name}")
        options[name] = value
    return options, rest.strip()


def _time(name: str, text: str) -> int:
    value = parse_duration(text) if text else 0
    if value and value < NANOSECONDS // 1000:
        raise InvalidArgument(f'Interval "{name}" cannot be less than 1ms')
    return value


def _retries(text: str) -> int:
    try:
        value = int(text or 0)
    except ValueError:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if value < 0:
        raise InvalidArgument(f"--retries cannot be negative ({text})")
    return value
