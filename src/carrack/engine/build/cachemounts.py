"""Cache mounts: folders that outlive the RUN that has them mounted, by their ids.

::

    <root>/<hash of id>/<number>/files      number 0 is everybody's; private ones beside it while it is in use
    <root>/<hash of id>/<number>/id         the id, for people
    <root>/<hash of id>/<number>/new        files in the making; one that is found is of a daemon that died

Nothing of an id is ever part of a path (CVE-2024-9675): the folder is named by its hash. A program gets to a cache only
when the daemon has done with it, so that none exchanges names under the hands of the daemon (CVE-2024-23651).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from carrack.engine.whole import whole
from carrack.linux.syscalls import LINUX
from carrack.storage.copytree import copy_tree
from carrack.storage.usage import tree_size

if TYPE_CHECKING:
    from carrack.dockerfile.mounts import Mount

#: gives a new cache, in the folder given, its looks and its first files
Prepare = Callable[[Path], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kept:
    """One folder that is kept: its id, bytes, when it was last used (nanoseconds since 1970), and if it is just now."""

    path: Path
    id: str
    size: int
    last_used: int
    in_use: bool


class CacheMounts:
    """All of one daemon."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._users: Counter[Path] = Counter()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._makers: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def locked(self, mounts: Iterable[Mount]) -> AsyncIterator[None]:
        """While inside, nobody else is who wants one of these to be ``locked``. All are taken at once, in an order that
        is everybody's, so that no two wait for each other."""
        names = sorted({_name(mount) for mount in mounts if mount.type == "cache" and mount.sharing == "locked"})
        async with AsyncExitStack() as held:
            for name in names:
                lock = self._locks.get(name)
                if lock is None:
                    lock = self._locks[name] = asyncio.Lock()
                await held.enter_async_context(lock)
            yield

    @asynccontextmanager
    async def take(self, mount: Mount, prepare: Prepare) -> AsyncIterator[Path]:
        """The folder of a cache mount while it is used; a ``private`` one is nobody else's. A new one is prepared
        before anybody has it, and is not there if that fails."""
        name = _name(mount)
        top = self._root / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        number = 0
        while mount.sharing == "private" and self._users[top / str(number)]:
            number += 1
        place = top / str(number)
        self._users[place] += 1
        try:
            async with self._makers[place]:
                if await asyncio.to_thread(_begin, place, name):
                    await prepare(place / "new")
                    await whole(asyncio.to_thread(os.rename, place / "new", place / "files"))
            yield place / "files"
        finally:
            self._users[place] -= 1
            self._users += Counter()
            if not self._users[place]:
                self._makers.pop(place, None)

    def kept(self) -> list[Kept]:
        """All folders, for who shows or prunes them. Blocks."""
        found = []
        for place in sorted(self._root.glob("*/*")) if self._root.is_dir() else ():
            try:
                name = (place / "id").read_text("utf-8", "surrogateescape")
                used = place.stat().st_mtime_ns
            except OSError:
                continue
            found.append(Kept(place, name, tree_size(place / "files"), used, self._users[place] > 0))
        return found

    def remove(self, kept: Kept) -> bool:
        """Remove one that nobody uses; whether it is gone. Blocks."""
        if self._users[kept.path]:
            return False
        shutil.rmtree(kept.path, ignore_errors=True)
        return True


def _name(mount: Mount) -> str:
    return mount.id or mount.target


def _begin(place: Path, name: str) -> bool:
    """Whether there are no files yet, for which an empty folder is there then; when it was last used is its time."""
    new = not (place / "files").is_dir()
    if new:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        (place / "id").write_text(name, "utf-8", "surrogateescape")
        shutil.rmtree(place / "new", ignore_errors=True)
        (place / "new").mkdir(mode=0o755)
    os.utime(place)
    return new


def dress(folder: Path, mount: Mount) -> None:
    """Give a new cache the owner and the permissions that were asked for. Blocks."""
    os.chown(folder, mount.uid or 0, mount.gid or 0)
    os.chmod(folder, 0o755 if mount.mode is None else mount.mode)


def fill(view: int, folder: Path) -> None:
    """Copy what a descriptor holds into a new cache. Blocks."""
    target = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        copy_tree(LINUX, view, target)
    finally:
        os.close(target)
