"""Named and anonymous volumes of the local driver.

On disk, below the data root::

    volumes/             0701 root
      <name>/_data       what the container sees; the volume's record is in meta.db
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.errors import Conflict, InvalidArgument, NotFound, NotSupported
from carrack.model.container import Document
from carrack.model.labels import matches
from carrack.storage.removal import remove_tree
from carrack.storage.usage import tree_size

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.storage.records import Records

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
ANONYMOUS = "com.docker.volume.anonymous"


@dataclass(slots=True)
class Volume:
    """One volume; ``created`` is seconds since 1970."""

    name: str
    created: int
    labels: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] | None = None


class VolumeStore:
    """All volumes of this daemon. ``users`` tells which containers (ids) use a volume."""

    def __init__(self, root: Path, records: Records, events: Events, users: Callable[[str], list[str]]) -> None:
        self._root = root
        self._records = records
        self._events = events
        self._users = users
        self._volumes: dict[str, Volume] = {}
        self._lock = asyncio.Lock()

    def load(self) -> None:
        """Read the records and make the root; directories without a record are left for the user to judge."""
        self._root.mkdir(mode=0o701, parents=True, exist_ok=True)
        for (document,) in self._records.read("SELECT document FROM volume"):
            volume = Volume(**json.loads(document))
            self._volumes[volume.name] = volume

    def path(self, name: str) -> Path:
        """The directory that containers see."""
        return self._root / name / "_data"

    def get(self, name: str) -> Volume:
        """The volume of that name. Raises NotFound."""
        if name not in self._volumes:
            raise NotFound(f"get {name}: no such volume")
        return self._volumes[name]

    def anonymous(self, name: str) -> bool:
        """Whether a volume exists and was made without a name."""
        return name in self._volumes and ANONYMOUS in self._volumes[name].labels

    async def create(
        self,
        name: str = "",
        driver: str = "",
        options: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
    ) -> Volume:
        """The volume of that name, made when there is none; no name gives an anonymous one.

        Raises InvalidArgument on a bad name, NotSupported on another driver or driver options.
        """
        if driver not in ("", "local"):
            raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
        _check_options(name, options or {})
        labels = dict(labels or {})
        if not name:
            name = secrets.token_hex(32)
            labels[ANONYMOUS] = ""
        _check_name(name)
        async with self._lock:
            if name in self._volumes:
                return self._volumes[name]
            volume = Volume(name, int(time.time()), dict(sorted(labels.items())), options)
            made = not (self._root / name).exists()
            try:
                await asyncio.to_thread(self.path(name).mkdir, parents=True, exist_ok=True)
                row = (name, json.dumps(asdict(volume)))
                await self._records.write(
                    lambda db: db.execute("INSERT OR REPLACE INTO volume (name, document) VALUES (?, ?)", row)
                )
            except BaseException:
                if made:
                    await asyncio.shield(asyncio.to_thread(self._delete, name))
                raise
            self._volumes[name] = volume
        self._events.publish("volume", "create", name, {"driver": "local"})
        return volume

    async def remove(self, name: str, force: bool = False) -> None:
        """Delete a volume and its data. Raises NotFound (unless forced) and Conflict while a container uses it."""
        async with self._lock:
            if name not in self._volumes:
                if force:
                    return
                raise NotFound(f"get {name}: no such volume")
            if users := self._users(name):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            await self._records.write(lambda db: db.execute("DELETE FROM volume WHERE name = ?", (name,)), spare=True)
            del self._volumes[name]
            await asyncio.to_thread(self._delete, name)
        self._events.publish("volume", "destroy", name, {"driver": "local"})

    def _delete(self, name: str) -> None:
        trash = self._root / f".deleted-{secrets.token_hex(8)}"
        try:
            os.rename(self._root / name, trash)
        except FileNotFoundError:
            return
        remove_tree(trash)

    def select(self, filters: dict[str, list[str]]) -> list[Volume]:
        """Volumes that match Docker's filters: name, driver, label, dangling, and label! (all must hold)."""
        known = {"name", "driver", "label", "label!", "dangling"}
        for key in filters:
            if key not in known:
                raise InvalidArgument(f"invalid filter '{key}'")
        if filters.get("dangling"):
            _boolean("dangling", filters["dangling"])
        return [v for v in sorted(self._volumes.values(), key=lambda v: v.name) if self._matches(v, filters)]

    def _matches(self, volume: Volume, filters: dict[str, list[str]]) -> bool:
        if (names := filters.get("name")) and not any(_named(name, volume.name) for name in names):
            return False
        if (drivers := filters.get("driver")) and "local" not in drivers:
            return False
        if not all(matches(volume.labels, text) for text in filters.get("label", ())):
            return False
        if any(matches(volume.labels, text) for text in filters.get("label!", ())):
            return False
        if dangling := filters.get("dangling"):
            wanted = _boolean("dangling", dangling)
            return (not self._users(volume.name)) == wanted
        return True

    async def prune(self, filters: dict[str, list[str]]) -> tuple[list[str], int]:
        """Delete unused volumes (only anonymous ones unless ``all``); returns names and bytes freed."""
        filters = dict(filters)
        everything = _boolean("all", filters.pop("all", ["false"]))
        if unknown := set(filters) - {"label", "label!"}:
            raise InvalidArgument(f"invalid filter '{sorted(unknown)[0]}'")
        removed, freed = [], 0
        for volume in self.select(filters):
            if self._users(volume.name) or not (everything or ANONYMOUS in volume.labels):
                continue
            size = await asyncio.to_thread(self.usage, volume.name)
            try:
                await self.remove(volume.name)
            except (NotFound, Conflict):
                continue
            removed.append(volume.name)
            freed += size
        self._events.publish("volume", "prune", "", {"reclaimed": str(freed)})
        return removed, freed

    def usage(self, name: str) -> int:
        """Bytes that the files of a volume hold."""
        return tree_size(self.path(name))

    def document(self, volume: Volume, usage: bool = False) -> Document:
        """What the API shows of a volume."""
        document: Document = {
            "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(volume.created)),
            "Driver": "local",
            "Labels": volume.labels or None,
            "Mountpoint": str(self.path(volume.name)),
            "Name": volume.name,
            "Options": volume.options,
            "Scope": "local",
        }
        if usage:
            document["UsageData"] = {"RefCount": len(self._users(volume.name)), "Size": self.usage(volume.name)}
        return document


def _check_options(name: str, options: dict[str, str]) -> None:
    if unknown := set(options) - {"type", "o", "device", "size"}:
        raise InvalidArgument(f'create {name}: invalid option: "{min(unknown)}"')
    if options:
        raise NotSupported(f"volume driver options are not supported by this version of Carrack: {', '.join(options)}")


def _named(pattern: str, name: str) -> bool:
    """Whether a name matches a filter's word, which is a regular expression where it can be one."""
    try:
        return bool(re.search(pattern, name))
    except re.error:
        return pattern in name


def _check_name(name: str) -> None:
    if len(name) == 1:
        raise InvalidArgument(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def _boolean(name: str, values: list[str]) -> bool:
    text = values[0].lower() if values else ""
    if len(values) != 1 or text not in ("true", "1", "false", "0"):
        raise InvalidArgument(f"invalid filter '{name}=[{' '.join(values)}]'")
    return text in ("true", "1")
