"""The changes of a snapshot that is a whole tree, as the directory of changes that overlayfs would have made.

The tree is compared with what it was made of: the chain's tree, and the init layer that was laid over it. A file is
changed when anything told of it differs; where its inode alone was changed after the snapshot had been made, which no
program can hide, its content decides. A removed name is told by a device 0:0, or, on file systems that refuse those
(overlayfs itself), by an empty file ``.wh.NAME``, the form that it has in layers (see carrack.storage.differ).
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING

from carrack.linux.resolve import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS
from carrack.storage.copytree import Copier, copy_directory, dress, is_copied
from carrack.storage.tree import WHITEOUT
from carrack.storage.walk import Node, open_regular, walk, xattrs

if TYPE_CHECKING:
    from pathlib import Path

    from carrack.linux.kernel import FileKernel

_STRICT = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20
_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Origin:
    """What a snapshot was made of: the ``chain``'s tree and over it the ``init`` layer's; ``since``: the time in
    nanoseconds when it was whole. ``close`` it."""

    def __init__(self, chain: Path, init: Path, since: int, kernel: FileKernel) -> None:
        self.since = since
        self._kernel = kernel
        self._chain = os.open(chain, _DIRECTORY)
        self._init: dict[bytes, os.stat_result] = {}
        self._laid: dict[bytes, set[bytes]] = {}  # names by directory
        top = os.fsencode(init)
        for folder, directories, files in os.walk(top):
            below = os.path.relpath(folder, top) if folder != top else b""
            self._laid[below] = {*directories, *files}
            for name in (*directories, *files):
                self._init[below + b"/" + name if below else name] = os.lstat(os.path.join(folder, name))

    def close(self) -> None:
        """Release the chain."""
        os.close(self._chain)

    def stat(self, path: bytes) -> os.stat_result | None:
        """Of what had that path; None when nothing had. Of a directory in both, that of the chain."""
        laid = self._init.get(path)
        if laid is not None and not stat.S_ISDIR(laid.st_mode):
            return laid
        held = self._open(path, _HOLD)
        if held is None:
            return laid
        try:
            found = os.fstat(held)
        finally:
            os.close(held)
        return found if laid is None or stat.S_ISDIR(found.st_mode) else laid

    def names(self, path: bytes) -> set[bytes]:
        """What was in a directory."""
        names = set(self._laid.get(path, ()))
        fd = self._open(path or b".", _DIRECTORY)
        if fd is not None:
            try:
                names |= {os.fsencode(name) for name in os.listdir(fd)}
            finally:
                os.close(fd)
        return names

    def xattrs(self, path: bytes) -> dict[bytes, bytes] | None:
        """Of a directory of the chain; those of the init layer alone have none."""
        fd = self._open(path, _DIRECTORY)
        if fd is None:
            return None
        try:
            return xattrs(fd, is_copied)
        finally:
            os.close(fd)

    def holds(self, node: Node) -> bool:
        """Whether a file or link whose inode was changed is what it was: it has lost or got a name, say."""
        laid = self._init.get(node.path)
        if laid is not None and not stat.S_ISDIR(laid.st_mode):
            return True  # its size is told already, and that is 0
        if stat.S_ISLNK(node.stat.st_mode):
            held = self._open(node.path, _HOLD)
            if held is None:
                return False
            try:
                return os.readlink(b"", dir_fd=held) == os.readlink(node.name, dir_fd=node.parent_fd)
            finally:
                os.close(held)
        return not stat.S_ISREG(node.stat.st_mode) or self._same_file(node)

    def _same_file(self, node: Node) -> bool:
        was, now = self._open(node.path, os.O_RDONLY | os.O_NOFOLLOW), open_regular(node.parent_fd, node.name)
        try:
            if was is None or now is None or xattrs(was, is_copied) != xattrs(now, is_copied):
                return False
            for position in range(0, node.stat.st_size, _PIECE):
                if os.pread(was, _PIECE, position) != os.pread(now, _PIECE, position):
                    return False
            return True
        finally:
            for fd in (was, now):
                if fd is not None:
                    os.close(fd)

    def _open(self, path: bytes, flags: int) -> int | None:
        try:
            return self._kernel.openat2(self._chain, path, flags, resolve=_STRICT)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise


def collect(tree: Path, origin: Origin, target: Path, kernel: FileKernel) -> None:
    """Fill the empty directory ``target`` with the changes of ``tree``. OSError with the path that failed."""
    collector = _Collector(origin, target, kernel)
    root = os.open(tree, _DIRECTORY)
    try:
        collector.enter(Node(b"", b"", -1, os.fstat(root), root))
        with closing(walk(root, leave=collector.leave)) as nodes:
            for node in nodes:
                try:
                    collector.add(node)
                except OSError as error:
                    raise OSError(error.errno, error.strerror, os.fsdecode(node.path)) from error
        dress(collector.made(), os.fstat(root), xattrs(root, is_copied))
    finally:
        collector.close()
        os.close(root)


def size_of_changes(tree: Path, origin: Origin) -> int:
    """Bytes of the regular files of ``tree`` that ``collect`` would copy, hard links counted once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    root = os.open(tree, _DIRECTORY)
    try:
        with closing(walk(root)) as nodes:
            for node in nodes:
                found = node.stat
                if not stat.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) in seen:
                    continue
                was = origin.stat(node.path)
                if was is None or _changed(node, was, origin):
                    seen.add((found.st_dev, found.st_ino))
                    total += found.st_size
    finally:
        os.close(root)
    return total


