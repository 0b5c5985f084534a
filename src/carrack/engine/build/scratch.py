"""What one RUN has for itself on the host, and nothing of which stays: files in memory, writable views of other files.

::

    <exec root>/build/<random>/     a tmpfs with files of secrets and scripts, whose bytes never reach a disk;
                                    or a view of a chain of layers, whose changes are thrown away
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.linux.mount import AT_FDCWD, MNT_DETACH
from carrack.linux.syscalls import LINUX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.storage.snapshots.base import Snapshotter

_PREFIX = "build-"


class Scratch:
    """Makes them below ``root``. All methods block."""

    def __init__(self, root: Path, snapshotter: Snapshotter) -> None:
        self._root = root
        self._snapshotter = snapshotter

    def memory(self, size: str = "16m") -> Path:
        """A new folder in memory, nobody's but root's."""
        place = self._new()
        self._attach(LINUX.new_mount("tmpfs", [("source", "carrack"), ("mode", "0700"), ("size", size)]), place)
        return place

    def view(self, layers: Sequence[str]) -> Path:
        """A new folder with the files of a chain, which can be changed."""
        place = self._new()
        try:
            self._snapshotter.prepare(place.name, layers)
            self._attach(self._snapshotter.mount(place.name), place)
        except BaseException:
            self.remove(place)
            raise
        return place

    def remove(self, place: Path) -> None:
        """Take one away."""
        while os.path.ismount(place):
            LINUX.umount(str(place), MNT_DETACH)
        shutil.rmtree(place, ignore_errors=True)
        self._snapshotter.remove(place.name)

    def sweep(self) -> None:
        """Take away what a daemon that died has left."""
        for place in self._root.iterdir() if self._root.is_dir() else ():
            self.remove(place)

    def _new(self) -> Path:
        place = self._root / f"{_PREFIX}{secrets.token_hex(12)}"
        place.mkdir(mode=0o700, parents=True)
        return place

    def _attach(self, fd: int, place: Path) -> None:
        try:
            LINUX.move_mount(fd, AT_FDCWD, str(place))
        finally:
            os.close(fd)


def write(folder: Path, name: str, data: bytes, mode: int, uid: int = 0, gid: int = 0) -> Path:
    """A new file of those looks, written whole before anybody else may read it."""
    path = folder / name
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)
    return path
