"""Files that trees have their bytes in: each is written once, by one, and read by all trees that hold it.

A tree that came of another one has that one's segments and a new one for what is new. Places count on from segment to
segment, so that a place says of one file of one tree where it lies.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

_PIECE = 1 << 18
_AHEAD = 1 << 17
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Segment:
    """One file in ``folder``, which is there as soon as more is written than ``held`` bytes; these stay in memory.
    ``base``: the place of its first byte; ``size``: bytes so far."""

    def __init__(self, folder: Path, base: int, held: int = 0) -> None:
        self.path = folder / secrets.token_hex(16)
        self.base = base
        self.size = 0
        self._most = held
        self._held = bytearray()
        self._fd = -1
        self._ahead = (0, b"")  # what was read around the last small file; files are asked for in their order
        self._holders = 1
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """The place behind its last byte."""
        return self.base + self.size

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append all of it. OSError (ENOSPC) carries the path."""
        if self._fd < 0 and self.size + len(data) <= self._most:
            self._held += data
            self.size += len(data)
            return
        if self._fd < 0:
            self._fd = os.open(self.path, _NEW, 0o600)
            data, self._held, self.size = bytes(self._held) + bytes(data), bytearray(), 0
        view = memoryview(data)
        try:
            while view:
                count = os.write(self._fd, view)
                self.size += count
                view = view[count:]
        except OSError as error:
            error.filename = str(self.path)
            raise

    def read(self, place: int, size: int) -> Iterator[bytes]:
        """The bytes from a place on, in pieces. OSError when they are not there."""
        at, end = place - self.base, place - self.base + size
        if self._fd < 0:
            yield bytes(self._held[at:end])
            return
        if size < _AHEAD:
            yield self._small(at, size)
            return
        while at < end:
            piece = os.pread(self._fd, min(_PIECE, end - at), at)
            if not piece:
                raise OSError(0, "a kept build context was cut short", str(self.path))
            at += len(piece)
            yield piece

    def _small(self, at: int, size: int) -> bytes:
        begin, data = self._ahead
        if not begin <= at <= at + size <= begin + len(data):
            begin, data = self._ahead = at, os.pread(self._fd, _AHEAD, at)
            if len(data) < size:
                raise OSError(0, "a kept build context was cut short", str(self.path))
        return data[at - begin : at - begin + size]

    def hold(self) -> Segment:
        """Keep it for one more tree."""
        with self._lock:
            self._holders += 1
        return self

    def release(self) -> None:
        """One tree less; with the last one the file goes."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last and self._fd >= 0:
            os.close(self._fd)
            self.path.unlink(missing_ok=True)
