"""Writes that are on disk when they say so (fsync(2)), for what must survive a power cut."""

from __future__ import annotations

import os
import stat
from pathlib import Path

FLUSH = 8 << 20
"""Bytes after which it pays to begin writing a large file to disk."""


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Begin to write a range of new pages to disk, so that the fsync at the end has little left. They stay cached,
    since pages under write-back are not dropped (posix_fadvise(2), POSIX_FADV_DONTNEED)."""
    os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """write(2) until everything is written."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_file(path: Path, data: bytes) -> None:
    """A new file with this content, on disk; its name is durable only after ``sync_directory`` of its parent."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(path: Path) -> None:
    """Make a small tree durable: its files, then its directories, the innermost first. Links are not followed."""
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            _sync_file(Path(folder, name))
        sync_directory(Path(folder))


def _sync_file(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return  # a link, pipe or device is all in its directory
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
