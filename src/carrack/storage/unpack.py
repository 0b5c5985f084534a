"""Unpacking an uploaded tar into a container's root, while the container may run.

The counterpart of `archive.pack`. Every parent directory is found by the kernel inside the root (openat2,
RESOLVE_IN_ROOT), every name is made below its parent's descriptor without following links, and owner, mode and
attributes are set through the new file's own descriptor.
"""

import errno
import os
import stat
from collections.abc import Callable

from carrack.errors import InvalidArgument
from carrack.linux.kernel import FileKernel
from carrack.linux.resolve import IN_ROOT
from carrack.storage import resolve, tarheader
from carrack.storage.durable import write_all
from carrack.storage.removal import remove_tree
from carrack.storage.tar import ByteSource, TarEntry, TarLimits, TarReader
from carrack.storage.walk import PSEUDO_FILE_SYSTEMS, Translate, same_ids

_RACE_LIMIT = 16
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SECOND = 1_000_000_000


def unpack(
    kernel: FileKernel,
    root_fd: int,
    path: str,
    source: ByteSource,
    *,
    no_overwrite_dir_non_dir: bool = False,
    owner: tuple[int, int] | None = None,
    outside: Translate = same_ids,
    limits: TarLimits | None = None,
) -> None:
    """Unpack the plain tar `source` into the directory `path` below the root.

    `owner` (uid, gid) replaces every entry's own; `outside` tells whom such a pair is on the host. With
    `no_overwrite_dir_non_dir` a directory never takes a file's place nor the reverse. Raises FileNotFoundError when
    `path` is absent, InvalidArgument when it is no directory or an entry must not be unpacked, TarError on a damaged
    archive, other OSErrors with the entry's name.
    """
    target = resolve.clean(path)
    try:
        os.close(resolve.open_directory(kernel, root_fd, target))
    except NotADirectoryError:
        raise InvalidArgument("extraction point is not a directory") from None
    unpacker = _Unpacker(kernel, root_fd, target, no_overwrite_dir_non_dir, owner, outside)
    reader = TarReader(source, limits)
    try:
        for entry in reader:
            unpacker.add(entry, reader)
        unpacker.finish()
    finally:
        unpacker.close()
    reader.drain()


