"""Pseudo-terminals of containers, made on a devpts instance that is known by descriptor, never by a path.

A container can replace /dev/pts and /dev/ptmx in its own tree by links; the descriptor of the devpts mount cannot be
replaced, and the other end of the pair comes from the first by ioctl (pts(4), ioctl_tty(2)).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from carrack.linux.mount import DEVPTS_SUPER_MAGIC
from carrack.linux.resolve import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import FileKernel

# <asm-generic/ioctls.h>: the same on x86 and arm
_TIOCSCTTY = 0x540E
_TIOCGWINSZ = 0x5413
_TIOCSWINSZ = 0x5414
_TIOCNOTTY = 0x5422
_TIOCGPTN = 0x80045430
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441


class Pty:
    """Both ends of a pseudo-terminal: ``master`` for the engine, ``slave`` for the program, /dev/pts/``number``."""

    __slots__ = ("master", "number", "slave")

    def __init__(self, master: int, slave: int, number: int) -> None:
        self.master = master
        self.slave = slave
        self.number = number


def open_pty(kernel: FileKernel, devpts_fd: int) -> Pty:
    """A new pair on the devpts instance whose root directory devpts_fd is.

    OSError ENODEV if the directory is not one of devpts; ENOSPC when the instance is full.
    """
    if kernel.fstatfs_magic(devpts_fd) != DEVPTS_SUPER_MAGIC:
        raise OSError(errno.ENODEV, "not a devpts file system", f"fd {devpts_fd}")
    inside = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV
    master = kernel.openat2(devpts_fd, "ptmx", os.O_RDWR | os.O_NOCTTY, 0, inside)
    try:
        return adopt(master)
    except BaseException:
        os.close(master)
        raise


def adopt(master: int) -> Pty:
    """Unlock a master that was opened by other means, and open its other end; the caller keeps owning the master."""
    number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))[0]
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    return Pty(master, open_peer(master), number)


def open_peer(master: int) -> int:
    """A new descriptor of the slave end, taken from the master and not by a name that a container can replace."""
    return fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def set_size(fd: int, height: int, width: int) -> None:
    """Tell the terminal its size in characters; the foreground group gets SIGWINCH if it changed.

    ValueError unless both are 0 to 65535.
    """
    if not 0 <= height <= 0xFFFF or not 0 <= width <= 0xFFFF:
        raise ValueError(f"terminal size {height}x{width} is out of range")
    fcntl.ioctl(fd, _TIOCSWINSZ, struct.pack("4H", height, width, 0, 0))


def size(fd: int) -> tuple[int, int]:
    """Height and width in characters."""
    height, width, _, _ = struct.unpack("4H", fcntl.ioctl(fd, _TIOCGWINSZ, bytes(8)))
    return height, width


def set_controlling(fd: int) -> None:
    """Make the terminal the controlling one of this session, whose leader the caller is and which has none."""
    fcntl.ioctl(fd, _TIOCSCTTY, 0)


def detach() -> None:
    """Give up the controlling terminal, if there is one.

    A session leader that does so hangs up its foreground group; callers are new processes that have just left their
    parent's session, or ignore SIGHUP.
    """
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT, errno.ENODEV):
            return
        raise
    try:
        fcntl.ioctl(fd, _TIOCNOTTY)
    finally:
        os.close(fd)
