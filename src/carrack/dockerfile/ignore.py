"""``.dockerignore``: which files of a build's context are left out. Pure: paths in, answers out.

Patterns are Go's file patterns with ``**`` added; the last that matches a path or one of its folders decides, and ``!``
takes back. Source: Docker build documentation, ".dockerignore files".
"""

from __future__ import annotations

import posixpath
import re

from carrack.dockerfile.globs import ANY, FOLDERS, STAR, Matches, matcher
from carrack.errors import InvalidArgument


class Pattern:
    """One line. ``text`` is the cleaned pattern; ``keeps``: it began with ``!``.

    A class by hand: `dataclasses` takes a short command longer to import than all else that it imports.
    """

    __slots__ = ("keeps", "matches", "text")

    def __init__(self, text: str, keeps: bool, matches: Matches) -> None:
        self.text, self.keeps, self.matches = text, keeps, matches


class Ignored:
    """The patterns of one file, or of a ``--exclude``."""

    def __init__(self, patterns: list[str]) -> None:
        """Raises InvalidArgument for a pattern that is none."""
        self._patterns = [_pattern(text) for text in patterns]
        self._keeps = [pattern for pattern in self._patterns if pattern.keeps]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def __contains__(self, path: str) -> bool:
        """Whether a path (relative, with ``/``) is left out, by itself or by a folder that it is in."""
        parts = path.split("/")
        ancestors = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        ignored = False
        for pattern in self._patterns:
            if pattern.keeps == ignored and any(pattern.matches(ancestor) for ancestor in ancestors):
                ignored = not pattern.keeps
        return ignored

    def whole(self, folder: str) -> bool:
        """Whether nothing in an ignored folder can be kept after all, so that it need not be looked into."""
        if folder not in self:
            return False
        return not any(_may_reach(pattern.text, folder) for pattern in self._keeps)


def parse(data: bytes) -> list[str]:
    """The patterns of a ``.dockerignore`` file, cleaned, comments and empty lines left out."""
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    found = []
    for line in text.split("\n"):
        if line.startswith("#"):
            continue
        line = line.strip()
        if not line:
            continue
        keeps = line.startswith("!")
        line = line[1:].strip() if keeps else line
        if line:
            line = posixpath.normpath(line)
            line = line.lstrip("/") if len(line) > 1 else line
        found.append(f"!{line}" if keeps else line)
    return found


def _pattern(text: str) -> Pattern:
    text = text.strip()
    keeps = text.startswith("!")
    body = text[1:].strip() if keeps else text
    if not body:
        raise InvalidArgument(f"illegal exclusion pattern: {text!r}")
    body = posixpath.normpath(body)
    body = body.lstrip("/") if len(body) > 1 else body
    try:
        return Pattern(body, keeps, matcher(_parts(body)))
    except re.error as error:
        raise InvalidArgument(f"syntax error in pattern {text!r}: {error}") from None


def _parts(text: str) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            if text[at : at + 1] != "*":
                out.append(STAR)
                continue
            at += 1
            if text[at : at + 1] == "/":
                at += 1
                out.append(FOLDERS)
            else:
                out.append(ANY)
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = text.find("]", at + 1)
            if end < 0:
                raise re.error("missing ]")
            inside = re.sub(r"([\\\[&~|])", r"\\\1", text[at:end])
            out.append(f"[{'^' + inside[1:] if inside.startswith('^') else inside}]")
            at = end + 1
        elif char == "\\" and at < len(text):
            out.append(re.escape(text[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return out


def _may_reach(pattern: str, folder: str) -> bool:
    """Whether a pattern could match something below ``folder``, as far as their first parts tell."""
    for wanted, part in zip(pattern.split("/"), folder.split("/"), strict=False):
        if wanted == "**" or "**" in wanted:
            return True
        if not matcher(_parts(wanted))(part):
            return False
    return True
