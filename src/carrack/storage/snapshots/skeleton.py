"""Directory layers that hold little more than copies of directories of other layers.

Whatever a layer puts at ``etc/hosts`` needs an ``etc`` around it, and that ``etc`` covers the attributes of the one
below. A :class:`Skeleton` makes such directories with the attributes they must have, applied last of all since
making children changes times.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.linux.resolve import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS

if TYPE_CHECKING:
    from pathlib import Path

    from carrack.linux.kernel import FileKernel

_OVERLAY = "trusted.overlay."
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_STRICT = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a directory has besides its entries; overlayfs's own marks are not part of it."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def read(cls, fd: int) -> Attributes:
        """Of an open directory (not O_PATH)."""
        status = os.fstat(fd)
        xattrs = [(name, os.getxattr(fd, name)) for name in os.listxattr(fd) if not name.startswith(_OVERLAY)]
        return cls(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, tuple(xattrs))

    def write(self, path: Path) -> None:
        """Give them to a directory of ours."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(fd, self.uid, self.gid)
            os.fchmod(fd, self.mode)
            for name, value in self.xattrs:
                os.setxattr(fd, name, value)
            os.utime(fd, ns=(self.mtime_ns, self.mtime_ns))
        finally:
            os.close(fd)


#: of a directory that nothing describes
PLAIN = Attributes(0o755, 0, 0, 0)


class Skeleton:
    """``add`` directories in any order, put files at ``path`` of them, then ``finish``."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._wanted: dict[str, Attributes] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._wanted

    def add(self, path: str, attributes: Attributes) -> None:
        """A directory below one that has been added ("" is the target itself)."""
        if path and path not in self._wanted:
            self.path(path).mkdir(mode=0o700)
        self._wanted[path] = attributes

    def path(self, path: str) -> Path:
        """Where something of that path is made."""
        return self._target / path

    def finish(self) -> None:
        """Apply the attributes, children first."""
        for path, attributes in sorted(self._wanted.items(), reverse=True):
            attributes.write(self.path(path))


def parents(path: str) -> list[str]:
    """``a``, ``a/b`` of ``a/b/c``."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def open_directory(root_fd: int, path: str, kernel: FileKernel) -> int | None:
    """A directory below ``root_fd`` that no symbolic link leads to; None when there is none. Opened for reading."""
    try:
        return kernel.openat2(root_fd, path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, resolve=_STRICT)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def directory_attributes(root_fd: int, path: str, kernel: FileKernel) -> Attributes | None:
    """The attributes of that directory; None when there is none."""
    fd = open_directory(root_fd, path, kernel)
    if fd is None:
        return None
    try:
        return Attributes.read(fd)
    finally:
        os.close(fd)


def file_mode(root_fd: int, path: str, kernel: FileKernel) -> int | None:
    """The st_mode of what has a path that no symbolic link leads to; None when nothing has."""
    try:
        fd = kernel.openat2(root_fd, path, os.O_PATH | os.O_NOFOLLOW, resolve=_STRICT)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    try:
        return os.fstat(fd).st_mode
    finally:
        os.close(fd)
