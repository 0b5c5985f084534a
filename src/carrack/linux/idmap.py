"""Id-mapped mounts: a file system shown with other owners than it has, nothing on disk being changed.

The map is that of a user namespace, given by descriptor: an id of the file system is taken for one inside of that
namespace, and shown as the one outside. Sources: mount_setattr(2), "ID-mapped mounts"; Documentation/filesystems/
idmappings.rst of Linux.
"""

from __future__ import annotations

import errno
import os

from carrack.errors import NotSupported
from carrack.linux import mount as words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import MountKernel

#: what the kernel says to a mount whose file system lacks FS_ALLOW_IDMAP, or to the flag itself before Linux 5.12
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def clone(kernel: MountKernel, path: str, userns_fd: int, *, recursive: bool = False) -> int:
    """A detached clone of what is mounted at a path, with mapped ids; the descriptor is the caller's.

    Raises OSError with the path, NotSupported as `apply` does.
    """
    fd = kernel.open_tree(words.AT_FDCWD, path, words.OPEN_TREE_CLONE | (words.AT_RECURSIVE if recursive else 0))
    try:
        apply(kernel, fd, userns_fd, path, recursive=recursive)
    except BaseException:
        os.close(fd)
        raise
    return fd


def apply(kernel: MountKernel, tree: int, userns_fd: int, path: str, *, recursive: bool = False) -> None:
    """Map the ids of a detached mount whose files lie at ``path`` on the host.

    Raises NotSupported naming the file system when it is none that can, OSError for anything else.
    """
    try:
        kernel.mount_setattr(tree, "", userns_fd=userns_fd, recursive=recursive)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise OSError(error.errno, f"mapping the owners of its files: {error.strerror}", path) from None
        below = " or one mounted below it" if recursive else ""
        kind = file_system(path)
        raise NotSupported(
            f"the owners of the files in {path} cannot be mapped: the file system there ({kind}){below} has no "
            "id-mapped mounts on this kernel"
        ) from error


def file_system(path: str, mountinfo: str = "/proc/self/mountinfo") -> str:
    """The type of the file system that a path lies on, or ``unknown``."""
    try:
        device = os.stat(path).st_dev
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            mounts = words.read_mountinfo(file.read())
    except (OSError, ValueError):
        return "unknown"
    place = os.path.realpath(path)
    above = [info for info in mounts if _holds(info.mount_point, place)]
    found = [info for info in above if info.device == (os.major(device), os.minor(device))] or above
    return max(found, key=lambda info: len(info.mount_point)).fstype if found else "unknown"


def _holds(mount_point: str, path: str) -> bool:
    return path == mount_point or path.startswith(mount_point.rstrip("/") + "/")
