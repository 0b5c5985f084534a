"""What a container changed: its overlay upper directory as a list of changes, or as a layer.

The upper directory holds what was written: a device 0:0 stands for a deleted name, `trusted.overlay.opaque` on a
directory hides what lies below it. In a layer the same is said by names: `.wh.NAME` and `.wh..wh..opq` (OCI image
specification, layer.md, "Whiteouts"). Where no such devices can be made, the upper directory has those names itself.
The overlay must be mounted with redirect_dir and metacopy off, so that the upper directory is complete. Kinds and
order of changes are those of Docker's `diff`.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from carrack.storage import tarwriter
from carrack.storage.tarheader import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    HARDLINK,
    REGULAR,
    SYMLINK,
    permitted_xattr,
)
from carrack.storage.tarwriter import Write, header
from carrack.storage.walk import (
    Node,
    Take,
    Translate,
    open_held,
    open_regular,
    read_link,
    reopen,
    same_ids,
    walk,
    xattrs,
)

MODIFIED, ADDED, DELETED = 0, 1, 2
OPAQUE = "trusted.overlay.opaque"
#: how a file's name says that another is removed, and what it says of a whole directory
_MARK, _ALL = ".wh.", ".wh..opq"
_SECOND = 1_000_000_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Change:
    """One line of `docker diff`: kind 0 modified, 1 added, 2 deleted; path absolute in the container."""

    kind: int
    path: str


def changes(upper_fd: int, lower_view_fd: int) -> Iterator[Change]:
    """Compare the upper directory with a read-only view of all below it; parents first, names in byte order."""
    upper = lower = -1
    try:
        upper, lower = reopen(upper_fd), reopen(lower_view_fd)
        yield from _compare(upper, lower, "/", False)
    finally:
        for fd in (upper, lower):
            if fd >= 0:
                os.close(fd)


def pack_upper(upper_fd: int, write: Write, *, newest: int | None = None, take: Take | None = None) -> None:
    """Write the upper directory as a layer tar. The same tree gives the same bytes. `newest`: see Packer; `take`: who
    writes some of the files in his own way, see walk."""
    packer = Packer(write, whiteouts=True, newest=newest)
    packer.opaque_marker(upper_fd, b"")
    with closing(walk(upper_fd, take=take)) as nodes:
        for node in nodes:
            packer.add(node, node.path)
    tarwriter.finish(write)


def is_whiteout(entry: os.stat_result) -> bool:
    """Whether an upper directory's entry stands for a deleted name."""
    return stat.S_ISCHR(entry.st_mode) and entry.st_rdev == 0


class Packer:
    """Turns walked nodes into tar entries: hard links found again, sockets left out, times cut to seconds."""

    def __init__(
        self,
        write: Write,
        *,
        whiteouts: bool = False,
        newest: int | None = None,
        inside: Translate = same_ids,
    ) -> None:
        """`newest`: later modification times are written as this one (seconds); `inside`: as whom owners are."""
        self._write = write
        self._inside = inside
        self._newest = newest
        self._whiteouts = whiteouts
        self._links: dict[tuple[int, int], bytes] = {}

    def add(self, node: Node, path: bytes) -> None:
        """Write one node under the name `path` (a directory gets its slash here)."""
        mode = node.stat.st_mode
        if stat.S_ISREG(mode):
            self._file(node, path)
        elif stat.S_ISDIR(mode):
            self._put(
                node, path + b"/" if path[-1:] != b"/" else path, DIRECTORY, found=xattrs(node.fd, permitted_xattr)
            )
            self.opaque_marker(node.fd, path + b"/")
        elif stat.S_ISLNK(mode):
            target = read_link(node.parent_fd, node.name)
            if target is not None:
                self._put(node, path, SYMLINK, link=target)
        elif self._whiteouts and is_whiteout(node.stat):
            parent, _, name = path.rpartition(b"/")
            self._write(header((parent + b"/" if parent else b"") + b".wh." + name, REGULAR, 0o600))
        elif stat.S_ISFIFO(mode):
            self._put(node, path, FIFO)
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            self._put(node, path, CHARACTER if stat.S_ISCHR(mode) else BLOCK_DEVICE)

    def add_held(self, held: int, path: bytes) -> None:
        """Write a single thing that an O_PATH descriptor holds and that is no directory."""
        found = os.fstat(held)
        node = Node(path, b"", held, found, -1)
        if stat.S_ISREG(found.st_mode):
            fd = open_held(held)
            try:
                self._data(node, fd, path)
            finally:
                os.close(fd)
        else:
            self.add(node, path)

    def add_empty(self, path: bytes) -> None:
        """Write an empty file, as stands where something is mounted on a file."""
        self._write(header(path, REGULAR, 0o755))

    def opaque_marker(self, fd: int, prefix: bytes) -> None:
        """Say that the directory hides all below it, when it does."""
        if self._whiteouts and _is_opaque(fd):
            self._write(header(prefix + b".wh..wh..opq", REGULAR, 0o600))

    def _file(self, node: Node, path: bytes) -> None:
        key = (node.stat.st_dev, node.stat.st_ino)
        if node.stat.st_nlink > 1 and key in self._links:
            self._put(node, path, HARDLINK, link=self._links[key])
            return
        fd = open_regular(node.parent_fd, node.name)
        if fd is None:
            return
        try:
            self._data(node, fd, path)
        finally:
            os.close(fd)

    def _data(self, node: Node, fd: int, path: bytes) -> None:
        node.stat = os.fstat(fd)  # what is read is what is described, even if the name was given to another
        if node.stat.st_nlink > 1:
            self._links[node.stat.st_dev, node.stat.st_ino] = path
        size = node.stat.st_size
        self._put(node, path, REGULAR, size=size, found=xattrs(fd, permitted_xattr))
        tarwriter.write_file(self._write, fd, size)

    def _put(
        self,
        node: Node,
        path: bytes,
        kind: bytes,
        *,
        size: int = 0,
        link: bytes = b"",
        found: dict[bytes, bytes] | None = None,
    ) -> None:
        mtime = node.stat.st_mtime_ns // _SECOND
        if self._newest is not None:
            mtime = min(mtime, self._newest)
        uid, gid = self._inside(node.stat.st_uid, node.stat.st_gid)
        device = node.stat.st_rdev if kind in (CHARACTER, BLOCK_DEVICE) else 0
        self._write(
            header(
                path,
                kind,
                node.stat.st_mode,
                uid=uid,
                gid=gid,
                size=size,
                mtime=mtime,
                link=link,
                major=os.major(device),
                minor=os.minor(device),
                xattrs=found,
            )
        )


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, OPAQUE) == b"y"
    except OSError:
        return False


