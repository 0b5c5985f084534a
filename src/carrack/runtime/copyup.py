"""The ``tmpcopyup`` option: fill a fresh tmpfs with what its mount point held, before it hides it.

The source belongs to an image, so it is read by descriptor, nothing is followed, and devices, sockets and pipes are
left out. The tmpfs's own size limits bound the copy.
"""

from __future__ import annotations

import os
import stat

_CHUNK = 1024 * 1024


def copy(source_fd: int, target_fd: int) -> None:
    """Copy the directory behind source_fd (O_PATH is enough) into target_fd, with owner, mode and times."""
    top = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=source_fd)
    try:
        _copy_directory(top, target_fd)
        _copy_attributes(os.fstat(top), target_fd, ".")
    finally:
        os.close(top)


def _copy_directory(source: int, target: int) -> None:
    for name in os.listdir(source):
        info = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(info.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            _descend(name, source, target)
        elif stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif stat.S_ISREG(info.st_mode):
            _copy_file(name, source, target)
        else:
            continue
        _copy_attributes(info, target, name)


def _descend(name: str, source: int, target: int) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    below = os.open(name, flags, dir_fd=source)
    try:
        into = os.open(name, flags, dir_fd=target)
        try:
            _copy_directory(below, into)
        finally:
            os.close(into)
    finally:
        os.close(below)


def _copy_file(name: str, source: int, target: int) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    try:
        if not stat.S_ISREG(os.fstat(reader).st_mode):
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writer = os.open(name, flags, 0o600, dir_fd=target)
        try:
            while data := os.read(reader, _CHUNK):
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(writer, rest) :]
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_attributes(info: os.stat_result, target: int, name: str) -> None:
    os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=target)
    os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=target, follow_symlinks=False)
