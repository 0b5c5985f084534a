"""Copying a directory tree with all its metadata: image content into a new volume, and the copy driver's layers.

Owners, modes, times, extended attributes, hard links, devices, pipes and links are kept; sockets are left out. Source
and target are directory descriptors and no link in either is followed. Data moves inside the kernel
(copy_file_range(2), which clones blocks where the file system can).
"""

import errno
import os
import stat
from contextlib import closing

from carrack.linux.kernel import FileKernel
from carrack.storage.walk import Node, open_regular, read_link, reopen, walk, xattrs

_CHUNK = 1 << 30
_PIECE = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# No file system to copy from lets us read the kernel's overlay marks as such; a copy must never carry them on.
_NOT_COPIED = (b"trusted.overlay.", b"user.overlay.")


def copy_tree(kernel: FileKernel, source_fd: int, target_fd: int) -> None:
    """Copy everything below `source_fd`, and its own owner, mode and attributes, into the empty directory `target_fd`.

    Raises OSError with the path of the entry that failed; what was copied until then stays.
    """
    source = target = -1
    try:
        source, target = reopen(source_fd), reopen(target_fd)
        _copy(kernel, source, target)
    finally:
        for fd in (source, target):
            if fd >= 0:
                os.close(fd)


def _copy(kernel: FileKernel, source: int, target: int) -> None:
    copier = Copier(kernel, target)
    try:
        with closing(walk(source, leave=copier.leave)) as nodes:
            for node in nodes:
                try:
                    copier.add(node)
                except OSError as error:
                    raise OSError(error.errno, error.strerror, os.fsdecode(node.path)) from error
    finally:
        copier.close()
    found = os.fstat(source)
    dress(target, found, xattrs(source, is_copied))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


class Copier:
    """Holds the target's open directories along the walk's present path; ``place`` alone copies single files."""

    def __init__(self, kernel: FileKernel, target_fd: int) -> None:
        self._kernel = kernel
        self._root = target_fd
        self._open: list[int] = []
        self._links: dict[tuple[int, int], bytes] = {}

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def add(self, node: Node) -> None:
        parent = self._open[-1] if self._open else self._root
        if stat.S_ISDIR(node.stat.st_mode):
            self._open.append(copy_directory(node, parent))
        else:
            self.place(node, parent)

    def place(self, node: Node, parent: int) -> None:
        """Copy what is no directory into a directory of the target, of the same path as the node's."""
        mode = node.stat.st_mode
        if stat.S_ISREG(mode):
            self._file(node, parent)
        elif stat.S_ISLNK(mode):
            target = read_link(node.parent_fd, node.name)
            if target is not None:
                os.symlink(target, node.name, dir_fd=parent)
                self._dress_name(node, parent)
        elif not stat.S_ISSOCK(mode):
            os.mknod(node.name, stat.S_IFMT(mode) | 0o600, node.stat.st_rdev, dir_fd=parent)
            self._dress_name(node, parent)

    def leave(self, node: Node) -> None:
        """The walk is done with a directory: its times are set last."""
        fd = self._open.pop()
        try:
            os.utime(fd, ns=(node.stat.st_atime_ns, node.stat.st_mtime_ns))
        finally:
            os.close(fd)

    def _file(self, node: Node, parent: int) -> None:
        key = (node.stat.st_dev, node.stat.st_ino)
        if node.stat.st_nlink > 1 and key in self._links:
            os.link(self._links[key], node.name, src_dir_fd=self._root, dst_dir_fd=parent, follow_symlinks=False)
            return
        source = open_regular(node.parent_fd, node.name)
        if source is None:
            return
        try:
            found = os.fstat(source)
            self._links[found.st_dev, found.st_ino] = node.path
            target = os.open(node.name, _NEW_FILE, 0o600, dir_fd=parent)
            try:
                copy_data(source, target, found.st_size)
                dress(target, found, xattrs(source, is_copied))
                os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _dress_name(self, node: Node, parent: int) -> None:
        fd = os.open(node.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            self._kernel.fchownat(fd, "", node.stat.st_uid, node.stat.st_gid)
            if not stat.S_ISLNK(node.stat.st_mode):
                os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(node.stat.st_mode))
            self._kernel.utimensat(fd, "", node.stat.st_atime_ns, node.stat.st_mtime_ns)
        finally:
            os.close(fd)


def copy_directory(node: Node, parent: int) -> int:
    """A new, empty directory like a walked one, and its descriptor; the caller sets its times when it is filled."""
    os.mkdir(node.name, 0o700, dir_fd=parent)
    fd = os.open(node.name, _DIRECTORY, dir_fd=parent)
    dress(fd, node.stat, xattrs(node.fd, is_copied))
    return fd


def dress(fd: int, found: os.stat_result, attributes: dict[bytes, bytes] | None) -> None:
    """Give an open file the owner, mode and extended attributes found of another."""
    os.fchown(fd, found.st_uid, found.st_gid)  # before mode and capabilities: chown clears both
    os.fchmod(fd, stat.S_IMODE(found.st_mode))
    for key, value in (attributes or {}).items():
        try:
            os.setxattr(fd, key, value)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise


def is_copied(name: bytes) -> bool:
    """Whether an extended attribute belongs to a file, and not to overlayfs."""
    return not name.startswith(_NOT_COPIED)


def copy_data(source: int, target: int, size: int) -> None:
    """Fill a new file with `size` bytes, or fewer when the source has shrunk; holes stay holes. Raises OSError."""
    os.ftruncate(target, size)
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
            end = os.lseek(source, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        _copy_range(source, target, start, min(end, size))
        position = end


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            count = os.copy_file_range(source, target, min(end - start, _CHUNK), start, start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            piece = os.pread(source, min(end - start, _PIECE), start)
            count = os.pwrite(target, piece, start)
        if not count:
            return
        start += count
