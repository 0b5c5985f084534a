"""Reads a container's log: the last lines, those of a span of time, and what comes while it runs.

A log is a chain of files, ``<name>.2``, ``.1`` and the current one, oldest first, some of the older ones compressed.
What is in a file its format knows (jsonlog.py, locallog.py). A torn end (the writer was killed) is passed over.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from carrack.engine.containers.watch import Watch
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

    def wants(self, stream: int, time: int) -> bool:
        """Whether an entry of that stream and time (in nanoseconds) is to be shown."""
        if not (self.stdout if stream == 1 else self.stderr):
            return False
        return time >= self.since and not (self.until and time > self.until)


class LogLine(NamedTuple):
    """One entry: stream 1 or 2, when it was written (text, as recorded), its bytes, its chosen labels and variables."""

    stream: int
    time: str
    text: bytes
    attributes: dict[str, str] | None = None


class Source(Protocol):
    """One open file of a log; inode and stamp (when it was written last, in nanoseconds) tell it from others. Those of
    a ``packed`` one are its origin's, as it was when it was compressed."""

    inode: int
    packed: bool

    def stamp(self) -> int: ...

    def entries(self, query: LogQuery) -> Iterator[tuple[int, LogLine | None]]:
        """(size in the file, entry, None for one that is not wanted) of what is complete, from where the last call
        stopped. Blocking."""

    def backwards(self, query: LogQuery) -> Iterator[LogLine]:
        """The wanted entries from the last to the first. Blocking."""

    def skip(self) -> None:
        """Go to the end of what is complete, so that only later entries come; `backwards` begins there too."""

    def rewind(self) -> bool:
        """Whether the file is shorter than what was read of it, because it was begun anew: reads from its start."""

    def close(self) -> None: ...


class Format(NamedTuple):
    """How files are opened: ``source(path)`` raises FileNotFoundError; ``suffix`` of compressed ones."""

    source: Callable[[str], Source]
    suffix: str


def _open_files(path: str, form: Format) -> list[Source]:
    """The log's files, oldest first, the current one last; none twice, though they be renamed meanwhile."""
    found: list[Source] = []
    for number in itertools.count():
        file = _open_one(f"{path}.{number}" if number else path, form, packed=number > 0)
        if file is None:
            if number:
                return found[::-1]
            continue
        if any(_same(file, other) for other in found):
            file.close()
            continue
        found.append(file)
    raise AssertionError("unreachable")


def _same(one: Source, other: Source) -> bool:
    """Whether it is one file, though it may have been renamed or compressed meanwhile."""
    if one.inode != other.inode:
        return False
    return not (one.packed or other.packed) or one.stamp() == other.stamp()


def _open_one(path: str, form: Format, *, packed: bool) -> Source | None:
    for name in (path, path + form.suffix, path) if packed else (path,):  # it may be compressed just now
        try:
            return form.source(name)
        except FileNotFoundError:
            continue
    return None


def last(files: Sequence[Source], query: LogQuery) -> list[LogLine]:
    """The last ``query.tail`` wanted entries, in order (blocking)."""
    assert query.tail is not None
    newest = (entry for file in reversed(files) for entry in file.backwards(query))
    return list(itertools.islice(newest, query.tail))[::-1]


async def read(
    path: str, form: Format, query: LogQuery, ended: asyncio.Future[Any]
) -> AsyncGenerator[list[LogLine], None]:
    """Batches of wanted entries; with ``follow`` until ``ended`` is done and the file is read to its end."""
    if not os.path.exists(path):  # never started, or somebody deleted it
        return
    with ExitStack() as held:
        watch = held.enter_context(Watch(os.path.dirname(path))) if query.follow else None
        files = _open_files(path, form)
        for file in files:
            held.callback(file.close)
        if not files:
            return
        if query.tail is not None:
            await asyncio.to_thread(files[-1].skip)
            if batch := await asyncio.to_thread(last, files, query):
                yield batch
            if not query.follow:
                return
        else:
            for old in files[:-1]:
                async for batch in _paced(old, query):
                    yield batch
        async for batch in _follow(path, form, files[-1], query, ended, watch):
            yield batch


async def _follow(
    path: str, form: Format, file: Source, query: LogQuery, ended: asyncio.Future[Any], watch: Watch | None
) -> AsyncGenerator[list[LogLine], None]:
    with ExitStack() as held:
        while True:
            # In this order: what is over or rotated away before it is read is read to its end.
            over = ended.done()
            newer = _newer(path, form, file) if watch is not None else None
            if newer is not None:
                held.callback(newer.close)
            async for batch in _paced(file, query):
                yield batch
            if newer is not None:
                file.close()
                file = newer
                continue
            if watch is None or over or (query.until and times.now() > query.until):
                return
            if file.rewind():
                continue
            await watch.changed(ended, timeout=_until_timeout(query))


def _newer(path: str, form: Format, file: Source) -> Source | None:
    """The file that was begun after ``file``, if the log was rotated."""
    try:
        if os.stat(path).st_ino == file.inode:
            return None
    except FileNotFoundError:
        return None  # in the middle of it
    files = _open_files(path, form)
    after = next((number + 1 for number, other in enumerate(files) if _same(file, other)), 0)
    for other in files[:after] + files[after + 1 :]:
        other.close()
    return files[after] if after < len(files) else None


def _until_timeout(query: LogQuery) -> float | None:
    return max(0.05, (query.until - times.now()) / 1e9) if query.until else None


async def _paced(file: Source, query: LogQuery) -> AsyncGenerator[list[LogLine], None]:
    """The batches that are there now. One follower at a time works on one, and then all else has its turn: hundreds
    of them with long logs must not keep the loop from everybody's requests."""
    batches = _batches(file, query)
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


def _batches(file: Source, query: LogQuery) -> Iterator[list[LogLine]]:
    """Wanted entries, perhaps none, of each piece of so many lines or bytes."""
    batch: list[LogLine] = []
    lines = size = 0
    for length, entry in file.entries(query):
        lines, size = lines + 1, size + length
        if entry is not None:
            batch.append(entry)
        if lines >= _LINES or size >= BLOCK:
            yield batch
            batch, lines, size = [], 0, 0
    yield batch
