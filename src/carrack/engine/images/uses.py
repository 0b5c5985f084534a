"""When each image was last used, so that rules can tell what is not used any more.

An image is used when it is named, loaded or pulled, when a container is made from it or it is saved, and as long as a
container stands on it. Times are kept in memory and written now and then: after a power cut the last minutes of them
are missing, which at worst makes an image look used a little earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.model import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from sqlite3 import Connection

    from carrack.storage.records import Records

COARSE = 10 * 60 * 1_000_000_000
"""Nanoseconds that a time may be behind for an image that is in use all the time."""


class Uses:
    """Nanoseconds since 1970 by key: an image's id."""

    def __init__(self, records: Records, now: Callable[[], int] = times.now) -> None:
        self._records = records
        self._now = now
        self._times: dict[str, int] = {}
        self._changed: set[str] = set()

    def load(self) -> None:
        """Read what was recorded."""
        self._times = {str(key): int(at) for key, at in self._records.read("SELECT key, at FROM used")}
        self._changed.clear()

    def touch(self, key: str) -> None:
        """It is used just now."""
        self._times[key] = self._now()
        self._changed.add(key)

    def last(self, key: str) -> int:
        """When it was last used; what nobody knows of counts as used now, for it may have been."""
        if key not in self._times:
            self.touch(key)
        return self._times[key]

    async def keep(self, keys: Iterable[str], used: Iterable[str]) -> None:
        """Write what has changed, and forget all but ``keys``; those ``used`` are in use now."""
        now, wanted = self._now(), set(keys)
        for key in used:
            if now - self._times.get(key, 0) >= COARSE:
                self.touch(key)
        for key in wanted:
            self.last(key)
        gone = self._times.keys() - wanted
        changed = {key: self._times[key] for key in self._changed & wanted}
        if not gone and not changed:
            return

        def write(connection: Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO used VALUES (?, ?)", list(changed.items()))
            connection.executemany("DELETE FROM used WHERE key = ?", [(key,) for key in gone])

        await self._records.write(write, durable=False)
        for key in gone:
            self._times.pop(key, None)
        self._changed -= {key for key, at in changed.items() if self._times.get(key) == at} | gone
