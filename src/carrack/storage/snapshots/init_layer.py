"""The init layer: mount points and files that a container needs and its image may lack.

It is made against a view of the image, once per chain. What is there in the right form is left alone. What is there
in the wrong form is covered: an image whose ``/dev`` is a symbolic link would otherwise have the runtime make
devices wherever that link leads (CVE-2026-41579). The image is only looked at, by openat2(2) without following any
link; everything is written into a directory of ours whose names are the constants below.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from carrack.storage.snapshots.skeleton import PLAIN, Skeleton, directory_attributes, file_mode, parents

if TYPE_CHECKING:
    from pathlib import Path

    from carrack.linux.kernel import FileKernel
    from carrack.storage.snapshots.skeleton import Attributes

_DIRECTORIES: Final = ("dev", "dev/pts", "dev/shm", "proc", "sys")
#: made empty and executable, as Docker makes them
_FILES: Final = ("etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv")
_LINKS: Final = (("etc/mtab", "/proc/mounts"),)
#: the names in the root that are looked at
TOPS: Final = frozenset(path.partition("/")[0] for path in (*_DIRECTORIES, *_FILES, *(path for path, _ in _LINKS)))


def build(target: Path, view_fd: int, root: Attributes, kernel: FileKernel) -> None:
    """Fill the empty directory ``target`` for an image seen at ``view_fd``, whose root has the attributes ``root``."""
    layer = _InitLayer(target, view_fd, kernel)
    layer.skeleton.add("", root)
    for path in _DIRECTORIES:
        layer.directory(path)
    for path in _FILES:
        if not stat.S_ISREG(layer.mode(path) or 0):
            os.close(os.open(layer.place(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755))
            os.chmod(layer.skeleton.path(path), 0o755)
    for path, goal in _LINKS:
        if layer.mode(path) is None:
            os.symlink(goal, layer.place(path))
    layer.skeleton.finish()


class _InitLayer:
    def __init__(self, target: Path, view_fd: int, kernel: FileKernel) -> None:
        self.skeleton = Skeleton(target)
        self._view = view_fd
        self._kernel = kernel
        self._covering: set[str] = set()  # directories of ours under which nothing of the image shows

    def mode(self, path: str) -> int | None:
        """What a container would find at a path."""
        if any(parent in self._covering for parent in parents(path)):
            return None
        return file_mode(self._view, path, self._kernel)

    def directory(self, path: str) -> None:
        """See to it that a path is a directory."""
        if not stat.S_ISDIR(self.mode(path) or 0):
            self.place(path)
            self.skeleton.add(path, PLAIN)
            self._covering.add(path)

    def place(self, path: str) -> Path:
        """Where to make something, with the directories around it."""
        for parent in parents(path):
            if parent in self.skeleton:
                continue
            self.directory(parent)
            if parent not in self.skeleton:
                found = directory_attributes(self._view, parent, self._kernel)
                self.skeleton.add(parent, found or PLAIN)
        return self.skeleton.path(path)
