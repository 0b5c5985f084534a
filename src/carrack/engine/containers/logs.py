"""Reads a container's json-file log: the last lines, those of a span of time, and what comes while it runs.

A log is a chain of files, ``<id>-json.log.2``, ``.1`` and the current one, oldest first; each line is one JSON object
``{"log", "stream", "time"}``. A torn last line (the writer was killed) is passed over.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

from carrack.engine.containers.watch import Watch
from carrack.errors import InvalidArgument
from carrack.model import times

BLOCK = 64 << 10
_LINES = 256
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What to show; times in nanoseconds (0: no bound), ``tail`` None for everything."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int | None = None
    follow: bool = False


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry: stream 1 or 2, when it was written (text, as recorded), and its bytes."""

    stream: int
    time: str
    text: bytes


def parse(line: bytes) -> LogLine | None:
    """An entry of a log file's line; None for a torn or foreign one."""
    try:
        entry = json.loads(line)
        times.parse(entry["time"])
        return LogLine(2 if entry["stream"] == "stderr" else 1, entry["time"], entry["log"].encode(errors="replace"))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidArgument, RecursionError):
        return None


def _open_files(path: str) -> list[BinaryIO]:
    """The log's files, oldest first, the current one last; none twice, though they be renamed meanwhile."""
    found: list[BinaryIO] = []
    seen: set[int] = set()
    for number in itertools.count():
        try:
            file = open(f"{path}.{number}" if number else path, "rb")
        except FileNotFoundError:
            if number:
                return found[::-1]
            continue
        inode = os.fstat(file.fileno()).st_ino
        if inode in seen:
            file.close()
            continue
        seen.add(inode)
        found.append(file)
    raise AssertionError("unreachable")


def _wanted(entry: LogLine, query: LogQuery) -> bool:
    if not (query.stdout if entry.stream == 1 else query.stderr):
        return False
    if not query.since and not query.until:
        return True
    when = times.parse(entry.time)
    return when >= query.since and not (query.until and when > query.until)


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


def last(files: Sequence[BinaryIO], end: int, query: LogQuery) -> list[LogLine]:
    """The last ``query.tail`` wanted entries, in order, up to ``end`` in the last file (blocking)."""
    found: list[LogLine] = []
    assert query.tail is not None
    for file in reversed(files):
        for line in _backwards(file, end if file is files[-1] else _end(file)):
            if len(found) >= query.tail:
                return found[::-1]
            entry = parse(line)
            if entry is not None and _wanted(entry, query):
                found.append(entry)
    return found[::-1]


class _Reader:
    """Complete lines of a growing file; what has no line end yet waits."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._rest = b""

    def lines(self) -> Iterator[bytes]:
        while data := self.file.read(BLOCK):
            parts = (self._rest + data).split(b"\n")
            self._rest = parts.pop()
            yield from parts


async def read(path: str, query: LogQuery, ended: asyncio.Future[Any]) -> AsyncGenerator[list[LogLine], None]:
    """Batches of wanted entries; with ``follow`` until ``ended`` is done and the file is read to its end."""
    if not os.path.exists(path):  # never started, or somebody deleted it
        return
    with ExitStack() as held:
        watch = held.enter_context(Watch(os.path.dirname(path))) if query.follow else None
        files = [held.enter_context(file) for file in _open_files(path)]
        if not files:
            return
        position = 0
        if query.tail is not None:
            position = _end(files[-1])
            if batch := await asyncio.to_thread(last, files, position, query):
                yield batch
            if not query.follow:
                return
        else:
            for old in files[:-1]:
                async for batch in _paced(_Reader(old), query):
                    yield batch
        files[-1].seek(position)
        async for batch in _follow(path, files[-1], query, ended, watch):
            yield batch


async def _follow(
    path: str, file: BinaryIO, query: LogQuery, ended: asyncio.Future[Any], watch: Watch | None
) -> AsyncGenerator[list[LogLine], None]:
    with ExitStack() as held:
        reader = _Reader(file)
        while True:
            # In this order: what is over or rotated away before it is read is read to its end.
            over = ended.done()
            newer = _newer(path, reader.file, held) if watch is not None else None
            async for batch in _paced(reader, query):
                yield batch
            if newer is not None:
                reader.file.close()
                reader = _Reader(newer)
                continue
            if watch is None or over or (query.until and times.now() > query.until):
                return
            if os.fstat(reader.file.fileno()).st_size < reader.file.tell():  # begun anew: a log of one file
                reader.file.seek(0)
                reader = _Reader(reader.file)
                continue
            await watch.changed(ended, timeout=_until_timeout(query))


def _newer(path: str, file: BinaryIO, held: ExitStack) -> BinaryIO | None:
    """The file that was begun after ``file``, if the log was rotated; it is closed with ``held``."""
    own = os.fstat(file.fileno()).st_ino
    try:
        if os.stat(path).st_ino == own:
            return None
    except FileNotFoundError:
        return None  # in the middle of it
    files = _open_files(path)
    inodes = [os.fstat(other.fileno()).st_ino for other in files]
    after = inodes.index(own) + 1 if own in inodes else 0
    for other in files[:after] + files[after + 1 :]:
        other.close()
    return held.enter_context(files[after]) if after < len(files) else None


def _until_timeout(query: LogQuery) -> float | None:
    return max(0.05, (query.until - times.now()) / 1e9) if query.until else None


async def _paced(reader: _Reader, query: LogQuery) -> AsyncGenerator[list[LogLine], None]:
    """The batches that are there now. One follower at a time works on one, and then all else has its turn: hundreds
    of them with long logs must not keep the loop from everybody's requests."""
    batches = _batches(reader, query)
    while True:
        async with _turn():
            batch = next(batches, None)
            await asyncio.sleep(0)
        if batch is None:
            return
        if batch:
            yield batch


def _turn() -> asyncio.Lock:
    return _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def _batches(reader: _Reader, query: LogQuery) -> Iterator[list[LogLine]]:
    """Wanted entries, perhaps none, of each piece of so many lines or bytes."""
    batch: list[LogLine] = []
    lines = size = 0
    for line in reader.lines():
        lines, size = lines + 1, size + len(line)
        entry = parse(line)
        if entry is not None and _wanted(entry, query):
            batch.append(entry)
        if lines >= _LINES or size >= BLOCK:
            yield batch
            batch, lines, size = [], 0, 0
    yield batch
