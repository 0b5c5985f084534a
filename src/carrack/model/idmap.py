"""The mount option ``idmap``: whose files those of a bind or a volume are for a container.

Alone it leaves the choice to the engine; with ranges it has Podman's notation, from ids on disk to ids on the host, or
(with ``@``) to ids in the container::

    idmap=uids=0-1000-1#5-@7-10;gids=@0-100-10
"""

import re
from itertools import pairwise
from typing import NamedTuple

from carrack.errors import InvalidArgument

#: the kernel's ids end before this one, which means none
LIMIT = 2**32 - 1
_MAX_RANGES = 340
_RANGE = re.compile(r"(@?)([0-9]{1,10})-(@?)([0-9]{1,10})-([0-9]{1,10})")


class Range(NamedTuple):
    """``size`` ids from ``disk`` on are shown as those from ``shown`` on: the container's when ``relative``."""

    disk: int
    shown: int
    size: int
    relative: bool = False


class IdMap(NamedTuple):
    """What was asked for; None on a side leaves it to the engine."""

    uids: tuple[Range, ...] | None = None
    gids: tuple[Range, ...] | None = None


def is_idmap(word: str) -> bool:
    """Whether a word of a mount's mode is this option."""
    return word.partition("=")[0] == "idmap"


def parse_idmap(word: str) -> IdMap:
    """Read the whole word. Raises InvalidArgument naming what is wrong in it."""
    name, equals, text = word.partition("=")
    if name != "idmap":
        raise InvalidArgument(f"invalid idmap option '{word}'")
    if not equals:
        return IdMap()
    sides: dict[str, tuple[Range, ...]] = {}
    for part in text.split(";"):
        side, _, ranges = part.partition("=")
        if side not in ("uids", "gids") or side in sides:
            raise InvalidArgument(f"invalid idmap option '{word}': give uids=… and gids=…, each once, apart by ;")
        sides[side] = _ranges(ranges, word)
    return IdMap(sides.get("uids"), sides.get("gids"))


def _ranges(text: str, word: str) -> tuple[Range, ...]:
    found = []
    for part in text.split("#"):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise InvalidArgument(f"invalid idmap option '{word}': '{part}' is not of the form disk-shown-count")
        disk, shown, size = int(match[2]), int(match[4]), int(match[5])
        if not size or max(disk, shown) + size > LIMIT:
            raise InvalidArgument(f"invalid idmap option '{word}': '{part}' is no range of ids")
        found.append(Range(disk, shown, size, bool(match[1] or match[3])))
    if len(found) > _MAX_RANGES:
        raise InvalidArgument(f"invalid idmap option '{word}': more than {_MAX_RANGES} ranges")
    for begins in ([(r.disk, r.size) for r in found], [(r.shown, r.size) for r in found if not r.relative]):
        ordered = sorted(begins)
        for (first, size), (following, _) in pairwise(ordered):
            if first + size > following:
                raise InvalidArgument(f"invalid idmap option '{word}': ranges overlap at {following}")
    return tuple(found)
