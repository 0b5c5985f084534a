"""All volumes of this daemon, whichever driver keeps them: their names, labels and users."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from carrack.engine.volumes import filters as filtering
from carrack.engine.volumes.drivers import Drivers
from carrack.engine.volumes.filters import Filters
from carrack.engine.volumes.holds import Holds
from carrack.engine.volumes.local import LocalDriver
from carrack.engine.volumes.volume import ANONYMOUS, LOCAL, About, Volume
from carrack.engine.whole import whole
from carrack.errors import CarrackError, Conflict, InvalidArgument, NotFound
from carrack.model.container import Document, MountPoint
from carrack.storage.usage import tree_size

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.engine.plugins.registry import Plugins
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


class VolumeStore:
    """``users`` tells which containers (ids) use a volume; ``holds`` has those mounted for whoever runs."""

    def __init__(
        self,
        root: Path,
        records: Records,
        events: Events,
        users: Callable[[str], list[str]],
        plugins: Plugins | None = None,
    ) -> None:
        self._records = records
        self._events = events
        self._recorded_users = users
        self.drivers = Drivers(LocalDriver(root), plugins)
        self.holds = Holds(records, self.drivers)
        self._volumes: dict[str, Volume] = {}
        self._claims: dict[str, set[str]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def load(self) -> None:
        """Read the records."""
        self.drivers.local.prepare()
        for name, document in self._records.read("SELECT name, document FROM volume"):
            try:
                volume = Volume(**json.loads(document))
            except (ValueError, TypeError) as error:
                log.error("volume %s has an unreadable record (%s); its files stay under its name", name, error)
                volume = Volume(name, 0)
            self._volumes[name] = volume
        self.holds.load()

    @property
    def recorded(self) -> list[Volume]:
        """All volumes on record here."""
        return list(self._volumes.values())

    def path(self, name: str) -> Path:
        """The directory of a volume of the local driver."""
        return self.drivers.local.path(name)

    def known(self, name: str) -> Volume | None:
        """The volume of that name, if it is on record here."""
        return self._volumes.get(name)

    def to_mount(self, points: Iterable[MountPoint]) -> list[Volume]:
        """Those of a container's volumes that have to be mounted while it runs. Raises NotFound when one is gone."""
        wanted: dict[str, Volume] = {}
        for point in points:
            if point["Type"] == "volume" and point["Driver"] != LOCAL and point["Name"] not in self._volumes:
                raise NotFound(f"get {point['Name']}: no such volume")
            volume = self._volumes.get(point.get("Name", "")) if point["Type"] == "volume" else None
            if volume is not None and not volume.plain:
                wanted[volume.name] = volume
        return list(wanted.values())

    async def find(self, name: str) -> Volume:
        """The volume of that name, also one that only a plugin knows of. Raises NotFound."""
        if volume := self._volumes.get(name):
            return volume
        drivers, _ = await self.drivers.plugins() if name else ({}, [])
        for plugin, driver in drivers.items():
            volume = Volume(name, 0, driver=plugin)
            try:
                await driver.about(volume)
            except CarrackError:
                continue
            return volume
        raise NotFound(f"get {name}: no such volume")

    def users(self, name: str) -> list[str]:
        """The containers that use a volume, or are about to."""
        return [*self._recorded_users(name), *self._claims.get(name, ())]

    def disclaim(self, holder: str) -> None:
        """A container that was being made uses its volumes on record now, or not at all."""
        for name in [name for name, holders in self._claims.items() if holder in holders]:
            self._claims[name].discard(holder)
            if not self._claims[name]:
                del self._claims[name]

    async def create(
        self,
        name: str = "",
        driver: str = "",
        options: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        *,
        claim: str = "",
    ) -> Volume:
        """The volume of that name, made when there is none; no name gives an anonymous one.

        ``claim`` is a container that will use it: until `disclaim` it cannot be removed. Raises InvalidArgument on a
        bad name or option, NotFound without the driver, Conflict when another driver has that name.
        """
        labels, anonymous = dict(labels or {}), not name
        if not name:
            name = secrets.token_hex(32)
            labels[ANONYMOUS] = ""
        try:
            await self.drivers.get(driver)
            _check_name(name)
            async with self._lock(name):
                volume = None if anonymous else await self._existing(name, driver)
                if volume is None:  # whatever becomes of the client, a driver's volume is not left without a record
                    volume = await whole(self._make(name, driver, options, labels))
                if claim:
                    self._claims.setdefault(name, set()).add(claim)
                return volume
        except CarrackError as error:
            raise type(error)(f"create {name}: {error}") from error

    async def _existing(self, name: str, driver: str) -> Volume | None:
        volume = self._volumes.get(name)
        if volume is None and not driver:
            try:
                volume = await self.find(name)
            except NotFound:
                return None
            await self._record(volume)
        if volume is not None and volume.driver != LOCAL and not self.users(name) and not await self._is_there(volume):
            await self._forget(name)  # its driver has lost it, or somebody has removed it there
            return None
        if volume is not None and driver and driver != volume.driver:
            told = f"driver '{volume.driver}' already has volume '{name}': volume name must be unique"
            raise Conflict(told)
        return volume

    async def _make(self, name: str, driver: str, options: dict[str, str] | None, labels: dict[str, str]) -> Volume:
        volume = Volume(name, int(time.time()), dict(sorted(labels.items())), options, driver or LOCAL)
        keeper = await self.drivers.get(volume.driver)
        there = await self._is_there(volume)
        if not there:
            await keeper.create(name, options or {})
        try:
            await self._record(volume)
        except BaseException:
            if not there:
                await asyncio.shield(keeper.remove(volume))
            raise
        self._events.publish("volume", "create", name, {"driver": volume.driver})
        return volume

    async def _is_there(self, volume: Volume) -> bool:
        """Whether its driver has it already."""
        if volume.driver == LOCAL:
            return False  # a directory without a record becomes the volume, and options are checked in any case
        try:
            await (await self.drivers.get(volume.driver)).about(volume)
        except NotFound:
            return False
        return True

    async def _record(self, volume: Volume) -> None:
        row = (volume.name, json.dumps(asdict(volume)))
        await self._records.write(
            lambda db: db.execute("INSERT OR REPLACE INTO volume (name, document) VALUES (?, ?)", row)
        )
        self._volumes[volume.name] = volume

    async def remove(self, name: str, force: bool = False) -> None:
        """Delete a volume and its data. Raises NotFound (unless forced) and Conflict while a container uses it.

        With ``force`` it is forgotten even if its driver fails, or is not there any more.
        """
        async with self._lock(name):
            try:
                volume = await self.find(name)
            except NotFound:
                if force:
                    return
                raise
            if users := self.users(name):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            if volume.driver == LOCAL:  # a crash in between leaves a directory without a record
                await self.holds.drop(volume)
                await asyncio.to_thread(self.drivers.local.detach, name)
                await self._forget(name)
                await self.drivers.local.remove(volume)
            else:
                await self._remove_elsewhere(volume, force)
                await self._forget(name)
        self._events.publish("volume", "destroy", name, {"driver": volume.driver})

    async def _remove_elsewhere(self, volume: Volume, force: bool) -> None:
        try:
            driver = await self.drivers.get(volume.driver)
            await self.holds.drop(volume)
            await driver.remove(volume)
        except CarrackError as error:
            if not force:
                raise type(error)(f"remove {volume.name}: {error}") from error

    async def _forget(self, name: str) -> None:
        await self._records.write(lambda db: db.execute("DELETE FROM volume WHERE name = ?", (name,)), spare=True)
        self._volumes.pop(name, None)

    async def select(self, filters: Filters) -> tuple[list[tuple[Volume, About]], list[str]]:
        """Volumes that match Docker's filters with what their drivers tell of them, and warnings of drivers that fail.

        Raises InvalidArgument on a bad filter.
        """
        wanted = filtering.listing(filters, lambda name: bool(self.users(name)))
        listed, warnings = await self.drivers.listed()
        found: dict[str, tuple[Volume, About]] = {}
        for volume in self._volumes.values():
            if volume.driver == LOCAL:
                found[volume.name] = volume, await self.drivers.local.about(volume)
            elif volume.driver not in listed:  # it does not answer, which is told by a warning
                found[volume.name] = volume, About("")
        for driver, volumes in listed.items():
            for name, about in volumes.items():
                known = self._volumes.get(name)
                if known is None or known.driver == driver:
                    found[name] = known or Volume(name, 0, driver=driver), about
        return [found[name] for name in sorted(found) if wanted(found[name][0])], warnings

    async def prune(self, filters: Filters) -> tuple[list[str], int]:
        """Delete unused volumes (only anonymous ones unless ``all``); returns names and bytes freed.

        As with Docker, volumes with options and those of plugins are left alone: what is behind them is somebody's.
        """
        wanted = filtering.pruning(filters)
        removed, freed = [], 0
        for volume in sorted(self._volumes.values(), key=lambda volume: volume.name):
            if not volume.plain or not wanted(volume) or self.users(volume.name):
                continue
            size = await asyncio.to_thread(tree_size, self.path(volume.name))
            try:
                await self.remove(volume.name)
            except (NotFound, Conflict):
                continue
            removed.append(volume.name)
            freed += size
        self._events.publish("volume", "prune", "", {"reclaimed": str(freed)})
        return removed, freed

    async def document(self, volume: Volume, about: About | None = None) -> Document:
        """What the API shows of a volume; its driver is asked unless ``about`` has been told already."""
        if about is None:
            try:
                about = await (await self.drivers.get(volume.driver)).about(volume)
            except CarrackError as error:
                raise type(error)(f"get {volume.name}: {error}") from error
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(volume.created)) if volume.driver == LOCAL else ""
        document: Document = {
            "CreatedAt": about.created or made or "0001-01-01T00:00:00Z",
            "Driver": volume.driver,
            "Labels": volume.labels or None,
            "Mountpoint": about.mountpoint,
            "Name": volume.name,
            "Options": volume.options,
            "Scope": self.drivers.scope(volume.driver),
        }
        if about.status:
            document["Status"] = about.status
        return document

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


def _check_name(name: str) -> None:
    if len(name) == 1:
        raise InvalidArgument("volume name is too short, names should be at least two alphanumeric characters")
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise InvalidArgument(
            f'"{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
