"""Who has which volume mounted: counted, and written down before it is done, so that nothing stays mounted for ever.

A hold is a volume and its holder (a container's id). The record of a hold is on disk before the driver is asked to
mount and goes after it has unmounted; one whose driver is not there stays, and is given back when the daemon starts
again. After a crash of the daemon the holds of containers that still run stand; those of others are given back.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from carrack.errors import CarrackError, NotFound, Unavailable

if TYPE_CHECKING:
    from carrack.engine.volumes.drivers import Drivers
    from carrack.engine.volumes.volume import Volume
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

_PREFIX = "volume-held/"


class Holds:
    """All holds of this daemon."""

    def __init__(self, records: Records, drivers: Drivers) -> None:
        self._records = records
        self._drivers = drivers
        self._held: dict[str, set[str]] = {}
        self._fresh: set[tuple[str, str]] = set()  # taken since this daemon began
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def load(self) -> None:
        """Read what the last daemon held."""
        for key, value in self._records.read("SELECT key, value FROM setting WHERE key LIKE ?", (_PREFIX + "%",)):
            try:
                self._held[str(key).removeprefix(_PREFIX)] = {str(holder) for holder in json.loads(value)}
            except (ValueError, TypeError) as error:  # what it told is found by what is mounted
                log.error("the record of who holds volume %s is unreadable: %s", key, error)

    def holders(self, name: str) -> frozenset[str]:
        """Who holds a volume."""
        return frozenset(self._held.get(name, ()))

    async def take(self, volumes: Iterable[Volume], holder: str) -> dict[str, str]:
        """Mount volumes for a holder: their directories by name. All or none; raises what the driver says."""
        places: dict[str, str] = {}
        taken: list[Volume] = []
        try:
            for volume in volumes:
                taken.append(volume)
                places[volume.name] = await self._take(volume, holder)
        except BaseException:
            for volume in taken:
                await asyncio.shield(self._release(volume, holder))
            raise
        return places

    async def give_back(self, volumes: Iterable[Volume], holder: str) -> None:
        """Unmount them for a holder; a failure is logged, for the holder is gone whatever comes of it."""
        for volume in volumes:
            await self._release(volume, holder)

    async def drop(self, volume: Volume) -> None:
        """Unmount a volume for everybody, before it is removed."""
        for holder in sorted(self._held.get(volume.name, ())):
            await self._release(volume, holder, forget=True)

    async def restore(self, volumes: Collection[Volume], running: Collection[str]) -> None:
        """Give back what the last daemon held for those who do not run, and take away what is mounted without a holder.

        May go on beside everything else: what is taken meanwhile stands.
        """
        for volume in volumes:
            for holder in self.holders(volume.name) - set(running):
                await self._release(volume, holder, stale=True)
        local = self._drivers.local
        free = [volume.name for volume in volumes if local.needs_mount(volume) and not self._held.get(volume.name)]
        for name in await asyncio.to_thread(local.mounts_of, free) if free else ():
            async with self._lock(name):
                if not self._held.get(name):
                    await self._detach(name)

    async def _detach(self, name: str) -> None:
        try:
            await asyncio.to_thread(self._drivers.local.detach, name)
        except CarrackError as error:
            log.error("volume %s stays mounted: %s", name, error)

    async def _take(self, volume: Volume, holder: str) -> str:
        async with self._lock(volume.name):
            driver = await self._drivers.get(volume.driver)
            held = self._held.get(volume.name, set())
            if holder not in held:
                await self._save(volume.name, held | {holder})
            self._fresh.add((volume.name, holder))
            return await driver.mount(volume, holder)

    async def _release(self, volume: Volume, holder: str, *, stale: bool = False, forget: bool = False) -> None:
        async with self._lock(volume.name):
            held, key = self._held.get(volume.name, set()), (volume.name, holder)
            if holder not in held or (stale and key in self._fresh):
                return
            self._fresh.discard(key)
            rest = held - {holder}
            try:
                driver = await self._drivers.get(volume.driver)
                await driver.unmount(volume, holder, last=not rest)
            except (CarrackError, OSError) as error:
                log.error("volume %s could not be unmounted for container %s: %s", volume.name, holder[:12], error)
                if isinstance(error, (NotFound, Unavailable)) and not forget:
                    return
            await self._save(volume.name, rest)

    async def _save(self, name: str, held: set[str]) -> None:
        key, value = _PREFIX + name, json.dumps(sorted(held))
        if held:
            await self._records.write(
                lambda db: db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, value)), spare=True
            )
            self._held[name] = held
        else:
            await self._records.write(lambda db: db.execute("DELETE FROM setting WHERE key = ?", (key,)), spare=True)
            self._held.pop(name, None)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())
