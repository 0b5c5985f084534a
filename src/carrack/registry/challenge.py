"""The field `WWW-Authenticate`: how a server wants to be convinced (RFC 9110 section 11.6.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LIMIT = 8 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# One bounded step at a time, each anchored: no input makes this backtrack.
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?:\s+|\s*$|(?=\s*,))")
_PARAMETER = re.compile(rf'[\s,]*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """A scheme in lower case ("bearer", "basic") with its parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(values: Iterable[str]) -> list[Challenge]:
    """The challenges of all such fields of an answer; what cannot be read is left out."""
    return [challenge for value in values if len(value) <= _LIMIT for challenge in _challenges(value)]


def _challenges(text: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = 0
    while match := _SCHEME.match(text, at):
        parameters: dict[str, str] = {}
        at = match.end()
        while parameter := _PARAMETER.match(text, at):
            quoted, plain = parameter[2], parameter[3]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            parameters.setdefault(parameter[1].lower(), value)
            at = parameter.end()
        found.append(Challenge(match[1].lower(), parameters))
    return found
