"""Reads a container's json-file log: the last lines, those of a span of time, and what comes while it runs.

A log is a chain of files, ``<id>-json.log.2``, ``.1`` and the current one, oldest first; each line is one JSON object
``{"log", "stream", "time"}``. A torn last line (the writer was killed) is passed over.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from carrack.engine.containers.watch import Watch
from carrack.model import times

BLOCK = 64 << 10


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
        return LogLine(
            2 if entry["stream"] == "stderr" else 1, entry["time"], entry["log"].encode("utf-8", "surrogatepass")
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _files(path: str) -> list[str]:
    """The log's files that exist, oldest first."""
    rotated = []
    number = 1
    while os.path.exists(f"{path}.{number}"):
        rotated.append(f"{path}.{number}")
        number += 1
    return [*reversed(rotated), *([path] if os.path.exists(path) else [])]


def _wanted(entry: LogLine, query: LogQuery) -> bool:
    if not (query.stdout if entry.stream == 1 else query.stderr):
        return False
    if not query.since and not query.until:
        return True
    when = times.parse(entry.time)
    return when >= query.since and not (query.until and when > query.until)


def _backwards(path: str) -> Iterator[bytes]:
    """The complete lines of a file from the last to the first."""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        rest = b""
        first = True
        while position:
            size = min(BLOCK, position)
            position -= size
            file.seek(position)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines.pop(0)
            if first:
                lines = lines[:-1] if lines else lines
                first = False
            yield from reversed(lines)
        if rest and not first:
            yield rest


def last(path: str, query: LogQuery) -> list[LogLine]:
    """The last ``query.tail`` wanted entries, in order (blocking)."""
    found: list[LogLine] = []
    assert query.tail is not None
    for file in reversed(_files(path)):
        for line in _backwards(file):
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
    with Watch(os.path.dirname(path)) as watch:
        if query.tail is not None:
            position = os.stat(path).st_size if os.path.exists(path) else 0
            if batch := await asyncio.to_thread(last, path, query):
                yield batch
            async for batch in _follow(path, position, query, ended, watch):
                yield batch
            return
        for file in _files(path)[:-1]:
            with open(file, "rb") as old:
                for batch in _batches(_Reader(old), query):
                    yield batch
                    await asyncio.sleep(0)
        async for batch in _follow(path, 0, query, ended, watch, now=True):
            yield batch


async def _follow(
    path: str, position: int, query: LogQuery, ended: asyncio.Future[Any], watch: Watch, now: bool = False
) -> AsyncGenerator[list[LogLine], None]:
    if not (query.follow or now) or not os.path.exists(path):
        return
    file = open(path, "rb")
    try:
        file.seek(position)
        reader = _Reader(file)
        while True:
            over = ended.done()
            for batch in _batches(reader, query):
                yield batch
                await asyncio.sleep(0)
            if not query.follow or over or (query.until and times.now() > query.until):
                return
            if os.stat(path).st_ino != os.fstat(file.fileno()).st_ino:
                file.close()
                file = open(path, "rb")
                reader = _Reader(file)
                continue
            await watch.changed(ended, timeout=_until_timeout(query))
    finally:
        file.close()


def _until_timeout(query: LogQuery) -> float | None:
    return max(0.05, (query.until - times.now()) / 1e9) if query.until else None


def _batches(reader: _Reader, query: LogQuery) -> Iterator[list[LogLine]]:
    batch: list[LogLine] = []
    for line in reader.lines():
        entry = parse(line)
        if entry is not None and _wanted(entry, query):
            batch.append(entry)
            if len(batch) >= 256:
                yield batch
                batch = []
    if batch:
        yield batch
