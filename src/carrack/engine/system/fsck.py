"""`fsck`: the whole data root compared with the records, while the daemon goes on.

A finding is a *problem* (something is damaged or missing that somebody needs), *garbage* (something nobody needs), or a
*note* (something for the user to judge). Mending removes garbage and puts what is damaged into quarantine; it never
touches what it does not know.

What looks orphaned is looked at again at the end: it may just have been on its way in or out.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from carrack.engine.images import checks as image_checks
from carrack.engine.images.checks import GARBAGE, NOTE, PROBLEM, Finding, How
from carrack.errors import CarrackError
from carrack.storage import accounting, partial
from carrack.storage.removal import remove_tree

if TYPE_CHECKING:
    from carrack.engine.images.checks import ImageChecks
    from carrack.engine.images.store import ImageStore
    from carrack.storage.content import ContentStore
    from carrack.storage.records import Records

OLD = 24 * 3600.0
"""Seconds after which content on its way in has surely been given up."""


class Snapshots(Protocol):
    """What is needed of a snapshotter."""

    @property
    def name(self) -> str: ...
    def keys(self) -> list[str]: ...
    def remove(self, key: str) -> None: ...
    def sweep(self, keys: Collection[str]) -> None: ...


class Containers(Protocol):
    """What is needed of the container store: ``names`` has those that are just being made, too."""

    def __iter__(self) -> Any: ...
    @property
    def names(self) -> dict[str, str]: ...

    transient: set[str]


class Fsck:
    """Checks on demand, one at a time. ``volumes`` tells the names on record."""

    def __init__(
        self,
        root: Path,
        records: Records,
        images: ImageStore,
        checks: ImageChecks,
        content: ContentStore,
        containers: Containers,
        snapshots: Snapshots,
        volumes: Callable[[], Collection[str]],
    ) -> None:
        self._root = root
        self._records = records
        self._images = images
        self._checks = checks
        self._content = content
        self._containers = containers
        self._snapshots = snapshots
        self._volumes = volumes
        self._one = asyncio.Lock()

    async def run(self, how: How) -> AsyncGenerator[Finding, None]:
        """The findings as they are made."""
        async with self._one:
            suspects = await self._orphans()
            for check in (self._database(), self._checks.run(how), self._mine(how), self._left(suspects, how)):
                async with aclosing(check):
                    async for finding in check:
                        yield finding
            if how.mend:
                await asyncio.to_thread(self._snapshots.sweep, self._ids())

    async def _database(self) -> AsyncGenerator[Finding, None]:
        path = self._records.path
        for pragma in ("integrity_check(20)", "foreign_key_check"):
            for row in await asyncio.to_thread(self._records.read, f"PRAGMA {pragma}"):
                if row != ("ok",):
                    told = " ".join(map(str, row))
                    text = f"the record database is damaged ({told}): start the daemon again, which saves what it can"
                    yield Finding(PROBLEM, "records", path, text)
        for name in self._records.put_aside:
            text = "a damaged record database was put aside here, and nothing without a record is removed while it is"
            yield Finding(NOTE, "records", name, f"{text}: remove it when nothing is missing")
        known = {image.id for image in self._images}
        for (identity,) in await asyncio.to_thread(self._records.read, "SELECT id FROM image"):
            if identity not in known:
                text = f"image {identity} has a record that cannot be read: pull or load it again"
                yield Finding(PROBLEM, "records", identity, text)

    async def _mine(self, how: How) -> AsyncGenerator[Finding, None]:
        """Containers without files, files that are halfway, and what is not ours."""
        present = set(await asyncio.to_thread(self._snapshots.keys))
        for container in list(self._containers):
            if container.id not in present:
                text = f"the files that container {container.name} has written are gone: it begins afresh"
                yield Finding(PROBLEM, "containers", container.id, text)
        for digest in await asyncio.to_thread(self._superfluous):
            if how.mend:
                await asyncio.to_thread(self._discard, digest)
            text = f"an unfinished download of {digest}, which is here"
            yield Finding(GARBAGE, "leftovers", digest, text, "removed" if how.mend else "")
        if old := await asyncio.to_thread(self._old_ingests):
            if how.mend:
                await asyncio.to_thread(self._content.sweep, OLD)
            text = f"{old} unfinished files that nobody has written to for a day"
            yield Finding(GARBAGE, "leftovers", str(self._root / "ingest"), text, "removed" if how.mend else "")
        for share in await asyncio.to_thread(accounting.measure, self._root):
            if told := self._foreign(share.place):
                yield Finding(NOTE, "unknown", str(self._root / told[0]), f"{told[1]} ({share.size} bytes)")

    def _foreign(self, place: accounting.Place) -> tuple[str, str] | None:
        if place.kind == accounting.UNKNOWN:
            return place.name, "not of this engine: look at it, and remove it by hand"
        if place.kind == accounting.VOLUME and place.name not in self._volumes() and place.name[0] != ".":
            return f"volumes/{place.name}", "of no volume on record: look at it, and remove it by hand"
        if place.kind == accounting.QUARANTINE:
            return "quarantine", "damaged things that were put aside: remove it when nobody wants to look at them"
        if place.driver not in ("", self._snapshots.name) and place.kind == accounting.LAYER:
            told = f"a layer of the storage driver {place.driver}, which is not in use: remove it by hand"
            return f"layers/{place.driver}/layers/{place.name}", told
        return None

    async def _left(self, suspects: set[tuple[str, str]], how: How) -> AsyncGenerator[Finding, None]:
        """What was of no container at the begin, and still is not."""
        if not suspects or self._records.put_aside:
            return
        await asyncio.sleep(image_checks.PAUSE)
        for kind, key in sorted(suspects & await self._orphans()):
            path = str(self._root / kind.format(driver=self._snapshots.name) / key)
            mended = ""
            if how.mend:
                mended = await asyncio.to_thread(self._remove, kind, key, path)
            yield Finding(GARBAGE, "containers", path, "of no container", mended)

    def _remove(self, kind: str, key: str, path: str) -> str:
        try:
            if kind == _SNAPSHOTS:
                self._snapshots.remove(key)
            else:
                remove_tree(path)
        except (OSError, CarrackError) as error:
            return f"could not be removed: {error}"
        return "removed"

    async def _orphans(self) -> set[tuple[str, str]]:
        def look() -> set[tuple[str, str]]:
            snapshots = {(_SNAPSHOTS, key) for key in list(self._snapshots.keys())}
            folder = self._root / "containers"
            return snapshots | {("containers", name) for name in (os.listdir(folder) if folder.is_dir() else ())}

        found = await asyncio.to_thread(look)
        ids = self._ids()
        return {(kind, key) for kind, key in found if key not in ids and not key.startswith(_OF_BUILDS)}

    def _ids(self) -> set[str]:
        return {container.id for container in self._containers} | {
            *self._containers.names.values(),
            *self._containers.transient,
        }

    def _superfluous(self) -> list[str]:
        return sorted(digest for digest in partial.present(self._content.root) if self._content.has(digest))

    def _discard(self, digest: str) -> None:
        try:
            with self._content.partial(digest) as rest:
                rest.discard()
        except CarrackError:
            pass  # somebody is at it

    def _old_ingests(self) -> int:
        with os.scandir(self._root / "ingest") as entries:
            return sum(_age(entry) >= OLD for entry in entries)


_SNAPSHOTS = "layers/{driver}/containers"
_OF_BUILDS = "build-"  # views of files that builds take away themselves


def _age(entry: os.DirEntry[str]) -> float:
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0


def summary(findings: Iterable[Finding], how: How) -> dict[str, Any]:
    """The last line of a report."""
    found = list(findings)
    counts = {level: sum(finding.level == level for finding in found) for level in (PROBLEM, GARBAGE, NOTE)}
    left = sum(finding.level == PROBLEM and "made again" not in finding.mended for finding in found)
    return {
        "Problems": counts[PROBLEM],
        "Garbage": counts[GARBAGE],
        "Notes": counts[NOTE],
        "Unmended": left,
        "BytesRead": how.seen,
    }
