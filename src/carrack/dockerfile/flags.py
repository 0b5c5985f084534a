"""The flags of an instruction: ``--name=value`` before its arguments, each instruction with its own."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from carrack.errors import InvalidArgument

_TRUE = {"": True, "true": True, "1": True, "false": False, "0": False}
_ESCAPED = "\"' \t"


class Kind(Enum):
    """What a flag's value is: once, any number of times, or a truth that needs none."""

    ONE = "one"
    MANY = "many"
    TRUTH = "truth"


class Flags:
    """The flags that were given."""

    def __init__(self, kinds: Mapping[str, Kind], words: list[str]) -> None:
        """Raises InvalidArgument for an unknown flag, one given twice, or a value that is missing or none."""
        self._values: dict[str, list[str]] = {}
        for word in words:
            name, equals, value = word[2:].partition("=")
            kind = kinds.get(name)
            if kind is None:
                known = ", ".join(f"--{known}" for known in kinds) or "none"
                raise InvalidArgument(f"unknown flag: --{name} (known here: {known})")
            if not equals and kind is not Kind.TRUTH:
                raise InvalidArgument(f"missing a value on flag: --{name}")
            if name in self._values and kind is not Kind.MANY:
                raise InvalidArgument(f"duplicate flag specified: --{name}")
            if kind is Kind.TRUTH and value.lower() not in _TRUE:
                raise InvalidArgument(f"expecting boolean value for flag {name}, not: {value}")
            self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        """Its value, "" when it was not given."""
        return self._values.get(name, [""])[-1]

    def many(self, name: str) -> tuple[str, ...]:
        """All its values, in order."""
        return tuple(self._values.get(name, ()))

    def truth(self, name: str) -> bool | None:
        """Whether it is on; None when it was not given."""
        return _TRUE[self._values[name][-1].lower()] if name in self._values else None


def split(text: str, escape: str) -> tuple[list[str], str]:
    """The flags that ``text`` begins with, quotes and escapes taken off, and the rest; ``--`` ends them."""
    words: list[str] = []
    rest = text.lstrip()
    while rest.startswith("--"):
        word, rest = _word(rest, escape)
        rest = rest.lstrip()
        if word == "--":
            break
        words.append(word)
    return words, rest


def _word(text: str, escape: str) -> tuple[str, str]:
    """The first word and what follows it. An open quote lasts to the end, as in Docker's parser."""
    out: list[str] = []
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == escape and quote != "'" and at < len(text):
            following = text[at]
            at += 1
            out.append(following if following in f"{quote or _ESCAPED}{escape}" else char + following)
        elif quote:
            quote = "" if char == quote else quote
            out.append("" if not quote else char)
        elif char in "'\"":
            quote = char
        elif char.isspace():
            break
        else:
            out.append(char)
    return "".join(out), text[at:]
