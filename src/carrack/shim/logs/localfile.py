"""Writes the ``local`` driver's files: see localformat.py."""

from __future__ import annotations

import os
import time
from functools import partial

from carrack.shim.logs import localformat
from carrack.shim.logs.lines import Cutter
from carrack.shim.logs.localformat import BLOCK, GOES_ON, MAGIC, Block, Broken
from carrack.shim.logs.rotating import Rotating, origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from carrack.shim.logs.lines import Message

_STREAMS = {"stdout": localformat.STDOUT, "stderr": localformat.STDERR}


class LocalFile(Rotating):
    """The file, and what a mark has to say of its last block."""

    suffix = ".z"

    def __init__(self, directory_fd: int, name: str, max_size: int, max_files: int, compress: bool) -> None:
        self._cutter = Cutter()
        self._before: int | None = None
        self._block = Block(0, 0)
        super().__init__(directory_fd, name, max_size, max_files, _packed if compress else None)

    def write(self, stream: str, data: bytes) -> None:
        """Take a piece of the program's output, as LogFile does."""
        self.add(self._cutter.feed(_STREAMS[stream], time.time_ns(), data))

    def add(self, messages: list[Message]) -> None:
        """Take messages that were cut already."""
        entries: list[bytes] = []
        size = self._size
        for message in messages:
            if 0 < self._max_size <= size:
                self._put(b"".join(entries), len(entries))
                self._rotate()
                entries, size = [], self._size
            kind = message.stream if message.whole else message.stream | GOES_ON
            entries.append(localformat.pack(kind, message.time, message.line))
            size += len(entries[-1])
            self._count(message.time)
        self._put(b"".join(entries), len(entries))
        if self._size - self._block.start >= BLOCK:
            self._finish_block()

    def close(self) -> None:
        self.add(self._cutter.rest())
        self._close()

    def _count(self, when: int) -> None:
        block = self._block
        block.earliest = min(block.earliest, when) if block.count else when
        block.latest = max(block.latest, when) if block.count else when
        block.count += 1

    def _finish_block(self) -> None:
        at = self._size
        self._put(localformat.mark(self._before, self._block), 0)
        if self._size == at + localformat.MARK_SIZE:
            self._before, self._block = at, Block(self._size, self._size)

    def _reopen(self, flags: int) -> None:
        """Go on behind the last whole record of a file that is there."""
        super()._reopen(flags)
        self._before, self._block = None, Block(len(MAGIC), len(MAGIC))
        if self._size:
            self._resume()
        if not self._size:
            self._put(MAGIC, 0)

    def _resume(self) -> None:
        fd = os.open(self._name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._directory)
        try:
            read = partial(os.pread, fd)
            found = localformat.blocks(read, self._size)
            last = found[-1]
            known = localformat.measured(read(last.end - last.start, last.start))
        except Broken:
            self._size = 0
            os.ftruncate(self._fd, 0)
            return
        finally:
            os.close(fd)
        if last.end < self._size:  # torn when its writer was killed
            os.ftruncate(self._fd, last.end)
            self._size = last.end
        self._before = found[-2].end if len(found) > 1 else None
        self._block = Block(last.start, last.end, known.count, known.earliest, known.latest)


def _packed(fd: int, size: int) -> Iterator[bytes]:
    return localformat.packed(partial(os.pread, fd), size, origin(fd))