class _Unpacker:
    def __init__(
        self,
        kernel: FileKernel,
        root_fd: int,
        target: str,
        keep_kinds: bool,
        owner: tuple[int, int] | None,
        outside: Translate,
    ) -> None:
        self._outside = outside
        self._kernel = kernel
        self._root_fd = root_fd
        self._target = target
        self._keep_kinds = keep_kinds
        self._owner = owner
        self._parent: tuple[bytes, int] | None = None
        self._directory_times: list[tuple[bytes, int]] = []

    def close(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def add(self, entry: TarEntry, reader: TarReader) -> None:
        path = tarheader.normalise(entry.path)
        directory, _, name = path.rpartition(b"/")
        if not path:
            if entry.kind == tarheader.DIRECTORY:
                self._touch_top(entry)
            return
        parent = self._open_parent(directory)
        try:
            self._clear(parent, name, path, entry.kind == tarheader.DIRECTORY)
            _MAKERS[entry.kind](self, parent, name, entry, reader)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fsdecode(path)) from error
        if entry.kind == tarheader.DIRECTORY:
            self._directory_times.append((path, entry.mtime * _SECOND + entry.mtime_ns))
            self.close()  # a directory may have replaced what the cached descriptor was found through

    def finish(self) -> None:
        """Directory times last: making entries had changed them."""
        self.close()
        for path, when in reversed(self._directory_times):
            try:
                fd = self._resolve(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    continue  # removed or replaced by a later entry, or by the container
                raise
            try:
                self._kernel.utimensat(fd, "", when, when)
            finally:
                os.close(fd)

    def _touch_top(self, entry: TarEntry) -> None:
        """An entry for the target itself (`./`) sets what Docker sets: nothing but, at the end, its time."""
        self._directory_times.append((b"", entry.mtime * _SECOND + entry.mtime_ns))

    def _resolve(self, path: bytes, flags: int) -> int:
        whole = os.fsencode(self._target.strip("/")) + (b"/" + path if path else b"")
        return self._kernel.openat2(self._root_fd, whole.lstrip(b"/") or b".", flags | os.O_CLOEXEC, 0, IN_ROOT)

    def _open_parent(self, directory: bytes) -> int:
        if self._parent is not None and self._parent[0] == directory:
            return self._parent[1]
        self.close()
        try:
            fd = self._resolve(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            fd = self._make_parents(directory)
        if self._kernel.fstatfs_magic(fd) in PSEUDO_FILE_SYSTEMS:
            os.close(fd)
            raise PermissionError(errno.EPERM, "kernel file systems are not copied to", os.fsdecode(directory))
        self._parent = (directory, fd)
        return fd

    def _make_parents(self, directory: bytes) -> int:
        parent = self._resolve(b"", os.O_RDONLY | os.O_DIRECTORY)
        done: list[bytes] = []
        for part in directory.split(b"/"):
            done.append(part)
            try:
                fd = self._resolve(b"/".join(done), os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                fd = self._make_parent(parent, part)
            finally:
                os.close(parent)
            parent = fd
        return parent

    def _make_parent(self, above: int, name: bytes) -> int:
        os.mkdir(name, 0o755, dir_fd=above)
        fd = os.open(name, _DIRECTORY, dir_fd=above)
        try:
            os.fchown(fd, *self._outside(*(self._owner or (0, 0))))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _clear(self, parent: int, name: bytes, path: bytes, is_directory: bool) -> None:
        """Make room for the new entry: what is there goes, unless both are directories."""
        try:
            there = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        was_directory = stat.S_ISDIR(there.st_mode)
        if was_directory and is_directory:
            return
        if self._keep_kinds and was_directory != is_directory:
            kinds = ("directory", "non-directory")
            old, new = kinds if was_directory else kinds[::-1]
            raise InvalidArgument(f'cannot overwrite {old} "{os.fsdecode(path)}" with {new} "{self._target}"')
        remove_tree(name, dir_fd=parent)

    def _again(self, parent: int, name: bytes, make: Callable[[], int]) -> int:
        """Make a new name; whoever was quicker loses, a bounded number of times."""
        for _ in range(_RACE_LIMIT):
            try:
                return make()
            except FileExistsError:
                remove_tree(name, dir_fd=parent)
        return make()

    def _own(self, fd: int, entry: TarEntry) -> None:
        uid, gid = self._outside(*(self._owner or (entry.uid, entry.gid)))
        os.fchown(fd, uid, gid)  # before the mode: chown clears setuid
        os.fchmod(fd, entry.mode)
        for key, value in (entry.xattrs or {}).items():
            try:
                os.setxattr(fd, key, value)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise

    def _regular(self, parent: int, name: bytes, entry: TarEntry, reader: TarReader) -> None:
        fd = self._again(parent, name, lambda: os.open(name, _NEW_FILE, 0o600, dir_fd=parent))
        try:
            for piece in reader.data():
                write_all(fd, piece)
            self._own(fd, entry)
            when = entry.mtime * _SECOND + entry.mtime_ns
            os.utime(fd, ns=(when, when))
        finally:
            os.close(fd)

    def _directory(self, parent: int, name: bytes, entry: TarEntry, reader: TarReader) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            pass
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
        try:
            self._own(fd, entry)
        finally:
            os.close(fd)

    def _symlink(self, parent: int, name: bytes, entry: TarEntry, reader: TarReader) -> None:
        def make() -> int:
            os.symlink(entry.link, name, dir_fd=parent)
            return 0

        self._again(parent, name, make)
        self._dress(parent, name, entry)

    def _hardlink(self, parent: int, name: bytes, entry: TarEntry, reader: TarReader) -> None:
        directory, _, old = tarheader.normalise(entry.link).rpartition(b"/")
        source = self._resolve(directory, os.O_PATH | os.O_DIRECTORY)
        try:

            def make() -> int:
                os.link(old, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
                return 0

            self._again(parent, name, make)
        finally:
            os.close(source)

    def _node(self, parent: int, name: bytes, entry: TarEntry, reader: TarReader) -> None:
        kinds = {tarheader.FIFO: stat.S_IFIFO, tarheader.CHARACTER: stat.S_IFCHR, tarheader.BLOCK_DEVICE: stat.S_IFBLK}
        device = os.makedev(entry.major, entry.minor)

        def make() -> int:
            os.mknod(name, kinds[entry.kind] | 0o600, device, dir_fd=parent)
            return 0

        self._again(parent, name, make)
        self._dress(parent, name, entry)

    def _dress(self, parent: int, name: bytes, entry: TarEntry) -> None:
        """Owner, mode and time of a link, pipe or device, which are never opened."""
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            uid, gid = self._outside(*(self._owner or (entry.uid, entry.gid)))
            self._kernel.fchownat(fd, "", uid, gid)
            if entry.kind != tarheader.SYMLINK:
                os.chmod(f"/proc/self/fd/{fd}", entry.mode)
            when = entry.mtime * _SECOND + entry.mtime_ns
            self._kernel.utimensat(fd, "", when, when)
        finally:
            os.close(fd)


_MAKERS = {
    tarheader.REGULAR: _Unpacker._regular,
    tarheader.DIRECTORY: _Unpacker._directory,
    tarheader.SYMLINK: _Unpacker._symlink,
    tarheader.HARDLINK: _Unpacker._hardlink,
    tarheader.FIFO: _Unpacker._node,
    tarheader.CHARACTER: _Unpacker._node,
    tarheader.BLOCK_DEVICE: _Unpacker._node,
}
