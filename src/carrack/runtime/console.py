"""The container's terminal: a pair from its *own* devpts, the slave's end taken by descriptor and not by name."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios

from carrack.linux.mount import DEVPTS_SUPER_MAGIC
from carrack.runtime import inroot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import FileKernel
    from carrack.oci.runtime_spec import Box
    from carrack.runtime.inroot import Procfs

_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441


class Terminal:
    """Both ends; the owner of the pair closes them."""

    __slots__ = ("master", "slave")

    def __init__(self, master: int, slave: int) -> None:
        self.master = master
        self.slave = slave


def open_terminal(kernel: FileKernel, procfs: Procfs, root_fd: int, size: Box | None) -> Terminal:
    """A new pair of the devpts at /dev/pts below the root (ioctl_tty(2), TIOCGPTPEER).

    Raises OSError when there is no devpts of the container's own.
    """
    path = "/dev/pts/ptmx"
    found = inroot.resolve(kernel, root_fd, path, follow=False)
    try:
        if kernel.fstatfs_magic(found) != DEVPTS_SUPER_MAGIC:
            raise OSError(errno.ENODEV, "a terminal needs a devpts mounted at /dev/pts", path)
        master = procfs.reopen(found, os.O_RDWR | os.O_NOCTTY)
    finally:
        os.close(found)
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        if size:
            packed = struct.pack("4H", size.get("height", 0) & 0xFFFF, size.get("width", 0) & 0xFFFF, 0, 0)
            fcntl.ioctl(master, termios.TIOCSWINSZ, packed)
    except OSError:
        os.close(master)
        raise
    return Terminal(master, slave)


def take_terminal(slave: int, uid: int) -> None:
    """Make it the controlling terminal and the standard streams of this process, a session leader."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    try:
        os.fchown(slave, uid, -1)
    except PermissionError:  # a user namespace that does not map it
        pass
    for number in range(3):
        os.dup2(slave, number)