def _compare(upper_fd: int, lower_fd: int | None, prefix: str, all_new: bool) -> Iterator[Change]:
    """Changes inside one directory; `all_new`: its lower counterpart is hidden or absent."""
    present, removed = _names(upper_fd)
    hidden: set[str] = set()
    if lower_fd is not None and (removed or _is_opaque(upper_fd)):
        below = set(os.listdir(lower_fd))
        hidden = (below if _hides_all(upper_fd, removed) else below & removed) - present
    for name in sorted(present | hidden, key=os.fsencode):
        if name in hidden:
            yield Change(DELETED, prefix + name)
            continue
        new = _stat(name, upper_fd)
        if new is None:
            continue
        old = _stat(name, lower_fd) if lower_fd is not None and not all_new else None
        if is_whiteout(new):
            if old is not None:
                yield Change(DELETED, prefix + name)
        elif stat.S_ISDIR(new.st_mode):
            yield from _directory(name, upper_fd, lower_fd, prefix, new, old)
        elif old is None:
            yield Change(ADDED, prefix + name)
        elif _differs(new, old):
            yield Change(MODIFIED, prefix + name)


def _names(upper_fd: int) -> tuple[set[str], set[str]]:
    """What is in an upper directory, and the names that are removed by files."""
    names = set(os.listdir(upper_fd))
    marks = {name for name in names if name.startswith(_MARK)}
    return names - marks, {name[len(_MARK) :] for name in marks}


def _hides_all(upper_fd: int, removed: set[str]) -> bool:
    return _ALL in removed or _is_opaque(upper_fd)


def _directory(
    name: str, upper_fd: int, lower_fd: int | None, prefix: str, new: os.stat_result, old: os.stat_result | None
) -> Iterator[Change]:
    reported = old is None or _differs(new, old)
    if reported:
        yield Change(ADDED if old is None else MODIFIED, prefix + name)
    inner = _open(name, upper_fd)
    if inner is None:
        return
    below = _open(name, lower_fd) if lower_fd is not None and old is not None and stat.S_ISDIR(old.st_mode) else None
    try:
        for change in _compare(inner, below, f"{prefix}{name}/", below is None):
            if not reported:
                # A directory counts as changed when something in it did, as Docker has it.
                reported = True
                yield Change(MODIFIED, prefix + name)
            yield change
    finally:
        os.close(inner)
        if below is not None:
            os.close(below)


def _differs(new: os.stat_result, old: os.stat_result) -> bool:
    if (new.st_mode, new.st_uid, new.st_gid, new.st_rdev) != (old.st_mode, old.st_uid, old.st_gid, old.st_rdev):
        return True
    if stat.S_ISDIR(new.st_mode):
        return False
    return new.st_size != old.st_size or new.st_mtime_ns != old.st_mtime_ns


def _stat(name: str, fd: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _open(name: str, fd: int) -> int | None:
    try:
        return os.open(name, _DIRECTORY, dir_fd=fd)
    except OSError:
        return None
