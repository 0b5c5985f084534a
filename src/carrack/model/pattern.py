"""Regular expressions of clients, matched in a time that grows with text times pattern and no faster.

Docker's are Go's (RE2), for which that holds; Python's own can be made to take for ever. Understood is Go's syntax but
for classes by Unicode property. What a pattern captures is of no interest: it matches somewhere or it does not.
Source: "Syntax" of Go's package regexp/syntax; the machine is Thompson's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

MOST_STEPS = 1000
"""Instructions of a compiled pattern."""

_MOST_REPEATS = 1000
_DEEPEST = 100
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\t\n\f\r "}
_NAMED = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": "\0-\x7f", "blank": "\t ", "cntrl": "\0-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@[-`{-~", "space": "\t\n\v\f\r ", "upper": "A-Z",
    "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip

Test = Callable[[str], bool]
# ("char", test) | ("at", where) | ("split", one, other) | ("jump", to) | ("match",)
Step = tuple[str, object, int]


def found(pattern: str, *texts: str) -> bool:
    """Whether a filter's word is one of the texts, or a regular expression that matches in one; as with Docker one
    that is none matches nothing."""
    if pattern in texts:
        return True
    if pattern.isascii() and pattern.replace("-", "").replace("_", "").isalnum():
        return any(pattern in text for text in texts)
    compiled = _compiled(pattern)
    return compiled is not None and any(compiled.search(text) for text in texts)


@functools.lru_cache(64)
def _compiled(pattern: str) -> Pattern | None:
    try:
        return Pattern(pattern)
    except BadPattern:
        return None


class BadPattern(ValueError):
    """It is no regular expression, or a larger one than is taken."""


class Pattern:
    """A compiled pattern. Raises BadPattern."""

    def __init__(self, text: str) -> None:
        self._steps: list[Step] = []
        _Parser(text, self._steps).whole()

    def search(self, text: str) -> bool:
        """Whether it matches anywhere in `text`."""
        waiting: set[int] = set()
        for position in range(len(text) + 1):
            waiting.add(0)
            ready = self._follow(waiting, text, position)
            if ready is None:
                return True
            if position == len(text):
                return False
            character = text[position]
            waiting = {place + 1 for place in ready if self._steps[place][1](character)}  # type: ignore[operator]
        return False

    def _follow(self, places: set[int], text: str, position: int) -> list[int] | None:
        """The steps that wait for a character, from these places on; None when one of them has matched."""
        seen: set[int] = set()
        ready: list[int] = []
        stack = list(places)
        while stack:
            place = stack.pop()
            if place in seen:
                continue
            seen.add(place)
            kind, what, other = self._steps[place]
            if kind == "match":
                return None
            if kind == "char":
                ready.append(place)
            elif kind == "split":
                stack += [place + 1, other]
            elif kind == "jump":
                stack.append(other)
            elif _holds(str(what), text, position):
                stack.append(place + 1)
        return ready


def _holds(where: str, text: str, position: int) -> bool:
    before, after = text[position - 1 : position] if position else "", text[position : position + 1]
    if where == "^":
        return position == 0
    if where == "$":
        return position == len(text)
    if where == "^m":
        return before in ("", "\n")
    if where == "$m":
        return after in ("", "\n")
    return (_is_word(before) != _is_word(after)) == (where == "b")


def _is_word(character: str) -> bool:
    return character != "" and character.isascii() and (character.isalnum() or character == "_")


class _Parser:
    """Recursive descent that writes the machine's steps as it goes."""

    def __init__(self, text: str, steps: list[Step]) -> None:
        self._text = text
        self._place = 0
        self._steps = steps
        self._flags = frozenset[str]()
        self._depth = 0

    def whole(self) -> None:
        self._alternatives()
        if self._place < len(self._text):
            raise BadPattern("unexpected )")
        self._write("match")

    def _alternatives(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BadPattern("expression nests too deeply")
        start, ends = len(self._steps), []
        self._sequence()
        while self._accept("|"):
            self._write("jump")
            self._insert(start, len(self._steps) + 1)
            ends.append(len(self._steps) - 1)
            start = len(self._steps)
            self._sequence()
        for end in ends:
            self._steps[end] = ("jump", None, len(self._steps))
        self._depth -= 1

    def _sequence(self) -> None:
        while self._place < len(self._text) and self._text[self._place] not in "|)":
            start = len(self._steps)
            if self._atom():
                self._repeats(start)

    def _repeats(self, start: int) -> None:
        if self._peek() in ("*", "+", "?") or self._counts() is not None:
            self._repeat(start)
            self._accept("?")  # lazy or greedy: it matches all the same
            if self._peek() in ("*", "+", "?") or self._counts() is not None:
                raise BadPattern("invalid nested repetition operator")

    def _repeat(self, start: int) -> None:
        counts = self._counts()
        if counts is not None:
            least, most, self._place = counts
            if least > _MOST_REPEATS or (most or 0) > _MOST_REPEATS or (most is not None and most < least):
                raise BadPattern("invalid repeat count")
            self._copy(start, least, most)
            return
        sign = self._next()
        if sign == "+":
            self._write("split", other=len(self._steps) + 2)
            self._write("jump", other=start)
            return
        self._insert(start, len(self._steps) + (2 if sign == "*" else 1))
        if sign == "*":
            self._write("jump", other=start)

    def _copy(self, start: int, least: int, most: int | None) -> None:
        body = self._steps[start:]
        del self._steps[start:]
        for _ in range(least):
            self._append(body, start)
        if most is None:
            place = len(self._steps)
            self._write("split", other=place + len(body) + 2)
            self._append(body, start)
            self._write("jump", other=place)
            return
        for _ in range(most - least):
            self._write("split", other=len(self._steps) + 1 + len(body))
            self._append(body, start)

    def _append(self, body: list[Step], start: int) -> None:
        shift = len(self._steps) - start
        for kind, what, other in body:
            self._write(kind, what, other + shift if kind in ("split", "jump") else other)

    def _insert(self, place: int, other: int) -> None:
        """Put a split before what was written from `place` on, whose jumps move along."""
        moved = self._steps[place:]
        del self._steps[place:]
        self._write("split", other=other)
        for kind, what, to in moved:
            self._write(kind, what, to + 1 if kind in ("split", "jump") and to >= place else to)

    def _atom(self) -> bool:
        """Write one thing that can be repeated; False for flags, which are none."""
        character = self._next()
        if character == "(":
            return self._group()
        if character in "*+?":
            raise BadPattern(f"missing argument to repetition operator: {character}")
        if character == "[":
            self._char(self._class())
        elif character == ".":
            self._char((lambda _: True) if "s" in self._flags else (lambda c: c != "\n"))
        elif character in "^$":
            self._write("at", character + ("m" if "m" in self._flags else ""))
        elif character == "\\":
            self._escape()
        else:
            self._literal(character)
        return True

    def _group(self) -> bool:
        flags = self._flags
        if self._accept("?"):
            if self._accept("P<") or (
                self._peek() == "<" and self._text[self._place + 1 : self._place + 2] not in "=!"
            ):
                self._accept("<")
                end = self._text.find(">", self._place)
                if end < 0 or not self._text[self._place : end].isidentifier():
                    raise BadPattern("invalid named capture")
                self._place = end + 1
            elif not self._set_flags():
                return False
        self._alternatives()
        if not self._accept(")"):
            raise BadPattern("missing closing )")
        self._flags = flags
        return True

    def _set_flags(self) -> bool:
        """Read `i-s:` or `i-s)`; whether a group follows."""
        on, flags = True, set(self._flags)
        while (character := self._next()) not in ":)":
            if character == "-" and on:
                on = False
            elif character in "imsU":
                (flags.add if on else flags.discard)(character)
            else:
                raise BadPattern("invalid or unsupported Perl syntax")
        self._flags = frozenset(flags)
        return character == ":"

    def _escape(self) -> None:
        character = self._next()
        if character == "Q":
            end = self._text.find("\\E", self._place)
            quoted = self._text[self._place : end if end >= 0 else len(self._text)]
            self._place = end + 2 if end >= 0 else len(self._text)
            for each in quoted:
                self._literal(each)
        elif character in "bB":
            self._write("at", character)
        elif character in "Az":
            self._write("at", "^" if character == "A" else "$")
        elif character.lower() in _CLASSES:
            self._char(_among(_ranges(_CLASSES[character.lower()]), not_=character.isupper()))
        else:
            self._literal(self._escaped(character))

    def _escaped(self, character: str) -> str:
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character == "x":
            return self._hexadecimal()
        if character == "0":
            return "\0"
        if character.isalnum():
            raise BadPattern(f"invalid escape sequence: \\{character}")
        return character

    def _hexadecimal(self) -> str:
        if self._accept("{"):
            end = self._text.find("}", self._place)
            digits, after = self._text[self._place : max(end, self._place)], end + 1
        else:
            digits, after = self._text[self._place : self._place + 2], self._place + 2
        try:
            character = chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise BadPattern("invalid escape sequence: \\x") from None
        self._place = after
        return character

    def _class(self) -> Test:
        negated = self._accept("^")
        ranges: list[tuple[str, str]] = []
        without: list[Test] = []
        first = True
        while first or self._peek() != "]":
            first = False
            self._member(ranges, without)
        self._place += 1
        inside = _among(ranges)
        if "i" in self._flags:
            inside = _in_any_case(inside)
        return lambda c: (inside(c) or any(test(c) for test in without)) != negated

    def _member(self, ranges: list[tuple[str, str]], without: list[Test]) -> None:
        if self._text.startswith("[:", self._place) and (end := self._text.find(":]", self._place)) > 0:
            name = self._text[self._place + 2 : end]
            if name.removeprefix("^") not in _NAMED:
                raise BadPattern("invalid character class range")
            self._place = end + 2
            found = list(_ranges(_NAMED[name.removeprefix("^")]))
            without.append(_among(found, not_=name.startswith("^")))
            return
        low = self._next()
        if low == "\\":
            escape = self._next()
            if escape.lower() in _CLASSES:
                without.append(_among(_ranges(_CLASSES[escape.lower()]), not_=escape.isupper()))
                return
            low = self._escaped(escape)
        high = low
        if self._peek() == "-" and self._text[self._place + 1 : self._place + 2] not in ("]", ""):
            self._place += 1
            high = self._next()
            high = self._escaped(self._next()) if high == "\\" else high
        if high < low:
            raise BadPattern("invalid character class range")
        ranges.append((low, high))

    def _counts(self) -> tuple[int, int | None, int] | None:
        """(least, most or None, where it ends) of `{2}`, `{2,}` or `{2,5}` here; None where it is plain text."""
        end = self._text.find("}", self._place)
        if self._peek() != "{" or end < 0:
            return None
        least, comma, most = self._text[self._place + 1 : end].partition(",")
        if not _is_count(least) or not (most == "" or _is_count(most)):
            return None
        return int(least), (int(most) if most else None) if comma else int(least), end + 1

    def _literal(self, character: str) -> None:
        same: Test = lambda c: c == character  # noqa: E731
        self._char(_in_any_case(same) if "i" in self._flags else same)

    def _char(self, test: Test) -> None:
        self._write("char", test)

    def _write(self, kind: str, what: object = None, other: int = 0) -> None:
        if len(self._steps) >= MOST_STEPS:
            raise BadPattern("expression is too large")
        self._steps.append((kind, what, other))

    def _peek(self) -> str:
        return self._text[self._place : self._place + 1]

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise BadPattern("it ends too early")
        self._place += 1
        return character

    def _accept(self, text: str) -> bool:
        found = self._text.startswith(text, self._place)
        if found:
            self._place += len(text)
        return found


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def _ranges(text: str) -> Iterator[tuple[str, str]]:
    """The ranges of `a-z_`."""
    place = 0
    while place < len(text):
        if text[place + 1 : place + 2] == "-" and place + 2 < len(text):
            yield text[place], text[place + 2]
            place += 3
        else:
            yield text[place], text[place]
            place += 1


def _among(ranges: Iterator[tuple[str, str]] | list[tuple[str, str]], *, not_: bool = False) -> Test:
    known = tuple(ranges)
    return lambda c: any(low <= c <= high for low, high in known) != not_


def _in_any_case(test: Test) -> Test:
    return lambda c: test(c) or test(c.lower()) or test(c.upper())
