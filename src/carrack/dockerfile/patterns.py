"""The patterns of ``${name#pattern}`` and its kin: ``*`` is any text, ``?`` any character, ``\\x`` is x itself.

Source: Dockerfile reference, "Environment replacement".
"""

from __future__ import annotations

import re

_SPECIAL = "*?\\"


def literal(text: str) -> str:
    """The pattern that matches just this text."""
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in text)


def without_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """``value`` less the shortest (or longest) beginning that matches."""
    match = re.match(_expression(_tokens(pattern), longest), value, re.DOTALL)
    return value[match.end() :] if match else value


def without_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """``value`` less the shortest (or longest) end that matches."""
    match = re.match(_expression(_tokens(pattern)[::-1], longest), value[::-1], re.DOTALL)
    return value[: len(value) - match.end()] if match else value


def replace(value: str, pattern: str, replacement: str, *, all_of_them: bool) -> str:
    """``value`` with the first match (or every match) replaced; the leftmost and longest each time."""
    if not pattern:
        return value
    expression = _expression(_tokens(pattern), True)
    return re.sub(expression, lambda _: replacement, value, count=0 if all_of_them else 1, flags=re.DOTALL)


def cost(value: str, pattern: str, replacement: str) -> int:
    """How much a replacement may come to, in characters; with a star each place is tried, up to the end."""
    tried = len(value) ** 2 >> 4 if "*" in pattern else 0
    return tried + len(value) * (1 + len(replacement))


def _tokens(pattern: str) -> list[str]:
    """Single characters, ``*`` and ``?`` as they are, all others escaped with a backslash."""
    out: list[str] = []
    escaped = False
    for char in pattern:
        if escaped or char not in _SPECIAL:
            out.append(f"\\{char}")
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "?" or out[-1:] != ["*"]:
            out.append(char)
    return [*out, "\\\\"] if escaped else out


def _expression(tokens: list[str], greedy: bool) -> str:
    """Between two stars the first fit is as good as any: no other is tried, which might take for ever."""
    pieces = [""]
    for token in tokens:
        if token == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if token == "?" else re.escape(token[1:])
    first, *middle = pieces
    last = [f".*{'' if greedy else '?'}{middle.pop()}"] if middle else []
    return "".join([first, *(f"(?>.*?{piece})" for piece in middle), *last])
