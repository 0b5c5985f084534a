"""A log file that is begun anew when it is large enough: ``name`` → ``name.1`` → ``name.2`` …, the older ones perhaps
compressed. A full disk loses entries, never the container.

Compression is the work of a forked child, since whoever writes here has one thread and a program behind it that waits.
The next rotation waits for the child of the last.
"""

from __future__ import annotations

import os
import select
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Packer = Callable[[int, int], Iterator[bytes]]
    """(descriptor, size) → the compressed form of an open file"""

FILE_MODE = 0o640
_PATIENCE_MS = 120_000
_MOST_DESCRIPTORS = 1 << 20
ORIGIN = struct.Struct("<Qq")
#: of an extra field: its two letters and its length
GZIP_FIELD = struct.pack("<2sH", b"CK", ORIGIN.size)
#: deflate, with an extra field, at no time, fastest, on an unknown system
_GZIP_HEAD = b"\x1f\x8b\x08\x04\0\0\0\0\x04\xff"
GZIP_ORIGIN_AT = len(_GZIP_HEAD) + 2 + len(GZIP_FIELD)


class Rotating:
    """Appends to ``name`` in a directory held by descriptor."""

    #: of the compressed files
    suffix = ".gz"

    #: writing a file never waits for anybody
    blocked = False

    def __init__(self, directory_fd: int, name: str, max_size: int, max_files: int, packer: Packer | None) -> None:
        """max_size in bytes, 0 for no limit; raises OSError when the file cannot be opened."""
        self._directory = directory_fd
        self._name = name
        self._max_size = max_size
        self._max_files = max_files
        self._packer = packer
        self._child = -1
        self.lost = 0
        self._fd = -1
        self._size = 0
        self._reopen(0)

    def _append(self, entries: list[bytes]) -> None:
        """Write whole entries; a new file is begun before one that finds the file full."""
        data = b"".join(entries)
        if self._max_size <= 0 or self._size + len(data) < self._max_size:
            self._put(data, len(entries))
            return
        batch: list[bytes] = []
        size = self._size
        for entry in entries:
            if size >= self._max_size:
                self._put(b"".join(batch), len(batch))
                self._rotate()
                batch, size = [], self._size
            batch.append(entry)
            size += len(entry)
        self._put(b"".join(batch), len(batch))

    def _put(self, data: bytes, entries: int) -> None:
        if not data:
            return
        try:
            if self._fd < 0:  # an earlier rotation failed half-way
                self._reopen(0)
            written = os.write(self._fd, data)
            if written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:  # no space, or the disk is gone: keep whole entries only
            self.lost += entries
            self._cut()
            return
        self._size += written

    def _rotate(self) -> None:
        """Docker's order: the oldest is overwritten; with one file only, it starts anew."""
        self._await_child()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        try:
            for number in range(self._max_files - 1, 0, -1):
                self._rename(number)
            self._reopen(os.O_TRUNC)
        except OSError:  # tried again with the next entry
            return
        if self._packer is not None and self._max_files > 1:
            self._pack()

    def _rename(self, number: int) -> None:
        """Make the file that is ``number - 1`` steps old one step older, whichever of the two forms it has."""
        for suffix in ("", self.suffix):
            newer = self._name if number == 1 else f"{self._name}.{number - 1}{suffix}"
            if number == 1 and suffix:
                return
            older = f"{self._name}.{number}{suffix}"
            try:
                os.rename(newer, older, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            except FileNotFoundError:
                continue
            self._unlink(f"{self._name}.{number}{'' if suffix else self.suffix}")

    def _pack(self) -> None:
        try:
            pid = os.fork()
        except OSError:  # then it stays as it is
            return
        if pid == 0:
            try:
                # a copy of a socket or pipe would keep its other end from seeing an end
                os.closerange(0, self._directory)
                os.closerange(self._directory + 1, _MOST_DESCRIPTORS)
                self._compress(f"{self._name}.1")
            finally:
                os._exit(0)
        try:
            self._child = os.pidfd_open(pid)
        except OSError:
            self._child = -1

    def _compress(self, name: str) -> None:
        """In the child: beside the file first, then in its place."""
        assert self._packer is not None
        temporary = f"{name}.tmp"
        source = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        target = os.open(temporary, flags, FILE_MODE, dir_fd=self._directory)
        try:
            for piece in self._packer(source, os.fstat(source).st_size):
                while piece:
                    piece = piece[os.write(target, piece) :]
            times = os.fstat(source)
            os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
        except BaseException:
            self._unlink(temporary)
            raise
        os.rename(temporary, name + self.suffix, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        self._unlink(name)

    def _await_child(self) -> None:
        if self._child >= 0:
            poll = select.poll()
            poll.register(self._child, select.POLLIN)
            poll.poll(_PATIENCE_MS)
            try:
                os.waitid(os.P_PIDFD, self._child, os.WEXITED | os.WNOHANG)
            except ChildProcessError:  # somebody else has collected it
                pass
            os.close(self._child)
            self._child = -1

    def _reopen(self, flags: int) -> None:
        self._fd = self._open(os.O_APPEND | flags)
        self._size = os.fstat(self._fd).st_size

    def _cut(self) -> None:
        """Take back the part of an entry that found room."""
        try:
            if self._fd >= 0:
                os.ftruncate(self._fd, self._size)
        except OSError:
            pass

    def _open(self, flags: int) -> int:
        flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._name, flags, FILE_MODE, dir_fd=self._directory)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._child >= 0:
            os.close(self._child)
            self._child = -1

    def _unlink(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._directory)
        except OSError:
            pass


def origin(fd: int) -> bytes:
    """What a compressed file says of the one it was made of, so that who follows a log knows it again: its inode, and
    when it was written last (inodes are used again)."""
    found = os.fstat(fd)
    return ORIGIN.pack(found.st_ino, found.st_mtime_ns)


def gzipped(fd: int, size: int) -> Iterator[bytes]:
    """An open file in the gzip format (RFC 1952), with its origin in the extra field."""
    extra = GZIP_FIELD + origin(fd)
    yield _GZIP_HEAD + struct.pack("<H", len(extra)) + extra
    coder, check = zlib.compressobj(1, wbits=-15), 0
    for at in range(0, size, 1 << 16):
        data = os.pread(fd, min(1 << 16, size - at), at)
        check = zlib.crc32(data, check)
        yield coder.compress(data)
    yield coder.flush() + struct.pack("<II", check, size & 0xFFFFFFFF)
