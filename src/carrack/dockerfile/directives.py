"""Parser directives: comments of the form ``# key=value`` before anything else, which change how the rest is read.

Source: Dockerfile reference, "Parser directives". An unknown key is a comment, and so does not end them; a line of
another form does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from carrack.dockerfile.problem import DockerfileError, Place

ESCAPES = ("\\", "`")
_KNOWN = ("syntax", "escape", "check")
_HASH = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_SLASHES = re.compile(r"//\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")


@dataclass(frozen=True, slots=True)
class Checks:
    """What ``check=`` says: rules not to be looked at (``all`` for every one), and whether what is found fails."""

    skip: frozenset[str] = frozenset()
    error: bool = False
    experimental: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of one Dockerfile. ``places``: by key, where each stands."""

    syntax: str = ""
    escape: str = "\\"
    checks: Checks = Checks()
    places: dict[str, Place] = field(default_factory=dict)


def parse(text: str) -> Directives:
    """Read the directives at the top of ``text``. Raises DockerfileError for a repeated one or a bad value."""
    lines = text.removeprefix("\ufeff").split("\n")
    start = 1 if lines[0].startswith("#!") else 0
    found = _collect(lines, start)
    escape = found.get("escape", ("\\", None))[0]
    if escape not in ESCAPES:
        place = found["escape"][1]
        raise DockerfileError(f"invalid ESCAPE {escape!r}: must be ` or \\", place or Place(1, 1))
    syntax = found["syntax"][0] if "syntax" in found else _foreign_syntax(lines, start)
    check, at = found.get("check", ("", None))
    return Directives(
        syntax, escape, parse_checks(check, at), {key: place for key, (_, place) in found.items() if place}
    )


def parse_checks(text: str, place: Place | None = None) -> Checks:
    """The value of ``check``, or of the build argument of the same meaning: ``skip=A,B;error=true``."""
    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error = False
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        key, equals, value = (word.strip() for word in part.partition("="))
        names = frozenset(name.strip() for name in value.split(",") if name.strip())
        if key == "skip" and equals:
            skip = names
        elif key == "experimental" and equals:
            experimental = names
        elif key == "error" and value.lower() in ("true", "false", "1", "0"):
            error = value.lower() in ("true", "1")
        else:
            raise DockerfileError(f"invalid check option {part!r}: skip=RULES, error=BOOL are", place or Place(1, 1))
    return Checks(skip, error, experimental)


def _collect(lines: list[str], start: int) -> dict[str, tuple[str, Place]]:
    found: dict[str, tuple[str, Place]] = {}
    for number, line in enumerate(lines[start:], start + 1):
        match = _HASH.fullmatch(line.strip())
        if match is None:
            break
        key, place = match[1].lower(), Place(number, number)
        if key not in _KNOWN:
            continue
        if key in found:
            raise DockerfileError(f"only one {key} parser directive can be used", place)
        found[key] = (match[2], place)
    return found


def _foreign_syntax(lines: list[str], start: int) -> str:
    """The syntax that a text of another form names: ``// syntax=…``, or a first line of JSON with that key."""
    for line in lines[start:]:
        match = _SLASHES.fullmatch(line.strip())
        if match is None:
            break
        if match[1].lower() == "syntax":
            return match[2]
    try:
        value = json.loads("\n".join(lines[start:]))
    except (ValueError, RecursionError):
        return ""
    syntax = value.get("syntax", "") if isinstance(value, dict) else ""
    return syntax if isinstance(syntax, str) else ""
