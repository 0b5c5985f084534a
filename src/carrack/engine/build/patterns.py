"""How selectors of policies for sources fit a text, and what templates make of it. Pure.

Wildcards are searched for from the end, expressions by RE2, whose dialect is that of Go's regexp: neither goes back, so
that the time grows with the text and not with what it could be split into. RE2 is imported where a policy has an
expression. Sources: BuildKit, sourcepolicy/matcher.go and formatter.go, util/wildcard; Go's regexp; docs/adr/0040.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from carrack.errors import InvalidArgument, NotSupported

WILDCARD, EXACT, REGEX = range(3)  # BuildKit's numbers
LONGEST = 4096  # characters of what is searched, of a template and of what that makes
_LARGEST = 64 << 10  # characters of an expression
_GROUPS = 100  # of an expression that converts: each of them is remembered for all that could still fit
_MEMORY = 1 << 20  # bytes of one expression as RE2 has it
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")
#: what RE2 calls otherwise than Go
_WORDS = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
}


def fits(match: int, pattern: str, text: str) -> bool:
    """Whether a selector fits. Raises InvalidArgument for a pattern that is none, or a text that is too long."""
    if text == pattern:
        return True
    if match == WILDCARD:
        return _stars(pattern, text) is not None
    return match == REGEX and found(pattern, text)


def found(expression: str, text: str) -> bool:
    """Whether an expression fits somewhere. Raises InvalidArgument."""
    return _compiled(expression, captures=False).search(_bytes(text)) is not None


def converted(match: int, pattern: str, text: str, template: str) -> str:
    """What is made of a text that fits: of each place of it where an expression does. ``template`` has ``${1}`` and
    ``${name}`` for what stars and groups stand for. Raises InvalidArgument."""
    _bytes(template)
    if match == REGEX:
        return _replaced(_compiled(pattern, captures=True), _bytes(text), template)
    if match == EXACT:
        return _expanded(template, (text,), {})
    stars = _stars(pattern, text)
    return text if stars is None else _expanded(template, (text, *stars), {})


def _stars(pattern: str, text: str) -> list[str] | None:
    """What each star stands for, the first as much as it can, then the next."""
    if "**" in pattern:
        raise InvalidArgument(f'failed to translate wildcard "{pattern}" to regexp: invalid wildcard: "**"')
    first, *pieces = pattern.split("*")
    if not pieces:
        return [] if text == pattern else None
    last, end = pieces.pop(), len(text)
    if not text.startswith(first) or not text.endswith(last) or len(first) + len(last) > end:
        return None
    stars, end = [], end - len(last)
    for piece in reversed(pieces):  # the last place with room for those behind it leaves the stars before it the most
        at = text.rfind(piece, len(first), end)
        if at < 0:
            return None
        stars.append(text[at + len(piece) : end])
        end = at
    stars.append(text[len(first) : end])
    return stars[::-1]


def _compiled(expression: str, *, captures: bool) -> Any:
    try:
        import re2  # builds seldom have policies, and these seldom expressions
    except ImportError as error:
        raise NotSupported("expressions in policies for sources need the package google-re2") from error
    data = _bytes(expression, _LARGEST)
    options = re2.Options()
    options.log_errors, options.max_mem, options.never_capture = False, _MEMORY, not captures
    try:
        made = re2.compile(data, options)
    except re2.error as error:
        raise InvalidArgument(f"error parsing regexp: {_in_words(error)}") from error
    if rb"\C" in data and rb"\C" in data.replace(rb"\\", b""):  # a byte, which Go does not have
        raise InvalidArgument(r"error parsing regexp: invalid escape sequence: `\C`")
    if made.groups > _GROUPS:
        raise InvalidArgument(f"error parsing regexp: {made.groups} groups are more than the limit of {_GROUPS}")
    return made


def _in_words(error: Exception) -> str:
    said, _, what = bytes(error.args[0]).decode(errors="replace").partition(": ")
    return f"{_WORDS.get(said, said)}: `{what}`"


def _bytes(text: str, most: int = LONGEST) -> bytes:
    if len(text) > most:
        raise InvalidArgument(f"{text[:80]}…: {len(text)} characters are more than the limit of {most}")
    return text.encode(errors="surrogateescape")


def _replaced(expression: Any, data: bytes, template: str) -> str:
    """As Go's ReplaceAllString: where it fits nothing, right behind a place where it did, is no place."""
    names = {name.decode(): number for name, number in expression.groupindex.items()}
    made: list[str] = []
    size = end = 0
    for fit in expression.finditer(data):
        start, after = fit.span()
        if (after > end or not start) and not _inside(data, start):
            groups = [_text(fit[number] or b"") for number in range(expression.groups + 1)]
            made += _text(data[end:start]), _expanded(template, groups, names)
            end, size = after, size + len(made[-1]) + len(made[-2])
        if size > LONGEST:
            raise InvalidArgument(f"what is made of {_text(data[:80])} has more than {LONGEST} characters")
    return "".join((*made, _text(data[end:])))


def _inside(data: bytes, at: int) -> bool:
    """Whether it is between the bytes of a character, where what fits nothing is found, too."""
    return 0x80 <= data[at] < 0xC0 if at < len(data) else False


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _expanded(template: str, groups: Sequence[str], names: Mapping[str, int]) -> str:
    """As Go's Expand: numbers have no zeros before them, and what is not known stands for nothing."""

    def value(variable: re.Match[str]) -> str:
        name = variable[1] or variable[2]
        if name is None:
            return "$"
        numbered = name.isascii() and name.isdecimal() and (name == "0" or name[0] != "0") and len(name) < 9
        number = int(name) if numbered else names.get(name, len(groups))
        return groups[number] if number < len(groups) else ""

    return _VARIABLE.sub(value, template)
