"""Writing tar archives: headers by hand, several times faster than `tarfile`, and the same bytes for the same input.

ustar headers; a PAX header goes before one only for what ustar cannot hold: long or non-ASCII names, large ids and
sizes, times before 1970, extended attributes. Owners are numbers only. Format: POSIX.1-2017, pax.
"""

import os
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache

from carrack.storage.tarheader import BLOCK, DIRECTORY, REGULAR

Write = Callable[[bytes | memoryview], object]

#: bytes of a file that is read at once
SMALL = 1 << 16
_CHUNK = 1 << 18  # one for each client that reads slowly, or not at all
_ID_LIMIT = 8**7
_SIZE_LIMIT = 8**11
_END = bytes(2 * BLOCK)


def header(
    path: bytes,
    kind: bytes,
    mode: int,
    *,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    link: bytes = b"",
    major: int = 0,
    minor: int = 0,
    xattrs: Mapping[bytes, bytes] | None = None,
) -> bytes:
    """The block, or blocks, that go before an entry's data. `kind` is one of tarheader's constants; `mtime` seconds."""
    records: list[tuple[bytes, bytes]] = []
    prefix, name = _split(path, records)
    short_link = link
    if len(link) > 100 or _wants_utf8(link):
        records.append((b"linkpath", link))
        short_link = link[:100]
    for key, value, limit in ((b"uid", uid, _ID_LIMIT), (b"gid", gid, _ID_LIMIT), (b"size", size, _SIZE_LIMIT)):
        if value >= limit:
            records.append((key, b"%d" % value))
    if not 0 <= mtime < _SIZE_LIMIT:
        records.append((b"mtime", b"%d" % mtime))
    for key in sorted(xattrs or ()):
        records.append((b"SCHILY.xattr." + key, xattrs[key]))  # type: ignore[index]
    fixed = (
        _owned(mode & 0o7777, uid if uid < _ID_LIMIT else 0, gid if gid < _ID_LIMIT else 0)
        + _field(size if size < _SIZE_LIMIT else 0, 12)
        + _field(mtime if 0 <= mtime < _SIZE_LIMIT else 0, 12)
    )
    block = _block(name, fixed, kind, short_link, major, minor, prefix)
    return _pax(path, records) + block if records else block


def small_file(path: bytes, mode: int, uid: int, gid: int, data: bytes, mtime: int) -> bytes:
    """A regular file without links and attributes, whole: the same bytes as by ``header``, with less work for most."""
    size = len(data)
    if len(path) > 100 or not path.isascii() or uid >= _ID_LIMIT or gid >= _ID_LIMIT or not 0 <= mtime < _SIZE_LIMIT:
        head = header(path, REGULAR, mode, uid=uid, gid=gid, size=size, mtime=mtime)
        return head + data + padding(size)
    fixed, rest = _fixed(mode & 0o7777, uid, gid, size, mtime)
    checksum = (zlib.adler32(path) & 0xFFFF) + rest
    return b"".join((path.ljust(100, b"\0"), fixed, b"%06o\0 " % checksum, _PLAIN_END, data, _END[: -size % BLOCK]))


def padding(size: int) -> bytes:
    """The zeros after `size` bytes of data."""
    return bytes(-size % BLOCK)


def write_file(write: Write, fd: int, size: int) -> None:
    """Write exactly `size` bytes of `fd` and their padding: zeros stand in when it has shrunk, growth is left out."""
    left = size
    if 0 < size <= SMALL:  # by far most
        data = os.read(fd, size)
        if len(data) == size:
            write(data + padding(size))
            return
        write(data)
        left -= len(data)
    buffer = memoryview(bytearray(min(_CHUNK, left)))
    while left:
        count = os.readv(fd, [buffer[: min(left, _CHUNK)]])
        if not count:
            _zeros(write, left)
            break
        write(buffer[:count])
        left -= count
    if size % BLOCK:
        write(padding(size))


def write_bytes(write: Write, path: bytes, data: bytes, *, mode: int = 0o644, mtime: int = 0) -> None:
    """A whole regular file from memory, owned by root."""
    write(header(path, REGULAR, mode, size=len(data), mtime=mtime) + data + padding(len(data)))


