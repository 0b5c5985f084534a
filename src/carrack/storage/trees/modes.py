"""``--chmod``: permissions in octal, or in the letters of chmod(1): ``u=rwX,go-w``. Source: POSIX.1-2017, chmod."""

from __future__ import annotations

import re

from carrack.errors import InvalidArgument
from carrack.storage.trees.layer import Mode

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


def parse(text: str) -> Mode:
    """The permissions that ``text`` makes of those that are there. Raises InvalidArgument."""
    if re.fullmatch(r"[0-7]{1,5}", text) and int(text, 8) <= 0o7777:
        number = int(text, 8)
        return lambda mode, folder: number
    clauses = [_clause(word, text) for word in text.split(",")]

    def change(mode: int, folder: bool) -> int:
        for who, actions in clauses:
            for sign, letters in actions:
                mode = _apply(mode, folder, who, sign, letters)
        return mode

    return change


def _clause(word: str, text: str) -> tuple[str, list[tuple[str, str]]]:
    match = _CLAUSE.fullmatch(word)
    if match is None:
        raise InvalidArgument(f"invalid chmod parameter: {text!r}: octal permissions, or letters such as u=rwX,go=rX")
    who = "ugo" if "a" in match[1] or not match[1] else match[1]
    return who, [(found[1], found[2]) for found in _ACTION.finditer(match[2])]


def _apply(mode: int, folder: bool, who: str, sign: str, letters: str) -> int:
    bits = special = 0
    for letter in letters:
        if letter in _SHIFT:
            bits |= mode >> _SHIFT[letter] & 7
        elif letter == "X":
            bits |= 1 if folder or mode & 0o111 else 0
        elif letter == "s":
            special |= (0o4000 if "u" in who else 0) | (0o2000 if "g" in who else 0)
        elif letter == "t":
            special |= 0o1000
        else:
            bits |= _BITS[letter]
    mask = sum(7 << _SHIFT[each] for each in set(who)) | (0o4000 if "u" in who else 0) | (0o2000 if "g" in who else 0)
    given = sum(bits << _SHIFT[each] for each in set(who)) | special
    if sign == "+":
        return mode | given
    return mode & ~given if sign == "-" else mode & ~mask | given
