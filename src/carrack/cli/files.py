"""Files between this machine and a tar stream: packing for the daemon, and unpacking what comes from a container.

What comes from a container is hostile: names are taken apart and every step is opened below the destination without
following links, so that nothing is written elsewhere. Owners are not restored, as with docker.
"""

import os
import stat

from carrack.cli.tar_header import BLOCKS, CHARACTERS, END, FILE, FOLDER, LINK, PIPE, SYMLINK, header
from carrack.cli.tar_members import Member, members
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 64 * 1024
_KINDS = {
    stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: SYMLINK, stat.S_IFIFO: PIPE,
    stat.S_IFCHR: CHARACTERS, stat.S_IFBLK: BLOCKS,
}  # fmt: skip
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def pack(path: str, name: str) -> "Iterator[bytes]":
    """A tar stream (PAX) of a file or tree, whose root is called ``name`` in it. Sockets are left out."""
    inodes: dict[tuple[int, int], str] = {}
    for source, inside in _walk(path, name):
        status, first = os.lstat(source), ""
        regular = stat.S_ISREG(status.st_mode)
        if regular and status.st_nlink > 1:
            first = inodes.setdefault((status.st_dev, status.st_ino), inside)
            first = "" if first == inside else first
        if head := _header(source, inside, status, first):
            yield head
        if regular and not first:
            yield from _content(source, status.st_size)
    yield END


def unpack(chunks: "Iterator[bytes]", directory: str, rename: "Callable[[str], str]") -> None:
    """Unpack a tar stream below an existing directory; ``rename`` gives each member's path there."""
    late: list[tuple[list[str], Member]] = []
    places = _Places(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        for member in members(chunks):
            parts = _parts(rename(member.name))
            _unpack_member(member, places, parts, rename)
            if member.kind == FOLDER:
                late.append((parts, member))
        for parts, member in reversed(late):
            _finish_directory(places, parts, member)
    finally:
        places.close()


class _Places:
    """Directories below the one to unpack in, which is the object's own. The last one stays open: the next member is
    most likely to go there as well."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._parts: list[str] = []
        self._fd = root

    def parent(self, parts: list[str]) -> int:
        """The directory of a member, made where it is missing, reached without following links. Good until the next
        call."""
        if parts[:-1] != self._parts:
            self._leave()
            fd = _parent(self._root, parts)
            self._parts, self._fd = parts[:-1], fd
        return self._fd

    def close(self) -> None:
        self._leave()
        os.close(self._root)

    def _leave(self) -> None:
        fd, self._parts, self._fd = self._fd, [], self._root
        if fd != self._root:
            os.close(fd)


def _walk(path: str, name: str) -> "Iterator[tuple[str, str]]":
    yield path, name
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for entry in sorted(os.listdir(path)):
            yield from _walk(os.path.join(path, entry), f"{name}/{entry}")


def _header(source: str, inside: str, status: os.stat_result, first: str) -> bytes:
    """``first`` is where the same file has been put before; nothing for what an archive does not hold."""
    mode, kind = stat.S_IMODE(status.st_mode), _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return b""
    size = status.st_size if kind == FILE and not first else 0
    link = first or (os.readlink(source) if kind == SYMLINK else "")
    name = inside + "/" if kind == FOLDER else inside
    owner, device = (status.st_uid, status.st_gid), (os.major(status.st_rdev), os.minor(status.st_rdev))
    return header(name, LINK if first else kind, mode, size, int(status.st_mtime), link, owner, device)


def _content(source: str, size: int) -> "Iterator[bytes]":
    left = size
    with open(source, "rb") as file:
        while left and (data := file.read(min(left, _CHUNK))):
            left -= len(data)
            yield data
    yield bytes(left + -size % 512)  # a file that shrank meanwhile is filled up, to keep the stream whole


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or any("\0" in part for part in parts):
        raise InvalidArgument(f"refusing to unpack {name!r}: it points outside the destination")
    return parts


def _parent(root: int, parts: list[str]) -> int:
    """The directory of a member, made where it is missing, reached without following links."""
    current = os.dup(root)
    for part in parts[:-1]:
        try:
            try:
                below = os.open(part, _DIRECTORY, dir_fd=current)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=current)
                below = os.open(part, _DIRECTORY, dir_fd=current)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "/".join(parts)) from None
        finally:
            os.close(current)
        current = below
    return current


def _unpack_member(member: Member, places: _Places, parts: list[str], rename: "Callable[[str], str]") -> None:
    if not parts:
        return
    parent, name = places.parent(parts), parts[-1]
    try:
        if member.kind == FOLDER:
            _make_directory(parent, name)
            return
        if member.kind == FILE:
            _write_file(member, parent, name)
            return
        _make_way(parent, name)
        if member.kind == SYMLINK:
            os.symlink(member.link, name, dir_fd=parent)
        elif member.kind == LINK:
            _link(places, _parts(rename(member.link)), parent, name)
        elif member.kind == PIPE:
            os.mkfifo(name, member.mode, dir_fd=parent)
        elif member.kind in (CHARACTERS, BLOCKS):
            kind = stat.S_IFCHR if member.kind == CHARACTERS else stat.S_IFBLK
            os.mknod(name, kind | member.mode, os.makedev(member.major, member.minor), dir_fd=parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, "/".join(parts)) from None


def _make_directory(parent: int, name: str) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise


def _make_way(parent: int, name: str) -> None:
    """Remove what stands where a file is to go; a directory is not removed."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass


def _link(places: _Places, target: list[str], parent: int, name: str) -> None:
    if not target:
        raise InvalidArgument("refusing to unpack a hard link to the destination itself")
    own = os.dup(parent)  # which is closed when the target lies elsewhere
    try:
        directory = places.parent(target)
        os.link(target[-1], name, src_dir_fd=directory, dst_dir_fd=own, follow_symlinks=False)
    finally:
        os.close(own)


def _write_file(member: Member, parent: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, 0o600, dir_fd=parent)
    except FileExistsError:
        _make_way(parent, name)
        fd = os.open(name, flags, 0o600, dir_fd=parent)
    try:
        for data in member.data():
            _write_all(fd, data)
        os.fchmod(fd, member.mode)
        os.utime(fd, (member.mtime, member.mtime))
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    """A nearly full disk takes a part of it first."""
    while (written := os.write(fd, data)) < len(data):
        data = data[written:]


def _finish_directory(places: _Places, parts: list[str], member: Member) -> None:
    """Modes and times of directories come last: what is unpacked into them would change them."""
    if not parts:
        return
    fd = os.open(parts[-1], _DIRECTORY, dir_fd=places.parent(parts))
    try:
        os.fchmod(fd, member.mode)
        os.utime(fd, (member.mtime, member.mtime))
    finally:
        os.close(fd)
