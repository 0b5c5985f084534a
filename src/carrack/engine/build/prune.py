"""The rows of the build cache, and the hand that removes them: when asked, and by the rules of the configuration.

Rows are remembered steps, cache mounts and kept contexts. Without more being said, what nobody uses goes; with limits,
only as much, the longest unused first, as brings the cache under them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.engine.build import sieve
from carrack.engine.build.cache import Entry
from carrack.engine.build.cachemounts import Kept
from carrack.engine.build.contexts import Contexts, KeptContext
from carrack.engine.build.limits import Limits, choose
from carrack.engine.build.rules import NONE, Rule, Rules
from carrack.model import times

if TYPE_CHECKING:
    from carrack.engine.build.cache import Cache
    from carrack.engine.build.cachemounts import CacheMounts
    from carrack.engine.build.sieve import Test
    from carrack.engine.events import Events
    from carrack.engine.images.store import ImageStore

log = logging.getLogger(__name__)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One object of the cache, as the API shows it; ``what`` is the entry or the mount itself. Of those that gave the
    same ``layer`` ("" for none) the first has its ``size``, the others none."""

    id: str
    kind: str
    description: str
    size: int
    created: int
    last_used: int
    uses: int
    in_use: bool
    shared: bool
    parents: tuple[str, ...]
    what: Entry | Kept | KeptContext
    layer: str = ""

    @property
    def mutable(self) -> bool:
        """Whether a later build may change it."""
        return not isinstance(self.what, Entry)

    def document(self) -> Document:
        """As BuildCache of the API's definition."""
        return {
            "ID": self.id,
            "Parents": list(self.parents) or None,
            "Type": self.kind,
            "Description": self.description,
            "InUse": self.in_use,
            "Shared": self.shared,
            "Size": self.size,
            "CreatedAt": times.rfc3339(self.created),
            "LastUsedAt": times.rfc3339(self.last_used) if self.last_used else None,
            "UsageCount": self.uses,
        }


class BuildCache:
    """Shows and prunes it."""

    def __init__(
        self,
        cache: Cache,
        mounts: CacheMounts,
        contexts: Contexts,
        images: ImageStore,
        events: Events,
        room: Callable[[], tuple[int, int]] = lambda: (0, 0),
        rules: Rules = NONE,
    ) -> None:
        """``room``: the bytes of the disk, and how many of them are free."""
        self.contexts = contexts
        self._cache = cache
        self._mounts = mounts
        self._images = images
        self._events = events
        self._room = room
        self._rules = rules
        self.grown = asyncio.Event()

    async def rows(self) -> list[Row]:
        """All there is."""
        shared = {diff_id for image in self._images for diff_id in image.diff_ids}
        by_chain = {entry.layers: entry.key for entry in self._cache if entry.diff_id}
        first: dict[str, str] = {}
        for entry in sorted(self._cache, key=lambda entry: (entry.created, entry.key)):
            first.setdefault(entry.diff_id, entry.key)
        steps = [_step(entry, shared, by_chain, first) for entry in self._cache]
        mounts = map(_mount, await asyncio.to_thread(self._mounts.kept))
        return [*steps, *mounts, *map(_context, self.contexts.kept())]

    async def documents(self) -> list[Document]:
        """What `system df` shows of builds."""
        return [row.document() for row in await self.rows()]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those by which it is kept small."""
        return self._rules.on(self._room()[0])

    def follow(self, rules: Rules) -> None:
        """Take other rules, and look at the cache by them soon."""
        if rules != self._rules:
            self._rules = rules
            self.grown.set()

    async def prune(self, limits: Limits, wanted: Test) -> list[Row]:
        """Remove what is to go, and say what has gone."""
        return (await self._prune(limits, wanted))[0]

    async def asked(self, limits: Limits, filters: Mapping[str, list[str]]) -> Document:
        """The same as the API asks for it; BuildPruneResponse. Raises InvalidArgument for filters."""
        removed, freed = await self._prune(limits, sieve.of_request(filters, times.now()))
        self._events.publish("builder", "prune", "", {"reclaimed": str(freed)})
        return {"CachesDeleted": [row.id for row in removed] or None, "SpaceReclaimed": freed}

    async def collect(self) -> None:
        """Do what the rules say, once."""
        for number, rule in enumerate(self.rules):
            removed, freed = await self._prune(rule.limits, rule.test(times.now()))
            if removed:
                log.info("build cache: %s records removed by rule %s, %s bytes freed", len(removed), number, freed)

    async def _prune(self, limits: Limits, wanted: Test) -> tuple[list[Row], int]:
        gone = choose(await self.rows(), limits, wanted, self._room()[1])
        if not gone:
            return [], 0
        removed = [row for row in gone if await self._remove(row.what)]
        await self._cache.remove(row.what for row in removed if isinstance(row.what, Entry))
        freed = await self._images.collect()
        return removed, freed + sum(row.size for row in removed if not isinstance(row.what, Entry))

    async def _remove(self, what: Entry | Kept | KeptContext) -> bool:
        """Whether it is gone, or can go; somebody may have begun to use it."""
        if isinstance(what, Kept):
            return await asyncio.to_thread(self._mounts.remove, what)
        return isinstance(what, Entry) or self.contexts.remove(what)


def _step(entry: Entry, shared: set[str], by_chain: Mapping[tuple[str, ...], str], first: Mapping[str, str]) -> Row:
    parent, size = by_chain.get(entry.below), entry.size if first[entry.diff_id] == entry.key else 0
    return Row(
        id=_short(entry.key), kind=entry.kind, description=entry.description, size=size, created=entry.created,
        last_used=entry.last_used, uses=entry.uses, in_use=False, shared=entry.diff_id in shared,
        parents=(_short(parent),) if parent else (), what=entry, layer=entry.diff_id,
    )  # fmt: skip


def _mount(kept: Kept) -> Row:
    return Row(
        id=kept.path.parent.name[:25], kind="exec.cachemount", description=f"cache mount {kept.id}", size=kept.size,
        created=kept.last_used, last_used=kept.last_used, uses=1, in_use=kept.in_use, shared=False, parents=(),
        what=kept,
    )  # fmt: skip


def _context(kept: KeptContext) -> Row:
    return Row(
        id=kept.id, kind="source.local", description=kept.description, size=kept.tree.size, created=kept.created,
        last_used=kept.last_used, uses=kept.uses, in_use=kept.tree.in_use, shared=False, parents=(), what=kept,
    )  # fmt: skip


def _short(key: str) -> str:
    return key.removeprefix("sha256:")[:25]
