"""What of the build cache goes: pure rules over its rows, and the hand that removes them.

Rows are remembered steps, cache mounts and kept contexts. Without more being said, what nobody uses goes; with limits,
only as much, the longest unused first, as brings the cache under them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.engine.build.cache import Entry
from carrack.engine.build.cachemounts import Kept
from carrack.engine.build.contexts import Contexts, KeptContext
from carrack.engine.images.filters import moment
from carrack.errors import InvalidArgument
from carrack.model import times

if TYPE_CHECKING:
    from carrack.engine.build.cache import Cache
    from carrack.engine.build.cachemounts import CacheMounts
    from carrack.engine.images.store import ImageStore

Document = dict[str, Any]
_KNOWN = ("until", "unused-for", "id", "parent", "type", "description", "inuse", "shared", "private", "label", "label!")


@dataclass(frozen=True, slots=True)
class Row:
    """One object of the cache, as the API shows it; ``what`` is the entry or the mount itself."""

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


@dataclass(frozen=True, slots=True)
class Limits:
    """``every``: also what images share. Bytes, 0 for no limit: ``reserved`` is always left; above ``most`` it shrinks;
    so it does while less than ``free`` is free on the disk."""

    every: bool = False
    reserved: int = 0
    most: int = 0
    free: int = 0


def choose(rows: Sequence[Row], limits: Limits, wanted: Callable[[Row], bool], free_now: int) -> list[Row]:
    """The rows that are to go."""
    open_to = [row for row in rows if not row.in_use and (limits.every or not row.shared) and wanted(row)]
    total = sum(row.size for row in rows)
    if not (limits.reserved or limits.most or limits.free):
        return open_to
    gone: list[Row] = []
    for row in sorted(open_to, key=lambda each: each.last_used):
        too_much = bool(limits.most) and total > limits.most
        too_full = bool(limits.free) and free_now < limits.free
        plain = not limits.most and not limits.free
        if total <= limits.reserved or not (too_much or too_full or plain):
            break
        gone.append(row)
        total -= row.size
        free_now += row.size
    return gone


def filtered(filters: Mapping[str, list[str]], now: int) -> Callable[[Row], bool]:
    """The rows that filters mean. Raises InvalidArgument."""
    for key in filters:
        if key not in _KNOWN:
            raise InvalidArgument(f"invalid filter '{key}'")
    limits = [moment(text, now) for key in ("until", "unused-for") for text in filters.get(key, ())]

    def matches(row: Row) -> bool:
        if any(row.last_used > limit for limit in limits):
            return False
        fits: dict[str, Callable[[str], bool]] = {
            "id": lambda text: row.id.startswith(text),
            "parent": lambda text: any(parent.startswith(text) for parent in row.parents),
            "type": lambda text: row.kind == text,
            "description": lambda text: text in row.description,
        }
        if any(filters.get(key) and not any(fit(text) for text in filters[key]) for key, fit in fits.items()):
            return False
        if filters.get("label"):
            return False  # nothing here has labels
        return not (("shared" in filters and not row.shared) or ("private" in filters and row.shared))

    return matches


class BuildCache:
    """Shows and prunes it."""

    def __init__(
        self,
        cache: Cache,
        mounts: CacheMounts,
        contexts: Contexts,
        images: ImageStore,
        free: Callable[[], int] = lambda: 0,
    ) -> None:
        self.contexts = contexts
        self._cache = cache
        self._mounts = mounts
        self._images = images
        self._free = free

    async def rows(self) -> list[Row]:
        """All there is."""
        shared = {diff_id for image in self._images for diff_id in image.diff_ids}
        by_chain = {entry.layers: entry.key for entry in self._cache if entry.diff_id}
        steps = [_step(entry, shared, by_chain) for entry in self._cache]
        mounts = map(_mount, await asyncio.to_thread(self._mounts.kept))
        return [*steps, *mounts, *map(_context, self.contexts.kept())]

    async def documents(self) -> list[Document]:
        """What `system df` shows of builds."""
        return [row.document() for row in await self.rows()]

    async def prune(self, limits: Limits, filters: Mapping[str, list[str]]) -> Document:
        """Remove what is to go; as BuildPruneResponse of the API."""
        wanted = filtered(filters, times.now())
        gone = choose(await self.rows(), limits, wanted, self._free())
        removed = [row for row in gone if await self._remove(row.what)]
        await self._cache.remove(row.what for row in removed if isinstance(row.what, Entry))
        freed = await self._images.collect()
        freed += sum(row.size for row in removed if not isinstance(row.what, Entry))
        return {"CachesDeleted": [row.id for row in removed] or None, "SpaceReclaimed": freed}

    async def _remove(self, what: Entry | Kept | KeptContext) -> bool:
        """Whether it is gone, or can go; somebody may have begun to use it."""
        if isinstance(what, Kept):
            return await asyncio.to_thread(self._mounts.remove, what)
        return isinstance(what, Entry) or self.contexts.remove(what)


def _step(entry: Entry, shared: set[str], by_chain: Mapping[tuple[str, ...], str]) -> Row:
    parent = by_chain.get(entry.below)
    return Row(
        id=_short(entry.key), kind=entry.kind, description=entry.description, size=entry.size, created=entry.created,
        last_used=entry.last_used, uses=entry.uses, in_use=False, shared=entry.diff_id in shared,
        parents=(_short(parent),) if parent else (), what=entry,
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
