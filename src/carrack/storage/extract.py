"""Unpacking a layer into directories, for the drivers that cannot mount its image.

The archive is hostile and so is what it has already put on disk. Every parent is opened with openat2(2) inside the
root (symbolic links resolve there, never outside), the last component is never followed, files are created anew and
exclusively. Alongside, a :class:`~carrack.storage.tree.Tree` of the same entries judges them and knows the outcome;
from it come, at the end, whiteouts and the attributes of directories.

Modes are set explicitly, so the process's umask does not matter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, TypeVar

from carrack.linux.resolve import IN_ROOT
from carrack.storage.copytree import copy_data, dress, is_copied
from carrack.storage.removal import empty_directory, remove_tree
from carrack.storage.tarheader import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    HARDLINK,
    REGULAR,
    SYMLINK,
    TarEntry,
    normalise,
)
from carrack.storage.tree import OPAQUE, WHITEOUT, Tree, is_whiteout_device
from carrack.storage.walk import open_regular, xattrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from carrack.linux.kernel import FileKernel
    from carrack.storage.tree import Node

_T = TypeVar("_T")

_PARENT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CACHED_PARENTS = 200
_NODES = {CHARACTER: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}


class Extractor:
    """Push a layer into the directory ``root_fd``: ``entry`` for each member, ``data`` for its bytes, ``finish``.

    ``close`` in any case. With ``overlay`` the result is a layer for overlayfs: whiteouts are devices, opaque
    directories are marked. With ``by_name`` it is one for fuse-overlayfs: both by files, as in the archive, and copies
    in place of hard links, of which that program changes whichever name it likes. With neither, it is applied to the
    tree that is there, from which ``hide`` has removed what the layer's whiteouts name. OSError carries the member's
    path.
    """

    def __init__(self, root_fd: int, kernel: FileKernel, *, overlay: bool, by_name: bool = False) -> None:
        self.tree = Tree()
        self._root = root_fd
        self._kernel = kernel
        self._overlay = overlay
        self._by_name = by_name
        self._parents: dict[bytes, int] = {}
        self._file = -1
        self._present: TarEntry | None = None
        self._stretches: list[tuple[int, int]] | None = None  # of a file with holes, where data still goes, last first

    def entry(self, entry: TarEntry) -> None:
        """Make the member; a regular file's bytes follow."""
        self._end_file()
        if not self.tree.add(entry):
            return
        path = normalise(entry.path)
        if path and not (self._by_name and is_whiteout_device(entry)):
            with _naming(entry.path):
                self._make(entry, path)

    def data(self, piece: memoryview) -> None:
        """Some bytes of the present member."""
        if self._file < 0:
            return  # of a whiteout
        with _naming(self._present.path if self._present else b""):
            if self._stretches is not None:
                self._spread(self._stretches, piece)
                return
            while piece:
                piece = piece[os.write(self._file, piece) :]

    def finish(self) -> None:
        """All members have come: whiteouts, then the directories' attributes, children first."""
        self._end_file()
        directories = list(self.tree.directories())
        for path, node in reversed(directories):
            with _naming(path):
                self._finish_directory(path, node)

    def close(self) -> None:
        """Release the descriptors."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._forget_parents()

    def _make(self, entry: TarEntry, path: bytes) -> None:
        parent_path, _, name = path.rpartition(b"/")
        if len(self._parents) > _CACHED_PARENTS:
            self._forget_parents()
        parent = self._parent(parent_path)
        if entry.kind == REGULAR:
            self._file = self._instead(parent, name, lambda: os.open(name, _CREATE, 0o600, dir_fd=parent))
            self._present = entry
            self._stretches = None
            if entry.sparse is not None:
                os.ftruncate(self._file, entry.sparse.size)
                self._stretches = list(reversed(entry.sparse.stretches))
        elif entry.kind == DIRECTORY:
            self._make_directory(parent, name)
        elif entry.kind == HARDLINK:
            self._link(entry, parent, name)
        else:
            if entry.kind == SYMLINK:
                self._instead(parent, name, lambda: os.symlink(entry.link, name, dir_fd=parent))
            else:
                mode, device = _NODES[entry.kind] | 0o600, os.makedev(entry.major, entry.minor)
                self._instead(parent, name, lambda: os.mknod(name, mode, device, dir_fd=parent))
            _describe_at(parent, name, entry)

    def _spread(self, stretches: list[tuple[int, int]], piece: memoryview) -> None:
        while piece:
            start, length = stretches.pop()
            count = os.pwrite(self._file, piece[:length], start)
            piece = piece[count:]
            if count < length:
                stretches.append((start + count, length - count))

    def _instead(self, parent: int, name: bytes, make: Callable[[], _T]) -> _T:
        """Make something whose name may be taken: what has it goes first."""
        try:
            return make()
        except FileExistsError:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
            if stat.S_ISDIR(found) or stat.S_ISLNK(found):
                self._forget_parents(keep=parent)
            remove_tree(name, dir_fd=parent)
            return make()

    def _make_directory(self, parent: int, name: bytes) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                self._instead(parent, name, lambda: os.mkdir(name, 0o700, dir_fd=parent))

    def _link(self, entry: TarEntry, parent: int, name: bytes) -> None:
        target_path, _, target = normalise(entry.link).rpartition(b"/")
        source = self._parent(target_path)
        found = os.stat(target, dir_fd=source, follow_symlinks=False)
        with contextlib.suppress(FileNotFoundError):
            present = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if (present.st_dev, present.st_ino) == (found.st_dev, found.st_ino):
                return
        if self._by_name and stat.S_ISREG(found.st_mode):
            self._copy(source, target, parent, name)
            return
        try:
            os.link(target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            self._link_instead(source, target, parent, name)

    def _copy(self, source: int, target: bytes, parent: int, name: bytes) -> None:
        original = open_regular(source, target)
        assert original is not None
        try:
            found = os.fstat(original)
            copy = self._instead(parent, name, lambda: os.open(name, _CREATE, 0o600, dir_fd=parent))
            try:
                copy_data(original, copy, found.st_size)
                dress(copy, found, xattrs(original, is_copied))
                os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
            finally:
                os.close(copy)
        finally:
            os.close(original)

    def _link_instead(self, source: int, target: bytes, parent: int, name: bytes) -> None:
        """Link elsewhere first: the target may lie inside the directory that has the name now."""
        spare = b".wh..wh.carrack-link"  # no member can be called so
        os.link(target, spare, src_dir_fd=source, dst_dir_fd=self._root, follow_symlinks=False)
        self._instead(
            parent,
            name,
            lambda: os.link(spare, name, src_dir_fd=self._root, dst_dir_fd=parent, follow_symlinks=False),
        )
        os.unlink(spare, dir_fd=self._root)

    def _end_file(self) -> None:
        if self._file < 0 or self._present is None:
            return
        with _naming(self._present.path):
            _describe(self._file, self._present)
        os.close(self._file)
        self._file = -1

    def _parent(self, path: bytes) -> int:
        """The directory to make a member in, itself made when missing."""
        found = self._parents.get(path)
        if found is None:
            try:
                found = self._kernel.openat2(self._root, path or b".", _PARENT, resolve=IN_ROOT)
            except FileNotFoundError:
                self._make_parents(self.tree.real_path(path))
                found = self._kernel.openat2(self._root, path, _PARENT, resolve=IN_ROOT)
            self._parents[path] = found
        return found

    def _make_parents(self, path: bytes) -> None:
        here = os.dup(self._root)
        try:
            done = b""
            for name in path.split(b"/"):
                with contextlib.suppress(FileExistsError):
                    _make_plain_directory(name, here)
                done += b"/" + name
                inner = self._kernel.openat2(self._root, done, _PARENT, resolve=IN_ROOT)
                os.close(here)
                here = inner
        finally:
            os.close(here)

    def _finish_directory(self, path: bytes, node: Node) -> None:
        fd = self._open_directory(path)
        if node.implicit and not self._overlay:  # it is the lower layers' and keeps their attributes
            os.close(fd)
            return
        try:
            if self._by_name:
                _mark_by_name(fd, node)
            elif self._overlay:
                for name, child in (node.children or {}).items():
                    if child.is_whiteout and not _exists(fd, name):
                        os.mknod(name, stat.S_IFCHR, 0, dir_fd=fd)
                if node.opaque:
                    os.setxattr(fd, "trusted.overlay.opaque", b"y")
            _describe(fd, node)
        finally:
            os.close(fd)

    def _open_directory(self, path: bytes) -> int:
        try:
            return self._kernel.openat2(self._root, path or b".", _DIRECTORY, resolve=IN_ROOT)
        except FileNotFoundError:  # only whiteouts name it
            self._make_parents(path)
            return self._kernel.openat2(self._root, path, _DIRECTORY, resolve=IN_ROOT)

    def _forget_parents(self, keep: int = -1) -> None:
        for path, fd in list(self._parents.items()):
            if fd != keep:
                del self._parents[path]
                os.close(fd)


def hide(root_fd: int, tree: Tree, kernel: FileKernel) -> None:
    """Prepare the tree below ``root_fd`` for a layer: remove what its whiteouts and opaque directories hide, and what
    is no directory where it has one (a symbolic link too, as overlayfs would have it)."""
    for path, node in tree.directories():
        fd = _open_or_replace(root_fd, path, kernel)
        if fd < 0:
            continue
        try:
            if node.opaque:
                empty_directory(b".", dir_fd=fd)
                continue
            for name, child in (node.children or {}).items():
                if child.is_whiteout:
                    remove_tree(name, dir_fd=fd)
        finally:
            os.close(fd)


def _open_or_replace(root_fd: int, path: bytes, kernel: FileKernel) -> int:
    """The directory at a path whose parents are directories; -1 when nothing is there."""
    try:
        return kernel.openat2(root_fd, path or b".", _DIRECTORY, resolve=IN_ROOT)
    except FileNotFoundError:
        return -1
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
    parent_path, _, name = path.rpartition(b"/")
    parent = kernel.openat2(root_fd, parent_path or b".", _PARENT, resolve=IN_ROOT)
    try:
        os.unlink(name, dir_fd=parent)
        _make_plain_directory(name, parent)
    finally:
        os.close(parent)
    return -1


def _mark_by_name(fd: int, node: Node) -> None:
    marks = [WHITEOUT + name for name, child in (node.children or {}).items() if child.is_whiteout]
    for mark in [*marks, OPAQUE] if node.opaque else marks:
        os.close(os.open(mark, _CREATE, 0o600, dir_fd=fd))


def _make_plain_directory(name: bytes, parent: int) -> None:
    """As no entry describes it; a parent with a set-group-id bit would pass that and its group on."""
    os.mkdir(name, 0o755, dir_fd=parent)
    os.chown(name, os.geteuid(), os.getegid(), dir_fd=parent, follow_symlinks=False)
    os.chmod(name, 0o755, dir_fd=parent)


@contextlib.contextmanager
def _naming(path: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"unpacking: {error.strerror}"
        raise OSError(error.errno, text, os.fsdecode(path or b"/")) from error


def _exists(parent: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _describe(fd: int, wanted: TarEntry | Node) -> None:
    """Owner first: changing it clears set-id bits and capabilities. Times last."""
    os.fchown(fd, wanted.uid, wanted.gid)
    os.fchmod(fd, stat.S_IMODE(wanted.mode))
    _set_xattrs(fd, wanted.xattrs)
    stamp = wanted.mtime * 10**9 + wanted.mtime_ns
    os.utime(fd, ns=(stamp, stamp))


def _describe_at(parent: int, name: bytes, entry: TarEntry) -> None:
    """The same for what is not to be opened: links, devices, pipes."""
    os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
    if entry.kind != SYMLINK:
        os.chmod(name, entry.mode, dir_fd=parent)  # made here just now, and not a link
    _set_xattrs(b"/proc/self/fd/%d/%b" % (parent, name), entry.xattrs)
    stamp = entry.mtime * 10**9 + entry.mtime_ns
    os.utime(name, ns=(stamp, stamp), dir_fd=parent, follow_symlinks=False)


def _set_xattrs(target: int | bytes, xattrs: Mapping[bytes, bytes] | None) -> None:
    for name, value in (xattrs or {}).items():
        try:
            os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
        except OSError as error:
            # a file system without them cannot keep them; and links and devices take no user.* (xattr(7))
            if error.errno != errno.ENOTSUP and not (error.errno == errno.EPERM and name.startswith(b"user.")):
                raise