class _Collector:
    """Holds the directories along the walk's present path, each made in the target once something in it changed."""

    def __init__(self, origin: Origin, target: Path, kernel: FileKernel) -> None:
        self._origin = origin
        self._target = os.open(target, _DIRECTORY)
        self._copier = Copier(kernel, self._target)
        self._path: list[tuple[Node, int]] = []  # with the descriptor in the target, -1 when it is not made

    def close(self) -> None:
        for _, fd in self._path[1:]:
            if fd >= 0:
                os.close(fd)
        os.close(self._target)

    def add(self, node: Node) -> None:
        was = self._origin.stat(node.path)
        if node.fd < 0:
            if was is None or _changed(node, was, self._origin):
                self._copier.place(node, self.made())
            return
        same = (
            was is not None and _alike(node.stat, was) and xattrs(node.fd, is_copied) == self._origin.xattrs(node.path)
        )
        kept = Node(node.path, node.name, -1, node.stat, node.fd)  # the walk's own is valid until its next step
        if same or (was is not None and stat.S_ISDIR(was.st_mode)):
            self.enter(kept)
        else:
            self._path.append((kept, -1))
        if not same:
            self.made()

    def enter(self, node: Node) -> None:
        """A directory that was one before: what is not in it any more was removed."""
        self._path.append((node, self._target if not self._path else -1))
        for name in sorted(self._origin.names(node.path) - {os.fsencode(name) for name in os.listdir(node.fd)}):
            _remove(name, self.made())

    def leave(self, node: Node) -> None:
        _, fd = self._path.pop()
        if fd >= 0:
            os.utime(fd, ns=(node.stat.st_atime_ns, node.stat.st_mtime_ns))
            os.close(fd)

    def made(self) -> int:
        """The present directory in the target."""
        for index, (node, fd) in enumerate(self._path):
            if fd < 0:
                self._path[index] = node, copy_directory(node, self._path[index - 1][1])
        return self._path[-1][1]


def _alike(now: os.stat_result, was: os.stat_result) -> bool:
    return (now.st_mode, now.st_uid, now.st_gid, now.st_rdev) == (was.st_mode, was.st_uid, was.st_gid, was.st_rdev)


def _changed(node: Node, was: os.stat_result, origin: Origin) -> bool:
    """Of what is no directory now."""
    now = node.stat
    if not _alike(now, was) or (now.st_size, now.st_mtime_ns) != (was.st_size, was.st_mtime_ns):
        return True
    return now.st_ctime_ns > origin.since and not origin.holds(node)


def _remove(name: bytes, parent: int) -> None:
    try:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
    except PermissionError:
        os.close(os.open(WHITEOUT + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent))
