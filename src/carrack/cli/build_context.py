"""A folder as the context of a build: what ``.dockerignore`` leaves in, as a tar stream.

Owners are not sent (files in a context are root's), nor sockets. Headers are made by hand: tarfile takes ten times as
long for each of what may be many thousand files.
"""

import _stat as stat
import posix

from carrack.cli.tar_header import END, FILE, FOLDER, LINK, PIPE, SYMLINK, header
from carrack.client import paths
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from carrack.dockerfile.ignore import Ignored

#: with what the addresses of contexts begin that lie elsewhere
REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")
_BLOCK = 512
_CHUNK = 256 * 1024
_FULL = 1 << 20


def ignored(context: str, dockerfile: str) -> "Ignored | None":
    """What of a context is not sent: as ``<dockerfile>.dockerignore`` says, else ``.dockerignore``; never these files
    and the Dockerfile, which the daemon reads. Where there is neither, nothing is left out."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        path = paths.join(context, name)
        if paths.is_file(path):
            from carrack.dockerfile.ignore import Ignored, parse

            with open(path, "rb") as file:
                patterns = parse(file.read())
            return Ignored([*patterns, f"!{dockerfile}", f"!{name}"])
    return None


def named_ignored(context: str) -> "Ignored | None":
    """What a named context's own ``.dockerignore`` leaves out of it."""
    path = paths.join(context, ".dockerignore")
    if not paths.is_file(path):
        return None
    from carrack.dockerfile.ignore import Ignored, parse

    with open(path, "rb") as file:
        return Ignored(parse(file.read()))


def pack(context: str, left_out: "Ignored | None") -> "Iterator[bytes]":
    """The tar stream, in pieces of some size."""
    out = bytearray()
    inodes: dict[tuple[int, int], str] = {}
    for path, name, status in walk(context, "", left_out):
        key = (status.st_dev, status.st_ino)
        regular = stat.S_ISREG(status.st_mode)
        first = inodes.get(key) if regular and status.st_nlink > 1 else None
        if first is not None:
            out += _header(name, LINK, status, 0, first)
            continue
        if regular and status.st_nlink > 1:
            inodes[key] = name
        if not regular:
            out += _other(path, name, status)
        else:
            out += _header(name, FILE, status, status.st_size)
            for piece in _content(path, status.st_size):
                out += piece
                if len(out) >= _FULL:
                    yield bytes(out)
                    out.clear()
        if len(out) >= _FULL:
            yield bytes(out)
            out.clear()
    yield bytes(out) + END


def pack_files(files: "Iterable[tuple[str, str]]") -> "Iterator[bytes]":
    """The tar stream of regular files alone, by path and name in the context, as they are now."""
    out = bytearray()
    for path, name in files:
        try:
            status = posix.lstat(path)
        except OSError as error:
            raise InvalidArgument(f"error checking context: can't read {path!r}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArgument(f"error checking context: {path!r} changed while it was being sent")
        out += _header(name, FILE, status, status.st_size)
        for piece in _content(path, status.st_size):
            out += piece
            if len(out) >= _FULL:
                yield bytes(out)
                out.clear()
    yield bytes(out) + END


def walk(top: str, inside: str, left_out: "Ignored | None") -> "Iterator[tuple[str, str, os.stat_result]]":
    """All below ``inside`` that is not left out: its path, its name in the context, and its status; in byte order
    folder by folder, parents first."""
    with posix.scandir(paths.join(top, inside) if inside else top) as entries:
        found = sorted(entries, key=lambda entry: paths.encoded(entry.name))
    for entry in found:
        name = f"{inside}/{entry.name}" if inside else entry.name
        folder = entry.is_dir(follow_symlinks=False)
        if left_out:
            if folder and left_out.whole(name):
                continue
            if name not in left_out:
                yield entry.path, name, entry.stat(follow_symlinks=False)
        else:
            yield entry.path, name, entry.stat(follow_symlinks=False)
        if folder:
            yield from walk(top, name, left_out)


def _other(path: str, name: str, status: "os.stat_result") -> bytes:
    if stat.S_ISDIR(status.st_mode):
        return _header(name + "/", FOLDER, status, 0)
    if stat.S_ISLNK(status.st_mode):
        return _header(name, SYMLINK, status, 0, posix.readlink(path))
    if stat.S_ISFIFO(status.st_mode):
        return _header(name, PIPE, status, 0)
    return b""  # sockets are nothing without their program, and devices are nobody's to give


def _header(name: str, kind: bytes, status: "os.stat_result", size: int, link: str = "") -> bytes:
    return header(name, kind, status.st_mode & 0o7777, size, max(0, int(status.st_mtime)), link)


def _content(path: str, size: int) -> "Iterator[bytes]":
    """Exactly ``size`` bytes of a file and their padding: zeros for what it has lost meanwhile."""
    left = size
    try:
        with open(path, "rb", buffering=0) as file:
            while left and (piece := file.read(min(left, _CHUNK))):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise InvalidArgument(f"error checking context: can't read {path!r}: {error.strerror}") from error
    yield bytes(left)
    yield bytes(-size % _BLOCK)
