"""Files between this machine and a tar stream: packing for the daemon, and unpacking what comes from a container.

What comes from a container is hostile: names are taken apart and every step is opened below the destination without
following links, so that nothing is written elsewhere. Owners are not restored, as with docker.
"""

import os
import stat
import tarfile

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 64 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def pack(path: str, name: str) -> "Iterator[bytes]":
    """A tar stream (PAX) of a file or tree, whose root is called ``name`` in it. Sockets are left out."""
    inodes: dict[tuple[int, int], str] = {}
    for source, inside in _walk(path, name):
        info, status = _header(source, inside), os.lstat(source)
        if info is None:
            continue
        if info.isreg() and status.st_nlink > 1:
            first = inodes.setdefault((status.st_dev, status.st_ino), inside)
            if first != inside:
                info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if info.isreg():
            yield from _content(source, info.size)
    yield bytes(1024)


def unpack(chunks: "Iterator[bytes]", directory: str, rename: "Callable[[str], str]") -> None:
    """Unpack a tar stream below an existing directory; ``rename`` gives each member's path there."""
    with tarfile.open(fileobj=_Reader(chunks), mode="r|") as archive:  # type: ignore[call-overload]
        late: list[tuple[list[str], tarfile.TarInfo]] = []
        places = _Places(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        try:
            for member in archive:
                parts = _parts(rename(member.name))
                _unpack_member(archive, member, places, parts, rename)
                if member.isdir():
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


class _Reader:
    """Chunks as the file that tarfile reads."""

    def __init__(self, chunks: "Iterator[bytes]") -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts, wanted = [], size
        while wanted:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    break
            part, self._rest = self._rest[:wanted], self._rest[wanted:]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)


def _walk(path: str, name: str) -> "Iterator[tuple[str, str]]":
    yield path, name
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for entry in sorted(os.listdir(path)):
            yield from _walk(os.path.join(path, entry), f"{name}/{entry}")


def _header(source: str, inside: str) -> tarfile.TarInfo | None:
    status = os.lstat(source)
    info = tarfile.TarInfo(inside)
    info.mode, info.uid, info.gid, info.mtime = (
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        int(status.st_mtime),
    )
    if stat.S_ISREG(status.st_mode):
        info.size = status.st_size
    elif stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(source)
    elif stat.S_ISFIFO(status.st_mode):
        info.type = tarfile.FIFOTYPE
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        info.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    else:
        return None
    return info


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


def _unpack_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, places: _Places, parts: list[str], rename: "Callable[[str], str]"
) -> None:
    if not parts:
        return
    parent, name = places.parent(parts), parts[-1]
    try:
        if member.isdir():
            _make_directory(parent, name)
            return
        if member.isreg():
            _write_file(archive, member, parent, name)
            return
        _make_way(parent, name)
        if member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
        elif member.islnk():
            _link(places, _parts(rename(member.linkname)), parent, name)
        elif member.isfifo():
            os.mkfifo(name, member.mode & 0o7777, dir_fd=parent)
        elif member.ischr() or member.isblk():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            os.mknod(name, kind | member.mode & 0o7777, os.makedev(member.devmajor, member.devminor), dir_fd=parent)
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


def _write_file(archive: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, 0o600, dir_fd=parent)
    except FileExistsError:
        _make_way(parent, name)
        fd = os.open(name, flags, 0o600, dir_fd=parent)
    try:
        source = archive.extractfile(member) if member.size else None
        while source is not None and (data := source.read(_CHUNK)):
            _write_all(fd, data)
        os.fchmod(fd, member.mode & 0o7777)
        os.utime(fd, (member.mtime, member.mtime))
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    """A nearly full disk takes a part of it first."""
    while (written := os.write(fd, data)) < len(data):
        data = data[written:]


def _finish_directory(places: _Places, parts: list[str], member: tarfile.TarInfo) -> None:
    """Modes and times of directories come last: what is unpacked into them would change them."""
    if not parts:
        return
    fd = os.open(parts[-1], _DIRECTORY, dir_fd=places.parent(parts))
    try:
        os.fchmod(fd, member.mode & 0o7777)
        os.utime(fd, (member.mtime, member.mtime))
    finally:
        os.close(fd)
