"""How much of the build cache stays, and which rows go for it. Pure.

A row goes before those that it was made on, for their layers stay as long as its does; of those that can go, the one
that was unused the longest.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.engine.build.prune import Row


@dataclass(frozen=True, slots=True)
class Limits:
    """``every``: also what images share. Bytes, 0 for no limit: ``reserved`` is always left; above ``most`` it shrinks;
    so it does while less than ``free`` is free on the disk. With none of them, all goes."""

    every: bool = False
    reserved: int = 0
    most: int = 0
    free: int = 0

    def __bool__(self) -> bool:
        return bool(self.reserved or self.most or self.free)

    def target(self, total: int, free_now: int) -> int:
        """The bytes that a cache of ``total`` bytes is to have at the most."""
        target = self.most or (total if self.free else 0)
        lacking = self.free - free_now
        if self.free and lacking > 0:
            target = min(target, total - lacking)
        return max(target, self.reserved)


def choose(rows: Sequence[Row], limits: Limits, wanted: Callable[[Row], bool], free_now: int) -> list[Row]:
    """The rows that are to go. With limits those stay that an image has too: they take nothing."""
    if not limits:
        return [row for row in rows if not row.in_use and (limits.every or not row.shared) and wanted(row)]
    total = sum(row.size for row in rows if not row.shared)
    target = limits.target(total, free_now)
    gone: list[Row] = []
    with_layer = Counter(row.layer for row in rows)
    sizes = {row.layer: row.size for row in rows if row.size}
    for row in _leaves_first(rows, lambda row: not row.in_use and not row.shared and wanted(row)):
        if total <= target:
            break
        gone.append(row)
        with_layer[row.layer] -= 1
        if not row.layer:
            total -= row.size
        elif not with_layer[row.layer]:  # the last of those that gave it
            total -= sizes.get(row.layer, 0)
    return gone


def _leaves_first(rows: Sequence[Row], may_go: Callable[[Row], bool]) -> Iterator[Row]:
    above: dict[str, int] = {}
    for row in rows:
        for parent in row.parents:
            above[parent] = above.get(parent, 0) + 1
    by_id = {row.id: row for row in rows}
    heap = [(row.last_used, row.id) for row in rows if not above.get(row.id) and may_go(row)]
    heapq.heapify(heap)
    while heap:
        row = by_id[heapq.heappop(heap)[1]]
        yield row
        for name in row.parents:
            above[name] -= 1
            below = by_id.get(name)
            if not above[name] and below is not None and may_go(below):
                heapq.heappush(heap, (below.last_used, name))
