"""From the text of a Dockerfile to its statements: comments out, continued lines joined, heredocs taken whole.

Nothing here knows what an instruction means, but for which may have heredocs. Source: Dockerfile reference, "Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from carrack.dockerfile.heredoc import Heredoc, openings
from carrack.dockerfile.problem import DockerfileError, Place

LINE_LIMIT = 65_535
_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One instruction as written. ``keyword`` is as typed, ``rest`` what follows it on the joined line; ``column`` is
    where ``rest`` begins on the first line; ``comments`` are the lines of comment right above."""

    keyword: str
    rest: str
    place: Place
    column: int = 0
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The keyword in capitals."""
        return self.keyword.upper()

    @property
    def text(self) -> str:
        """The joined line, as history and progress show it."""
        return f"{self.keyword} {self.rest}".rstrip()


@dataclass(frozen=True, slots=True)
class Lines:
    """The statements of a text, and the lines that are empty inside a continued one (which is bad form)."""

    statements: tuple[Statement, ...]
    empty_continuations: tuple[int, ...] = ()


def parse(text: str, escape: str = "\\") -> Lines:
    """Cut a text into statements. Raises DockerfileError: nothing in it, a line too long, a heredoc left open."""
    reader = _Reader(text, escape)
    statements = tuple(reader.statements())
    if not statements:
        raise DockerfileError("file with no instructions", Place(1, max(1, len(reader.lines))))
    return Lines(statements, tuple(reader.empty))


class _Reader:
    def __init__(self, text: str, escape: str) -> None:
        self.lines = text.removeprefix("\ufeff").split("\n")
        self.lines = [line.removesuffix("\r") for line in self.lines]
        if self.lines[-1] == "":
            self.lines.pop()
        self.empty: list[int] = []
        self._at = 0
        self._escape = escape
        mark = re.escape(escape)
        self._continued = re.compile(rf"(?:(?<!{mark})|^){mark}[ \t]*$")

    def statements(self) -> Iterator[Statement]:
        """All of them."""
        comments: list[str] = []
        if self.lines and self.lines[0].startswith("#!"):
            self._at = 1
        while self._at < len(self.lines):
            line = self.lines[self._at].lstrip()
            if line.startswith("#") or not line:
                self._at += 1
                if line:
                    comments.append(line[1:].strip())
                else:
                    comments = []
                continue
            yield self._statement(tuple(comments))
            comments = []

    def _statement(self, comments: tuple[str, ...]) -> Statement:
        first = self._at
        joined = self._joined()
        text = joined.lstrip()
        indent = len(joined) - len(text)
        keyword, rest = split_keyword(text)
        place = Place(first + 1, self._at)
        found = []
        holder = rest if keyword.upper() != "ONBUILD" else split_keyword(rest)[1]
        if (keyword if keyword.upper() != "ONBUILD" else split_keyword(rest)[0]).upper() in _HEREDOCS:
            for opening in openings(holder, self._escape):
                found.append(self._heredoc(opening, place))
        column = indent + len(text) - len(text[len(keyword) :].lstrip()) + 1
        return Statement(keyword, rest, Place(first + 1, self._at), column, tuple(found), comments)

    def _joined(self) -> str:
        """The line at hand with those that continue it; comments and empty lines among them are left out."""
        pieces: list[str] = []
        while self._at < len(self.lines):
            line = self.lines[self._at]
            if len(line) > LINE_LIMIT:
                message = f"dockerfile line greater than maximum allowed size of {LINE_LIMIT}"
                raise DockerfileError(message, Place(self._at + 1, self._at + 1))
            self._at += 1
            if pieces and line.lstrip().startswith("#"):
                continue
            if pieces and not line.strip():
                self.empty.append(self._at)
                continue
            match = self._continued.search(line)
            if match is None:
                return "".join([*pieces, line])
            pieces.append(line[: match.start()])
        return "".join(pieces)

    def _heredoc(self, opening: Heredoc, place: Place) -> Heredoc:
        content: list[str] = []
        while self._at < len(self.lines):
            line = self.lines[self._at]
            self._at += 1
            if (line.lstrip("\t") if opening.chomp else line) == opening.name:
                return opening.with_content("".join(f"{kept}\n" for kept in content))
            content.append(line)
        raise DockerfileError(f"unterminated heredoc: no line {opening.name!r} ends it", place)


def split_keyword(text: str) -> tuple[str, str]:
    """The first word of a line and the rest, spaces around taken off."""
    text = text.strip(" \t\r\n\v\f")
    parts = re.split(r"[\t\v\f\r ]+", text, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""
