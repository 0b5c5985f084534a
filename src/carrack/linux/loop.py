"""Loop devices: a file as a block device, for file systems that cannot be mounted from a file (loop(4)).

A device is made with the autoclear flag, so that it is gone with its last user: the returned descriptor, or the
mount made of it. Nothing has to be detached, also not after a crash.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A
_LOOP_GET_STATUS64 = 0x4C05
_FLAG_READ_ONLY = 1
_FLAG_AUTOCLEAR = 4
_FLAG_DIRECT_IO = 16
_ATTEMPTS = 64

#: struct loop_config: descriptor, block size, struct loop_info64, reserved
_CONFIG = struct.Struct("=II 5Q4I64s64s32s2Q 8Q")
#: struct loop_info64: the file's device and inode come first
_INFO = struct.Struct("=5Q4I64s64s32s2Q")


class Loop:
    """An attached loop device: ``path`` like /dev/loop3, and the descriptor that keeps it until something else does."""

    __slots__ = ("fd", "path")

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path


def attach(fd: int, *, read_only: bool = False, direct_io: bool = False, name: str = "", dev: str = "/dev") -> Loop:
    """Attach an open file to a free loop device; ``name`` is what ``losetup -l`` shows (64 bytes of it).

    OSError: ENOENT without loop support in the kernel, EBUSY if others took every free device before we could.
    """
    control = os.open(f"{dev}/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            path = f"{dev}/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
            device = _configure(path, fd, read_only, direct_io, name)
            if device >= 0:
                return Loop(device, path)
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no loop device stayed free long enough to be attached", f"{dev}/loop-control")


def find(fd: int, *, sys: str = "/sys", dev: str = "/dev") -> Loop | None:
    """The device that an open file is attached to; None when it is to none."""
    wanted = os.fstat(fd)
    for name in sorted(os.listdir(f"{sys}/block")):
        if not name.startswith("loop") or not os.path.exists(f"{sys}/block/{name}/loop/backing_file"):
            continue
        device = _open_attached(f"{dev}/{name}", wanted.st_dev, wanted.st_ino)
        if device >= 0:
            return Loop(device, f"{dev}/{name}")
    return None


def _open_attached(path: str, device_number: int, inode: int) -> int:
    """The device's descriptor if that file is behind it, or -1."""
    try:
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # read-only, or going just now
        return -1
    try:
        found = _INFO.unpack(fcntl.ioctl(device, _LOOP_GET_STATUS64, bytes(_INFO.size)))
    except OSError:
        found = (0, 0)
    if found[:2] == (_packed(device_number), inode):
        return device
    os.close(device)
    return -1


def _packed(number: int) -> int:
    """A device number as the kernel tells it here (huge_encode_dev)."""
    major, minor = os.major(number), os.minor(number)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)


def _configure(path: str, fd: int, read_only: bool, direct_io: bool, name: str) -> int:
    """The device's descriptor, or -1 if another process was faster."""
    flags = _FLAG_AUTOCLEAR | (_FLAG_READ_ONLY if read_only else 0) | (_FLAG_DIRECT_IO if direct_io else 0)
    shown = os.fsencode(name)[:63]
    config = _CONFIG.pack(fd, 0, *(0,) * 5, 0, 0, 0, flags, shown, b"", b"", 0, 0, *(0,) * 8)
    device = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _LOOP_CONFIGURE, config)
    except OSError as error:
        os.close(device)
        if error.errno == errno.EBUSY:
            return -1
        raise OSError(error.errno, f"loop device: {error.strerror}", path) from None
    return device
