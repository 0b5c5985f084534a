"""Patterns of file names that take no longer than the pattern's length times the path's, however many stars there are.

A regular expression is quicker for those that have few, and so it is for most; with many it may take for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

#: parts that match any number of characters: ``*``, ``**`` and ``**/``
STAR, ANY, FOLDERS = "[^/]*", ".*", "(?:.*/)?"
_FEW = 2

Matches = Callable[[str], bool]


def matcher(parts: Sequence[str]) -> Matches:
    """Whether a whole text is matched by parts: STAR, ANY, FOLDERS, and expressions of one character each.

    Raises re.error.
    """
    if sum(part in (STAR, ANY, FOLDERS) for part in parts) <= _FEW:
        whole = re.compile("".join(parts), re.DOTALL)
        return lambda text: whole.fullmatch(text) is not None
    steps: list[str | re.Pattern[str]] = []
    for part in parts:
        if part == FOLDERS:
            steps += [FOLDERS, ANY, re.compile("/")]
        elif part in (STAR, ANY):
            steps += [] if steps and steps[-1] == part else [part]
        else:
            steps.append(re.compile(part, re.DOTALL))
    return lambda text: _walk(steps, text)


def _walk(steps: list[str | re.Pattern[str]], text: str) -> bool:
    """All places in the pattern that may have been reached, character by character."""
    at = _onwards(steps, {0})
    for char in text:
        reached = set()
        for place in at:
            step = steps[place] if place < len(steps) else FOLDERS
            if step == ANY or (step == STAR and char != "/"):
                reached.add(place)
            elif isinstance(step, re.Pattern) and step.fullmatch(char):
                reached.add(place + 1)
        if not reached:
            return False
        at = _onwards(steps, reached)
    return len(steps) in at


def _onwards(steps: list[str | re.Pattern[str]], places: set[int]) -> set[int]:
    """The places with those that are reached from them by nothing at all."""
    found: set[int] = set()
    waiting = list(places)
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        if place < len(steps) and steps[place] in (STAR, ANY, FOLDERS):
            waiting.append(place + 1)
            waiting += [place + 3] if steps[place] == FOLDERS else []
    return found
