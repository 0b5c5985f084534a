"""The container's terminal: a pair from its *own* devpts, whose root is found by descriptor and checked."""

from __future__ import annotations

import errno
import os
import stat

from carrack.linux import tty
from carrack.runtime import inroot, labelling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.linux.kernel import FileKernel
    from carrack.oci.runtime_spec import Box


def open_terminal(kernel: FileKernel, root_fd: int, size: Box | None) -> tty.Pty:
    """A new pair of the devpts at /dev/pts below the root; the caller owns both ends.

    Raises OSError when there is no devpts of the container's own, or a link in its place (CVE-2025-52565).
    """
    found = inroot.resolve(kernel, root_fd, "/dev/pts", os.O_DIRECTORY, follow=False)
    try:
        pair = tty.open_pty(kernel, found)
    except OSError as error:
        text = f"a terminal needs a devpts of the container's own: {error.strerror}"
        raise OSError(error.errno, text, "/dev/pts") from None
    finally:
        os.close(found)
    if size:
        tty.set_size(pair.master, size.get("height", 0) & 0xFFFF, size.get("width", 0) & 0xFFFF)
    return pair


def take_streams(fds: Sequence[int], uid: int, label: str = "") -> None:
    """Make them the standard streams, and pipes among them the program's own; ``label``: see labelling.py."""
    given = [os.dup(fd) for fd in fds]  # first aside: they may overlap 0-2
    for number, fd in enumerate(given):
        os.dup2(fd, number)
        os.close(fd)
        _give(number, uid)
    labelling.label_null(label)


def _give(fd: int, uid: int) -> None:
    """That it may open a pipe again by /dev/stdout; not so a device, which others share."""
    info = os.fstat(fd)
    if info.st_uid == uid or not stat.S_ISFIFO(info.st_mode):
        return
    try:
        os.fchown(fd, uid, -1)
    except OSError as error:  # somebody else's from outside of our user namespace, or who is nobody in it
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise


def take_terminal(slave: int, uid: int) -> None:
    """Make it the controlling terminal and the standard streams of this process, a session leader."""
    tty.set_controlling(slave)
    try:
        os.fchown(slave, uid, -1)
    except PermissionError:  # a user namespace that does not map it
        pass
    for number in range(3):
        os.dup2(slave, number)
