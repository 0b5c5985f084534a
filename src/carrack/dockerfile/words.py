"""Words of an instruction: quotes, escapes and variables, as the Dockerfile language has them.

It is the POSIX shell's word expansion without commands, arithmetic and file names. Source: Dockerfile reference,
"Environment replacement"; POSIX.1-2017, XCU 2.6.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from carrack.dockerfile import patterns
from carrack.errors import InvalidArgument

_SPACES = " \t\n\r\v\f"
_NEST_LIMIT = 64


class WordError(InvalidArgument):
    """A word that cannot be read, or a variable that had to be set."""


class Budget:
    """How many characters variables may come to, in all of one build: some lines that each say the variable of the line
    before twice are more than any memory."""

    def __init__(self, left: int = 16 << 20) -> None:
        self.left = left

    def spend(self, count: int) -> None:
        """Take some. Raises WordError."""
        self.left -= count
        if self.left < 0:
            raise WordError("the variables of this build come to too much text")


class Lexer:
    """Reads words. ``raw``: quotes and escapes stay in the words as they are written (to look at what was quoted);
    ``quotes``: quotes alone do.

    ``unset`` collects the names of variables that had no value and no default; ``budget`` is that of the build.
    """

    def __init__(
        self, escape: str = "\\", *, raw: bool = False, quotes: bool = False, budget: Budget | None = None
    ) -> None:
        self.escape = escape
        self.raw = raw
        self.quotes = quotes or raw
        self.unset: set[str] = set()
        self.budget = budget or Budget()

    def word(self, text: str, values: Mapping[str, str], *, keep_unset: bool = False) -> str:
        """All of ``text`` as one word, variables replaced. ``keep_unset``: ``$x`` without a value stays ``$x``.

        Raises WordError.
        """
        if not (self.escape in text or "$" in text or '"' in text or "'" in text):
            return text  # most words mean what they say
        return _Reading(self, text, values, keep_unset).until("")

    def text(self, text: str, values: Mapping[str, str]) -> str:
        """``text`` with variables replaced and quotes left as they are, as in a heredoc. Raises WordError."""
        return _Reading(self, text, values, False).plain()

    def words(self, text: str, values: Mapping[str, str], *, keep_unset: bool = False) -> list[str]:
        """``text`` cut at spaces outside quotes, also at those that an unquoted variable brings. Raises WordError."""
        reading = _Reading(self, text, values, keep_unset)
        reading.until("")
        return reading.split()


class _Reading:
    """One pass over one text."""

    def __init__(self, lexer: Lexer, text: str, values: Mapping[str, str], keep_unset: bool, depth: int = 0) -> None:
        self._lexer = lexer
        self._text = text
        self._values = values
        self._keep_unset = keep_unset
        self._at = 0
        self._depth = depth
        self._words: list[str] = []
        self._word: list[str] | None = None

    def split(self) -> list[str]:
        """The words that were read."""
        if self._word is not None:
            self._words.append("".join(self._word))
            self._word = None
        return self._words

    def plain(self) -> str:
        """All of it, only variables and the escapes of ``$`` done."""
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "$":
                out.append(self._dollar())
                continue
            self._at += 1
            if char == self._lexer.escape and self._text[self._at : self._at + 1] in ("$", self._lexer.escape):
                char = self._text[self._at]
                self._at += 1
            out.append(char)
        return "".join(out)

    def until(self, stop: str) -> str:
        """What stands before ``stop`` ("" for the end), expanded; the reading goes on behind it."""
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if stop and char == stop:
                self._at += 1
                return "".join(out)
            out.append(self._piece(char))
        if stop:
            raise WordError(f"unexpected end of statement while looking for {stop!r}: {self._text!r}")
        return "".join(out)

    def _piece(self, char: str) -> str:
        if char == "'":
            return self._whole(self._single())
        if char == '"':
            return self._whole(self._double())
        if char == "$":
            value = self._dollar()
            if value.split() == [value]:  # without a space in it
                return self._whole(value)
            for each in value:
                self._put(each)
            return value
        self._at += 1
        if char == self._lexer.escape:
            if self._at >= len(self._text):
                return ""
            escaped = self._text[self._at]
            self._at += 1
            return self._whole(char + escaped if self._lexer.raw else escaped)
        self._put(char)
        return char

    def _put(self, char: str) -> None:
        if char not in _SPACES:
            self._whole(char)
        elif self._word is not None:
            self._words.append("".join(self._word))
            self._word = None

    def _whole(self, text: str) -> str:
        """Text that belongs to one word whatever is in it."""
        if self._word is None:
            self._word = []
        self._word.append(text)
        return text

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise WordError("unexpected end of statement while looking for matching single-quote")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        return f"'{inner}'" if self._lexer.quotes else inner

    def _double(self) -> str:
        out = ['"'] if self._lexer.quotes else []
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return "".join([*out, '"'] if self._lexer.quotes else out)
            if char == "$":
                out.append(self._dollar())
                continue
            self._at += 1
            if char == self._lexer.escape and self._at < len(self._text):
                following = self._text[self._at]
                self._at += 1
                special = following in ('"', "$", self._lexer.escape)
                out.append(following if special and not self._lexer.raw else char + following)
                continue
            out.append(char)
        raise WordError("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        value = self._substituted()
        self._lexer.budget.spend(len(value))
        return value

    def _substituted(self) -> str:
        start = self._at
        self._at += 1
        if self._text[self._at : self._at + 1] == "{":
            self._at += 1
            return self._braced(start)
        name = self._name()
        if not name:
            return "$"
        value = self._values.get(name)
        return self._unset(name, f"${name}") if value is None else value

    def _braced(self, start: int) -> str:
        name = self._name()
        if not name:
            raise WordError(f"bad substitution: {self._text[start:]!r} names no variable")
        modifier = self._text[self._at : self._at + 1]
        self._at += 1
        value = self._values.get(name)
        if modifier == "}":
            return self._unset(name, f"${{{name}}}") if value is None else value
        if modifier == ":":
            kind = self._text[self._at : self._at + 1]
            self._at += 1
            if kind not in ("-", "+", "?") or not kind:
                raise WordError(f"unsupported modifier (:{kind}) in substitution of {name}: ':-', ':+' and ':?' are")
            return self._default(name, value or None, kind, start, ":")
        if modifier in ("-", "+", "?") and modifier:
            return self._default(name, value, modifier, start, "")
        if modifier in ("#", "%", "/") and modifier:
            return self._trimmed(name, value, modifier, start)
        if not modifier:
            raise WordError(f"syntax error: missing '}}' in {self._text[start:]!r}")
        raise WordError(f"unsupported modifier ({modifier}) in substitution of {name}")

    def _default(self, name: str, value: str | None, kind: str, start: int, colon: str) -> str:
        word = self._inner("}")
        if kind == "-":
            return word if value is None else value
        if kind == "+":
            return "" if value is None else word
        if value is None:
            if self._keep_unset and name not in self._values:
                return self._text[start : self._at]
            fallback = "is not set or is empty" if colon else "is not set"
            raise WordError(f"{name}: {word or fallback}")
        return value

    def _trimmed(self, name: str, value: str | None, kind: str, start: int) -> str:
        twice = self._text[self._at : self._at + 1] == kind
        self._at += twice
        pattern = self._pattern("}/" if kind == "/" else "}")
        replacement = ""
        if kind == "/" and self._text[self._at - 1] == "/":
            replacement = self._inner("}")
        if value is None:
            return self._unset(name, self._text[start : self._at])
        if kind == "/":
            self._lexer.budget.spend(patterns.cost(value, pattern, replacement))
            return patterns.replace(value, pattern, replacement, all_of_them=twice)
        trim = patterns.without_prefix if kind == "#" else patterns.without_suffix
        return trim(value, pattern, longest=twice)

    def _inner(self, stop: str) -> str:
        """A word inside braces, its own variables expanded."""
        if self._depth >= _NEST_LIMIT:
            raise WordError(f"substitutions nested deeper than {_NEST_LIMIT}")
        inner = _Reading(self._lexer, self._text, self._values, self._keep_unset, self._depth + 1)
        inner._at = self._at
        result = inner.until(stop)
        self._at = inner._at
        return result

    def _pattern(self, stops: str) -> str:
        """A pattern inside braces: escapes stay in it, for it is read again; variables are expanded."""
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "$":
                out.append(patterns.literal(self._dollar()))
                continue
            self._at += 1
            if char in stops:
                return "".join(out)
            if char in (self._lexer.escape, "\\") and self._at < len(self._text):
                following = self._text[self._at]
                self._at += 1
                out.append(f"\\{following}")
                continue
            out.append(char)
        raise WordError(f"syntax error: missing '}}' after the pattern {''.join(out)!r}")

    def _name(self) -> str:
        start = self._at
        while self._at < len(self._text) and _is_name(self._text[self._at], self._at == start):
            self._at += 1
        if self._at > start:
            return self._text[start : self._at]
        if self._text[self._at : self._at + 1].isdigit():
            while self._text[self._at : self._at + 1].isdigit():
                self._at += 1
        elif self._text[self._at : self._at + 1] in ("@", "*", "#", "?", "-", "$", "!"):
            self._at += bool(self._text[self._at : self._at + 1])
        return self._text[start : self._at]

    def _unset(self, name: str, written: str) -> str:
        self._lexer.unset.add(name)
        return written if self._keep_unset else ""


def _is_name(char: str, first: bool) -> bool:
    if not char.isascii():
        return False
    return char == "_" or char.isalpha() or (char.isdigit() and not first)
