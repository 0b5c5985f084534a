"""Files of the ``local`` driver and of the cache beside remote drivers. Their index is used: a span of time or a last
few lines are found without reading what is outside of them. The format is carrack.shim.logs.localformat's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from carrack.engine.containers.logs import Format, LogLine, LogQuery
from carrack.model import times
from carrack.shim.logs import localformat
from carrack.shim.logs.localformat import GOES_ON, MAGIC, MARK, PACKED_MAGIC, Block, Broken
from carrack.shim.logs.rotating import ORIGIN

SUFFIX = ".z"
_PIECE = 64 << 10

Record = tuple[int, int, bytes]


class LocalSource:
    """One file."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.packed = path.endswith(SUFFIX)
        self._position = 0
        self._end: int | None = None
        found = os.fstat(self._fd)
        self.inode, self._stamp = found.st_ino, found.st_mtime_ns
        if self.packed and len(head := os.pread(self._fd, ORIGIN.size, len(PACKED_MAGIC))) == ORIGIN.size:
            self.inode, self._stamp = ORIGIN.unpack(head)

    def stamp(self) -> int:
        return self._stamp if self.packed else os.fstat(self._fd).st_mtime_ns

    def entries(self, query: LogQuery) -> Iterator[tuple[int, LogLine | None]]:
        if not self._position:
            for block in self._blocks():
                self._position = block.end
                if block.within(query.since, query.until):
                    for record in self._records(block):
                        yield _weighed(record, query)
        if self.packed:
            return
        yield from self._grown(query)

    def backwards(self, query: LogQuery) -> Iterator[LogLine]:
        for block in reversed(self._blocks()):
            if not block.within(query.since, query.until):
                continue
            for record in reversed(self._records(block)):
                entry = _weighed(record, query)[1]
                if entry is not None:
                    yield entry

    def skip(self) -> None:
        self._end = self._position = max((block.end for block in self._blocks()), default=0)

    def rewind(self) -> bool:
        if self.packed or os.fstat(self._fd).st_size >= self._position:
            return False
        self._position, self._end = 0, None
        return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _blocks(self) -> list[Block]:
        size = os.fstat(self._fd).st_size if self._end is None else self._end
        read = partial(os.pread, self._fd)
        try:
            return localformat.packed_blocks(read, size) if self.packed else localformat.blocks(read, size)
        except Broken:
            return []

    def _records(self, block: Block) -> list[Record]:
        data = os.pread(self._fd, block.end - block.start, block.start)
        try:
            data = localformat.unpacked(data, block.size) if block.size else data
        except Broken:
            return []
        return [(kind, time, text) for kind, time, text, _ in localformat.records(data) if kind != MARK]

    def _grown(self, query: LogQuery) -> Iterator[tuple[int, LogLine | None]]:
        """What was written since; a record that is not whole yet waits."""
        self._position = max(self._position, len(MAGIC))
        while True:
            data = os.pread(self._fd, _PIECE, self._position)
            start = self._position
            for kind, time, text, end in localformat.records(data):
                self._position = start + end
                if kind != MARK:
                    yield _weighed((kind, time, text), query)
            if self._position == start:
                return


def _weighed(record: Record, query: LogQuery) -> tuple[int, LogLine | None]:
    """(its size, the entry if it is wanted)."""
    kind, time, text = record
    stream = kind & ~GOES_ON
    if not query.wants(stream, time):
        return len(text), None
    return len(text), LogLine(stream, times.rfc3339(time), text if kind & GOES_ON else text + b"\n")


FORMAT = Format(LocalSource, SUFFIX)
