"""Removing trees that a container or an image has made.

Such a tree can be nested a hundred thousand directories deep and hold symbolic links anywhere, which the standard
library's rmtree meets with its recursion limit. Here directories below a certain depth are first moved up, so that
neither stack nor descriptors run out; links are never followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DEPTH = 48
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path | str | bytes, *, dir_fd: int | None = None) -> None:
    """Remove a file, or a directory with all that is in it; nothing happens when it is not there.

    OSError carries the name that could not be removed (EBUSY: something is mounted there).
    """
    try:
        if not stat.S_ISDIR(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            os.unlink(path, dir_fd=dir_fd)
            return
    except FileNotFoundError:
        return
    with contextlib.suppress(FileNotFoundError):  # somebody else removes it, too
        empty_directory(path, dir_fd=dir_fd)
        os.rmdir(path, dir_fd=dir_fd)


def empty_directory(path: Path | str | bytes, *, dir_fd: int | None = None) -> None:
    """Remove all that is in a directory, but not the directory."""
    top = os.open(path, _OPEN, dir_fd=dir_fd)
    try:
        moved: list[str] = []
        _empty(top, top, 0, moved)
        while moved:
            name = moved.pop()
            inner = os.open(name, _OPEN, dir_fd=top)
            try:
                _empty(inner, top, 1, moved)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)


def _empty(directory: int, top: int, depth: int, moved: list[str]) -> None:
    # By inode, which is mostly how names lie in a directory's blocks: ext4 lists by hash, and would search for each.
    with os.scandir(directory) as entries:
        names = sorted((entry.inode(), entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for _, name, is_directory in names:
        if not is_directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        elif depth >= _DEPTH:
            moved.append(_move_up(directory, name, top, len(moved)))
        else:
            inner = os.open(name, _OPEN, dir_fd=directory)
            try:
                _empty(inner, top, depth + 1, moved)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=directory)


def _move_up(directory: int, name: str, top: int, number: int) -> str:
    while True:
        target = f".carrack-removing-{number}"
        try:
            os.rename(name, target, src_dir_fd=directory, dst_dir_fd=top)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            number += 1
        else:
            return target