def write_directory(write: Write, path: bytes, *, mode: int = 0o755, mtime: int = 0) -> None:
    """A directory owned by root; `path` ends with a slash."""
    write(header(path, DIRECTORY, mode, mtime=mtime))


def finish(write: Write) -> None:
    """The two zero blocks that end an archive."""
    write(_END)


def _zeros(write: Write, count: int) -> None:
    blank = bytes(min(count, _CHUNK))
    while count:
        step = min(count, len(blank))
        write(memoryview(blank)[:step])
        count -= step


class Batch:
    """Puts small writes together for a ``write`` that is dear: of a layer's many small files, each is three. ``flush``
    at the end."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._held = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """More bytes; they are the caller's again afterwards."""
        if len(data) >= _CHUNK:
            self.flush()
            self._write(data)
            return
        self._held += data
        if len(self._held) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._write(memoryview(held))


@lru_cache(4096)  # a layer's files have their owners, modes, times and often sizes from few
def _field(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def _wants_utf8(name: bytes) -> bool:
    """Whether a reader needs to be told that a name is UTF-8; bytes that are not even that stay as they are."""
    if name.isascii():
        return False
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _split(path: bytes, records: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    if _wants_utf8(path):
        records.append((b"path", path))
        return b"", path[:100]
    if len(path) <= 100:
        return b"", path
    slash = path.rfind(b"/", 0, min(156, len(path) - 1))
    if slash > 0 and len(path) - slash - 1 <= 100:
        return path[:slash], path[slash + 1 :]
    records.append((b"path", path))
    return b"", path[:100]


def _pax(path: bytes, records: list[tuple[bytes, bytes]]) -> bytes:
    payload = b"".join(_record(key, value) for key, value in records)
    name = (b"PaxHeaders.0/" + path.rstrip(b"/").rpartition(b"/")[2])[:100]
    fixed = _field(0o644, 8) + _field(0, 8) + _field(0, 8) + _field(len(payload), 12) + _field(0, 12)
    return _block(name, fixed, b"x", b"", 0, 0, b"") + payload + padding(len(payload))


def _record(key: bytes, value: bytes) -> bytes:
    """One PAX record, whose length counts its own figures."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _block(name: bytes, fixed: bytes, kind: bytes, link: bytes, major: int, minor: int, prefix: bytes) -> bytes:
    begin = name.ljust(100, b"\0") + fixed
    end, sum_of_end = _tail(kind, link, major, minor, prefix)
    return begin + b"%06o\0 " % (_sum(begin) + sum_of_end) + end


@lru_cache(1024)
def _owned(mode: int, uid: int, gid: int) -> bytes:
    """The three fields after the name."""
    return _field(mode, 8) + _field(uid, 8) + _field(gid, 8)


@lru_cache(64)
def _tail(kind: bytes, link: bytes, major: int, minor: int, prefix: bytes) -> tuple[bytes, int]:
    """What follows the checksum, and what it adds to it; the checksum itself counts as eight spaces."""
    devices = _field(major, 8) + _field(minor, 8)
    end = kind + link.ljust(100, b"\0") + b"ustar\x0000" + bytes(64) + devices + prefix.ljust(167, b"\0")
    return end, _sum(end[:200]) + _sum(end[200:]) + 8 * 0x20


@lru_cache(4096)
def _fixed(mode: int, uid: int, gid: int, size: int, mtime: int) -> tuple[bytes, int]:
    """What a small file has between its name and the checksum, and what all but the name's Adler-32 adds to that."""
    fields = _owned(mode, uid, gid) + _field(size, 12) + _field(mtime, 12)
    return fields, _sum(fields) + _PLAIN_SUM - 1


def _sum(part: bytes) -> int:
    """The sum of at most 256 bytes: the low half of an Adler-32 is 1 + that, modulo 65521 (RFC 1950)."""
    return (zlib.adler32(part) & 0xFFFF) - 1


_PLAIN_END, _PLAIN_SUM = _tail(REGULAR, b"", 0, 0, b"")
