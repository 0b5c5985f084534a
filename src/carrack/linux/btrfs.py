"""Subvolumes of btrfs and the limits of their sizes, by ioctl on directories (linux/btrfs.h, btrfs-qgroup(8)).

A *qgroup* counts what a subvolume refers to; counting is a property of the whole file system, and is switched on for
good when the first limit is set.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

SUPER_MAGIC = 0x9123683E
_SNAP_CREATE = 0x50009401
_SUBVOL_CREATE = 0x5000940E
_SNAP_DESTROY = 0x5000940F
_QUOTA_CTL = 0xC0109428
_QGROUP_CREATE = 0x4010942A
_QGROUP_LIMIT = 0x8030942B
_INO_LOOKUP = 0xD0009412
_ENABLE = 1
_MAX_RFER, _MAX_EXCL = 1, 2
_NAME_LIMIT = 255
_FIRST_FREE = 256
#: struct btrfs_ioctl_vol_args, _quota_ctl_args, _qgroup_create_args, _qgroup_limit_args, _ino_lookup_args
_VOLUME = struct.Struct("=q4088s")
_QUOTA = struct.Struct("=QQ")
_CREATE = struct.Struct("=QQ")
_LIMIT = struct.Struct("=Q5Q")
_LOOKUP = struct.Struct("=QQ4080s")


def create_subvolume(parent_fd: int, name: str) -> None:
    """A new subvolume in a directory, which looks like a directory. Raises OSError."""
    _ask(parent_fd, _SUBVOL_CREATE, _VOLUME.pack(0, os.fsencode(name)[:_NAME_LIMIT]), f"making subvolume {name}")


def create_snapshot(source_fd: int, parent_fd: int, name: str) -> None:
    """A subvolume in a directory with all that the source subvolume has, which costs nothing until one of the two
    changes. Raises OSError."""
    _ask(parent_fd, _SNAP_CREATE, _VOLUME.pack(source_fd, os.fsencode(name)[:_NAME_LIMIT]), f"making snapshot {name}")


def destroy(parent_fd: int, name: str) -> None:
    """Remove a subvolume with all that is in it, however much that is. OSError, of EINVAL when it is none."""
    _ask(parent_fd, _SNAP_DESTROY, _VOLUME.pack(0, os.fsencode(name)[:_NAME_LIMIT]), f"removing subvolume {name}")


def limit(subvolume_fd: int, size: int, *, exclusive: bool = False) -> None:
    """Let the subvolume refer to no more bytes than that, or to no more that it shares with none; writing more fails
    with EDQUOT. Raises OSError."""
    _ask(subvolume_fd, _QUOTA_CTL, _QUOTA.pack(_ENABLE, 0), "counting what subvolumes use")
    flags, referred, own = (_MAX_EXCL, 0, size) if exclusive else (_MAX_RFER, size, 0)
    _ask(subvolume_fd, _QGROUP_LIMIT, _LIMIT.pack(0, flags, referred, own, 0, 0), "limiting a subvolume")


def is_subvolume(path: str | os.PathLike[str]) -> bool:
    """Whether a path on btrfs leads to a subvolume and not to another directory."""
    try:
        return os.lstat(path).st_ino == _FIRST_FREE
    except FileNotFoundError:
        return False


def identity(subvolume_fd: int) -> int:
    """The number of the subvolume that a directory is in."""
    answer = _ask(subvolume_fd, _INO_LOOKUP, _LOOKUP.pack(0, _FIRST_FREE, b""), "looking a subvolume up")
    number: int = _LOOKUP.unpack(answer)[0]
    return number


def forget_limit(directory_fd: int, number: int) -> None:
    """Remove the count of a subvolume that is gone; nothing where there is none, or where it is removed by itself."""
    try:
        _ask(directory_fd, _QGROUP_CREATE, _CREATE.pack(0, number), "removing a count")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTCONN, errno.EBUSY, errno.EINVAL):
            raise


def _ask(fd: int, request: int, argument: bytes, what: str) -> bytes:
    try:
        return fcntl.ioctl(fd, request, argument) if len(argument) <= 1024 else _ask_long(fd, request, argument)
    except OSError as error:
        raise OSError(error.errno, f"{what}: {os.strerror(error.errno or 0).lower()}") from None


def _ask_long(fd: int, request: int, argument: bytes) -> bytes:
    buffer = bytearray(argument)
    fcntl.ioctl(fd, request, buffer, True)
    return bytes(buffer)
