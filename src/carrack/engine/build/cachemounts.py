"""Cache mounts: folders that outlive the RUN that has them mounted, by their ids.

::

    <root>/<hash of id>/<number>/files      number 0 is everybody's; private ones beside it while it is in use
    <root>/<hash of id>/<number>/id         the id, for people

Nothing of an id is ever part of a path (CVE-2024-9675): the folder is named by its hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.linux.syscalls import LINUX
from carrack.storage.copytree import copy_tree
from carrack.storage.usage import tree_size

if TYPE_CHECKING:
    from carrack.dockerfile.mounts import Mount


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
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def take(self, mount: Mount) -> AsyncIterator[tuple[Path, bool]]:
        """The folder of a cache mount while it is used, and whether it is new. ``locked`` ones wait for each other;
        a ``private`` one is nobody else's."""
        name = mount.id or mount.target
        if mount.sharing != "locked":
            async with self._use(name, private=mount.sharing == "private") as taken:
                yield taken
            return
        async with self._locks[name], self._use(name, private=False) as taken:
            yield taken

    @asynccontextmanager
    async def _use(self, name: str, *, private: bool) -> AsyncIterator[tuple[Path, bool]]:
        top = self._root / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        number = 0
        while private and self._users[top / str(number)]:
            number += 1
        place = top / str(number)
        self._users[place] += 1
        try:
            new = await asyncio.to_thread(_make, place, name)
            yield place / "files", new
        finally:
            self._users[place] -= 1
            self._users += Counter()

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


def _make(place: Path, name: str) -> bool:
    """The folder, made if need be; when it was last used is its time."""
    new = not (place / "files").is_dir()
    if new:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        (place / "id").write_text(name, "utf-8", "surrogateescape")
        (place / "files").mkdir(mode=0o755)
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
