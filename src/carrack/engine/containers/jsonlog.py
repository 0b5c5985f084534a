"""Files of the json-file driver: each line is one JSON object ``{"log", "stream", "attrs", "time"}``. Older ones may be
gzip files; these are unpacked into an unnamed file before they are read, as nothing in them can be found otherwise."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from carrack.engine.containers.logs import Format, LogLine, LogQuery
from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.shim.logs.rotating import GZIP_FIELD, GZIP_ORIGIN_AT, ORIGIN

SUFFIX = ".gz"
_GZIP = 31
BLOCK = 64 << 10


def parse(line: bytes) -> LogLine | None:
    """An entry of a log file's line; None for a torn or foreign one."""
    try:
        entry = json.loads(line)
        times.parse(entry["time"])
        attributes = entry.get("attrs")
        stream = 2 if entry["stream"] == "stderr" else 1
        text = entry["log"].encode(errors="replace")
        if attributes is None:
            return LogLine(stream, entry["time"], text)
        return LogLine(stream, entry["time"], text, {str(key): str(value) for key, value in attributes.items()})
    except (ValueError, KeyError, TypeError, AttributeError, InvalidArgument, RecursionError):
        return None


def _wanted(entry: LogLine, query: LogQuery) -> bool:
    if not query.since and not query.until:
        return query.stdout if entry.stream == 1 else query.stderr
    return query.wants(entry.stream, times.parse(entry.time))


class JsonSource:
    """One file."""

    def __init__(self, path: str) -> None:
        self._raw = open(path, "rb")
        self.packed = path.endswith(SUFFIX)
        self._plain: BinaryIO | None = None
        self._rest = b""
        self._end: int | None = None
        found = os.fstat(self._raw.fileno())
        self.inode, self._stamp = found.st_ino, found.st_mtime_ns
        if self.packed:
            head = os.pread(self._raw.fileno(), GZIP_ORIGIN_AT + ORIGIN.size, 0)
            if len(head) == GZIP_ORIGIN_AT + ORIGIN.size and head[:GZIP_ORIGIN_AT].endswith(GZIP_FIELD):
                self.inode, self._stamp = ORIGIN.unpack_from(head, GZIP_ORIGIN_AT)

    def stamp(self) -> int:
        return self._stamp if self.packed else os.fstat(self._raw.fileno()).st_mtime_ns

    @property
    def _file(self) -> BinaryIO:
        if not self.packed:
            return self._raw
        if self._plain is None:
            self._plain = _unpacked(self._raw)
        return self._plain

    def entries(self, query: LogQuery) -> Iterator[tuple[int, LogLine | None]]:
        while data := self._file.read(BLOCK):
            parts = (self._rest + data).split(b"\n")
            self._rest = parts.pop()
            for line in parts:
                entry = parse(line)
                yield len(line), entry if entry is not None and _wanted(entry, query) else None

    def backwards(self, query: LogQuery) -> Iterator[LogLine]:
        end = _end(self._file) if self._end is None else self._end
        for line in _backwards(self._file, end):
            entry = parse(line)
            if entry is not None and _wanted(entry, query):
                yield entry
        self._file.seek(end)

    def skip(self) -> None:
        self._end = _end(self._file)
        self._file.seek(self._end)
        self._rest = b""

    def rewind(self) -> bool:
        if self.packed or os.fstat(self._raw.fileno()).st_size >= self._raw.tell():
            return False
        self._raw.seek(0)
        self._rest = b""
        return True

    def close(self) -> None:
        self._raw.close()
        if self._plain is not None:
            self._plain.close()


def _unpacked(file: BinaryIO) -> BinaryIO:
    """What a gzip file holds, as far as it is whole."""
    plain = tempfile.TemporaryFile()
    decoder = zlib.decompressobj(_GZIP)
    try:
        while not decoder.eof and (data := decoder.unconsumed_tail or file.read(BLOCK)):
            plain.write(decoder.decompress(data, BLOCK))
    except zlib.error:
        pass
    plain.seek(0)
    return plain


def _end(file: BinaryIO) -> int:
    """The offset after a file's last complete line."""
    position = file.seek(0, os.SEEK_END)
    while position:
        start = max(0, position - BLOCK)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def _backwards(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The lines of a file up to ``end``, from the last to the first."""
    position, rest = end, b""
    while position:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        lines = (file.read(size) + rest).split(b"\n")
        rest = lines.pop(0)
        yield from reversed(lines)
    yield rest


FORMAT = Format(JsonSource, SUFFIX)
