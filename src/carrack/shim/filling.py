"""Fill the gaps between the zygote's objects, so that what a shim makes of its own lies close together.

A fork shares with its parent every page that neither writes to. What a shim makes goes where the allocator has room,
and after a thousand imports it has a little room on hundreds of pages: a new list here, a string there, and each has
its page copied, for the container's life. With the gaps filled, new objects come one after another from fresh memory.

The interpreter's allocator (obmalloc, "pymalloc") keeps objects of one size, in steps of 16 bytes, in pools of 16 KiB
(4 KiB in some builds). Larger ones are the C library's; filling its gaps brought nothing.
"""

from __future__ import annotations

_STEP, _LARGEST = 16, 512
_POOL, _POOL_HEAD = 1 << 14, 48
#: room in a pool that other objects of that size may have taken meanwhile, our own numbers among them
_SLACK = 8
#: bytes for one size, at which an allocator that has no such pools is given up
_LIMIT = 512 * 1024
#: a bytes object is as large as its text and this
_BYTES_HEAD = 33


def fill() -> list[object]:
    """What fills the gaps, and one pool of each size nearly to its end; they are filled for as long as it is kept."""
    kept: list[object] = []
    for size in range(_STEP, _LARGEST + 1, _STEP):
        kept += _fill(size)
    return kept


def _fill(size: int) -> list[object]:
    """Objects of one size, up to a whole pool's one after another, for then no other pool had room, and one more."""
    enough = (_POOL - _POOL_HEAD) // size - _SLACK
    made: list[object] = []
    pool = run = 0
    while len(made) * size < _LIMIT:
        one = _object(size, len(made))
        made.append(one)
        place = id(one) // _POOL
        if place == pool:
            run += 1
        elif run >= enough:
            return made
        else:
            pool, run = place, 1
    return []


def _object(size: int, number: int) -> object:
    """One of that size, which the interpreter keeps no list of free ones of."""
    if size == _STEP:
        return object()
    return bytes(size - _BYTES_HEAD) if size > 2 * _STEP else (1 << 40) + number
