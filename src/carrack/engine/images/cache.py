"""Compressed layers of images that were removed, kept for the next pull: so much of them as there is a budget for.

What is kept is the newest; it never takes the last of a disk: with less than a tenth of it free nothing is kept. The
blobs lie among all others in the content store, and the records tell since when they are kept for this alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from carrack.model import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from sqlite3 import Connection

    from carrack.storage.gc import Garbage, Stored
    from carrack.storage.records import Records

USUAL = 5 << 30
"""Bytes of the budget where nothing is said."""
_TENTH = 10


@dataclass(frozen=True, slots=True)
class Cached:
    """A blob that no image needs: its bytes, and since when, in nanoseconds since 1970."""

    digest: str
    size: int
    since: int


class BlobCache:
    """``size`` tells the bytes of a blob that is here; ``room`` those of the file system, and how many are free."""

    def __init__(self, records: Records, size: Callable[[str], int], room: Callable[[], tuple[int, int]]) -> None:
        self.budget = 0
        self._records = records
        self._size = size
        self._room = room
        self._known: dict[str, Cached] = {}

    def load(self) -> None:
        """Read what was recorded."""
        rows = self._records.read("SELECT digest, size, since FROM cached")
        self._known = {digest: Cached(digest, size, since) for digest, size, since in rows}

    @property
    def blobs(self) -> tuple[Cached, ...]:
        """What is kept, the newest first."""
        return tuple(sorted(self._known.values(), key=lambda blob: (-blob.since, blob.digest)))

    def excessive(self) -> bool:
        """Whether more is kept than may be."""
        return sum(blob.size for blob in self._known.values()) > self._allowed()

    def spare(self, found: Garbage, stored: Stored, *, feed: bool) -> tuple[Garbage, tuple[Cached, ...]]:
        """What of the garbage is to go all the same, and what then is in the cache. ``feed``: whether blobs of layers
        that go now may come in. Blocks."""
        now = times.now()
        lost = {stored.layer_rows[layer] for layer in found.layer_rows} if feed else set()
        digests = sorted(found.blob_files & lost - self._known.keys())
        new = [Cached(digest, self._size(digest), now) for digest in digests]
        kept: list[Cached] = []
        room = self._allowed()
        for blob in (*new, *(blob for blob in self.blobs if blob.digest in found.blob_files)):
            if blob.size <= room:
                kept.append(blob)
                room -= blob.size
        names = {blob.digest for blob in kept}
        return replace(found, blob_rows=found.blob_rows - names, blob_files=found.blob_files - names), tuple(kept)

    def drop(self, digests: Iterable[str]) -> None:
        """These are not worth keeping: the next collection takes them."""
        for digest in digests:
            self._known.pop(digest, None)

    def write(self, connection: Connection, kept: tuple[Cached, ...]) -> None:
        """Record what is kept, and nothing else."""
        connection.execute("DELETE FROM cached")
        rows = [(blob.digest, blob.size, blob.since) for blob in kept]
        connection.executemany("INSERT INTO cached VALUES (?, ?, ?)", rows)

    def take(self, kept: tuple[Cached, ...]) -> None:
        """The same in memory, once it is on record."""
        self._known = {blob.digest: blob for blob in kept}

    def same(self, kept: tuple[Cached, ...]) -> bool:
        """Whether just this is on record."""
        return self._known == {blob.digest: blob for blob in kept}

    def _allowed(self) -> int:
        """Bytes that may be kept; what is kept now counts as free."""
        total, free = self._room()
        free += sum(blob.size for blob in self._known.values())
        return max(0, min(self.budget, free - total // _TENTH))
