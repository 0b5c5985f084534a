"""Packing an upper directory with little work for each of its files.

Most of what is in one are small files with nothing special about them. Each takes five system calls here (openat,
fstat, flistxattr, read, close) where nobody changes them any more, and its header is put together of parts that many
share. All else is packed as ``differ`` does it, and so the bytes are the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carrack.storage import differ
from carrack.storage.tarheader import permitted_xattr
from carrack.storage.tarwriter import SMALL, small_file
from carrack.storage.tree import WHITEOUT
from carrack.storage.walk import open_regular, open_still

if TYPE_CHECKING:
    from carrack.storage.tarwriter import Write
    from carrack.storage.written import Written

_SECOND = 1_000_000_000


def pack(
    upper_fd: int, write: Write, *, still: bool = False, newest: int | None = None, written: Written | None = None
) -> None:
    """Write the upper directory as a layer tar. `still`: no program is left that could change it, which is four system
    calls less for a file; `newest`: see differ.Packer; `written` is told of all that is written."""
    both = write if written is None else written.before(write)
    differ.pack_upper(upper_fd, both, newest=newest, take=_SmallFiles(write, still, newest, written).take)


class _SmallFiles:
    """Writes those that are nothing but a name, an owner, a mode, a time and a few bytes."""

    def __init__(self, write: Write, still: bool, newest: int | None, written: Written | None) -> None:
        self._write = write
        self._open = open_still if still else open_regular
        self._newest = newest
        self._written = written

    def take(self, parent_fd: int, prefix: bytes, name: bytes) -> bool:
        """Write the regular file if it is such a one; see walk."""
        path = prefix + name
        if WHITEOUT in path:  # its name means something in a layer
            return False
        fd = self._open(parent_fd, name)
        if fd is None:
            return False
        try:
            found = os.fstat(fd)
            size = found.st_size
            if found.st_nlink != 1 or size > SMALL or _has_attributes(fd):
                return False
            data = os.read(fd, size) if size else b""
        finally:
            os.close(fd)
        if len(data) != size:
            return False
        mtime = found.st_mtime_ns // _SECOND
        if self._newest is not None and self._newest < mtime:
            mtime = self._newest
        whole = small_file(path, found.st_mode, found.st_uid, found.st_gid, data, mtime)
        self._write(whole)
        if self._written is not None:
            self._written.small_file(prefix, name, found, mtime, len(whole))
        return True


def _has_attributes(fd: int) -> bool:
    """Whether a file has any that belong into a layer."""
    try:
        names = os.listxattr(fd)
    except OSError:  # the file system has none
        return False
    return bool(names) and any(permitted_xattr(os.fsencode(name)) for name in names)
