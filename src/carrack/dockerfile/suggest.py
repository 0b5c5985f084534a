"""What somebody may have meant: the nearest known word, if it is near enough to be a slip."""

from __future__ import annotations

from collections.abc import Iterable

_SLIPS = 2


def nearest(word: str, known: Iterable[str]) -> str:
    """The first of the words that the fewest slips of the keyboard (at most two) make of ``word``; "" for none."""
    best, found = _SLIPS + 1, ""
    for candidate in known:
        if abs(len(candidate) - len(word)) < best and (slips := _distance(word, candidate)) < best:
            best, found = slips, candidate
    return found


def _distance(one: str, other: str) -> int:
    """How many letters have to be put in, taken out or changed."""
    row = list(range(len(other) + 1))
    for count, letter in enumerate(one, 1):
        above, row = row, [count]
        for at, wanted in enumerate(other):
            row.append(min(above[at + 1] + 1, row[at] + 1, above[at] + (letter != wanted)))
    return row[-1]
