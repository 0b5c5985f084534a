"""Mount points that a program's mounts need and its files lack: found before, removed after, so that no layer has them.

What the program itself put into such a folder keeps it.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from carrack.linux.resolve import BENEATH_NO_SYMLINKS, IN_ROOT
from carrack.linux.syscalls import LINUX

if TYPE_CHECKING:
    from carrack.storage.snapshots.base import Snapshotter

_HOLD = os.O_PATH | os.O_CLOEXEC
_KEPT = (errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY, errno.EBUSY, errno.ELOOP, errno.EXDEV)


def missing(snapshotter: Snapshotter, layers: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Of the mount points and their parents those that are not in the files, the deepest first. They are named by where
    they will be, which is where the links in the files lead."""
    if not targets:
        return []
    view = snapshotter.view(layers)
    try:
        found = {place for target in targets for place in _lacking(view, target)}
    finally:
        os.close(view)
    return sorted(found, key=lambda place: (-place.count("/"), place))


def remove(snapshotter: Snapshotter, key: str, made: Sequence[str]) -> None:
    """Take those away of which nobody has made use."""
    root = snapshotter.mount(key)
    try:
        for place in made:
            _remove(root, place)
    finally:
        os.close(root)


def _lacking(root: int, target: str) -> Iterator[str]:
    parts = [part for part in posixpath.normpath(target).split("/") if part]
    there = _find(root, ".")
    assert there is not None
    for count in range(1, len(parts) + 1):
        found = _find(root, "/".join(parts[:count]))
        if found is None:
            yield from (posixpath.join(there, *parts[count - 1 : end]) for end in range(count, len(parts) + 1))
            return
        there = found


def _find(root: int, place: str) -> str | None:
    """Where the links lead that are on the way to a place, relative to the root; None if nothing is there."""
    try:
        fd = LINUX.openat2(root, place, _HOLD, 0, IN_ROOT)
    except OSError as error:
        if error.errno in _KEPT:
            return None
        raise
    try:
        return _path(fd).removeprefix(_path(root).rstrip("/")).lstrip("/")
    finally:
        os.close(fd)


def _path(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def _remove(root: int, place: str) -> None:
    parent, _, name = place.rpartition("/")
    try:
        fd = LINUX.openat2(root, parent or ".", _HOLD | os.O_DIRECTORY, 0, BENEATH_NO_SYMLINKS)
    except OSError:
        return  # a link took its place, or it is gone
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.rmdir(name, dir_fd=fd)
        elif stat.S_ISREG(found.st_mode) and not found.st_size:
            os.unlink(name, dir_fd=fd)
    except OSError as error:
        if error.errno not in _KEPT:
            raise
    finally:
        os.close(fd)
