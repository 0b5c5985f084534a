"""``linux.mountLabel``: the SELinux label of all that is mounted for a container, and of nobody else.

A file system of the container's own is mounted with the label for all its files (``context=``, see mount(8)), which
nobody inside can change. The kernel's own file systems, which it shares with the host, keep their labels.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: what is one for all who mount it; of mqueue there is one per IPC namespace, and its root can be given a label
_SHARED = frozenset(
    """proc sysfs mqueue cgroup cgroup2 selinuxfs securityfs debugfs tracefs bpf pstore efivarfs configfs binfmt_misc
    fusectl hugetlbfs devtmpfs""".split()
)
_NULL = os.makedev(1, 3)
_KEYS = ("context", "fscontext", "defcontext", "rootcontext")


def options(
    kind: str, label: str, given: Sequence[tuple[str, str | int | None]] = ()
) -> list[tuple[str, str | int | None]]:
    """The options for mounting a file system of that kind; none where the spec itself says something of labels."""
    if not label or kind in _SHARED or any(key in _KEYS for key, _ in given):
        return []
    return [("context", label)]


def label_queues(mount_fd: int, kind: str, label: str) -> None:
    """Label the root of a detached mount of message queues, from which they inherit."""
    if label and kind == "mqueue":
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount_fd)
        try:
            os.setxattr(fd, "security.selinux", label.encode() + b"\0")
        except OSError as error:
            if error.errno != errno.ENOTSUP:  # a policy may have one label for all queues
                raise
        finally:
            os.close(fd)


def label_null(label: str) -> None:
    """Label the null device among our standard streams, which is the container's own; where that cannot be, the kernel
    gives the program its own instead."""
    for fd in range(3) if label else ():
        try:
            if os.fstat(fd).st_rdev == _NULL:
                os.setxattr(fd, "security.selinux", label.encode() + b"\0")
        except OSError:
            pass
