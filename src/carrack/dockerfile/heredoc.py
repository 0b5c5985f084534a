"""Heredocs: text of several lines inside an instruction. Source: Dockerfile reference, "Here-Documents"."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from carrack.dockerfile.words import Lexer, WordError

_TABS = re.compile(r"(?m)^\t+")
_OPENING = re.compile(r"(\d*)<<(-?)([^<]*)")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """``name`` ends it; ``expand``: variables in it are replaced (its name was not quoted); ``chomp``: tabs that begin
    a line are taken off, which `stripped` does; ``descriptor``: the number before ``<<``, 0 for none; ``content`` is as
    it is written and ends with a newline."""

    name: str
    expand: bool = True
    chomp: bool = False
    descriptor: int = 0
    content: str = ""

    def with_content(self, content: str) -> Heredoc:
        """The same with what lies between."""
        return replace(self, content=content)

    def stripped(self) -> Heredoc:
        """The same without the tabs that are none of the text. A shell that reads ``<<-`` itself takes them off."""
        return self.with_content(_TABS.sub("", self.content)) if self.chomp else self


def opening(word: str, escape: str = "\\") -> Heredoc | None:
    """The heredoc that a word begins, quotes still in it; None when it begins none."""
    match = _OPENING.fullmatch(word)
    if match is None or not match[3]:
        return None
    try:
        names = Lexer(escape).words(match[3], {}, keep_unset=True)
    except WordError:
        return None
    if len(names) != 1 or not names[0]:
        return None
    expand = names[0] == match[3]
    return Heredoc(names[0], expand, bool(match[2]), int(match[1] or 0))


def openings(line: str, escape: str = "\\") -> list[Heredoc]:
    """The heredocs that a line begins, in order."""
    if "<<" not in line:
        return []
    try:
        words = Lexer(escape, raw=True).words(line, {}, keep_unset=True)
    except WordError:
        return []
    return [found for word in words if (found := opening(word, escape))]
