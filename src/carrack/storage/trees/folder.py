"""A tree that lies in a directory: a stage's files, a checkout, a synchronised context.

What is inside may be hostile and may have links to anywhere: every look begins at the root's descriptor and follows no
link (openat2 with RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from carrack.linux.resolve import BENEATH_NO_SYMLINKS
from carrack.storage import walk
from carrack.storage.tarheader import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    REGULAR,
    SYMLINK,
    TarEntry,
    permitted_xattr,
)

if TYPE_CHECKING:
    from carrack.linux.kernel import FileKernel

_PIECE = 1 << 18
_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK_DEVICE,
}


class FolderTree:
    """See Tree. ``root_fd`` is its own from then on."""

    def __init__(self, kernel: FileKernel, root_fd: int) -> None:
        self._kernel = kernel
        self._root = root_fd
        self._digests: dict[tuple[int, ...], bytes] = {}

    def find(self, path: bytes) -> TarEntry | None:
        """See Tree."""
        held = self._hold(path)
        if held is None:
            return None
        try:
            return _entry(path, held)
        finally:
            os.close(held)

    def names(self, path: bytes) -> list[bytes]:
        """See Tree."""
        held = self._hold(path)
        if held is None:
            return []
        try:
            if not stat.S_ISDIR(os.fstat(held).st_mode):
                return []
            fd = walk.reopen(held)
        finally:
            os.close(held)
        try:
            return sorted(os.fsencode(name) for name in os.listdir(fd))
        finally:
            os.close(fd)

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """See Tree. A file that shrinks meanwhile is filled up with zeros, one that grows is cut."""
        fd = self._open(entry.path)
        try:
            left = entry.size
            while left:
                piece = os.read(fd, min(_PIECE, left)) or bytes(min(_PIECE, left))
                left -= len(piece)
                yield piece
        finally:
            os.close(fd)

    def digest(self, entry: TarEntry) -> bytes:
        """See Tree. Remembered while the file is the same by its inode, size and times."""
        fd = self._open(entry.path)
        try:
            found = os.fstat(fd)
            key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            known = self._digests.get(key)
            if known is None:
                with os.fdopen(fd, "rb", buffering=0, closefd=False) as file:
                    known = self._digests[key] = hashlib.file_digest(file, "sha256").digest()
            return known
        finally:
            os.close(fd)

    def close(self) -> None:
        """See Tree."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def _hold(self, path: bytes) -> int | None:
        try:
            return self._kernel.openat2(self._root, path or b".", _HOLD, 0, BENEATH_NO_SYMLINKS)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV):
                return None
            raise

    def _open(self, path: bytes) -> int:
        held = self._hold(path)
        if held is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path))
        try:
            if not stat.S_ISREG(os.fstat(held).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file any more", os.fsdecode(path))
            return walk.open_held(held)
        finally:
            os.close(held)


def _entry(path: bytes, held: int) -> TarEntry | None:
    found = os.fstat(held)
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        return None  # a socket: it is nothing without its program
    entry = TarEntry(path, kind, stat.S_IMODE(found.st_mode))
    entry.uid, entry.gid = found.st_uid, found.st_gid
    entry.mtime, entry.mtime_ns = divmod(found.st_mtime_ns, 1_000_000_000)
    if kind == REGULAR:
        entry.size = found.st_size
        entry.offset = found.st_dev << 64 | found.st_ino if found.st_nlink > 1 else -1
    elif kind == SYMLINK:
        entry.link = os.readlink(b"", dir_fd=held)
    elif kind in (CHARACTER, BLOCK_DEVICE):
        entry.major, entry.minor = os.major(found.st_rdev), os.minor(found.st_rdev)
    if kind in (REGULAR, DIRECTORY):
        entry.xattrs = _xattrs(held)
    return entry


def _xattrs(held: int) -> dict[bytes, bytes] | None:
    """Of what a descriptor holds that cannot be read from: by its name in our own /proc."""
    place = f"/proc/self/fd/{held}"
    try:
        names = sorted(os.fsencode(name) for name in os.listxattr(place))
    except OSError:
        return None
    found = {}
    for name in names:
        if permitted_xattr(name):
            try:
                found[name] = os.getxattr(place, name)
            except OSError:  # removed since it was listed
                continue
    return found or None
