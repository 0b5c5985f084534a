"""The history of builds: what was asked, how it went, and all that was told, of each build that was begun.

::

    build/history/<sha256 of the build's name>     what was told, as lines of JSON, compressed by zlib
    build/history/enclosed/                        see carrack.engine.build.enclosing

A build is on record from its beginning, or its end if that comes within a moment; who finds it unfinished at a start
knows that the daemon died. At its end its file is on disk before its record says so. Records beyond a number go, oldest
first, but for those that are pinned; the file of one may go before it does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from carrack.engine.build.enclosing import Enclosures, listed
from carrack.engine.build.recording import Recording, graph
from carrack.engine.whole import whole
from carrack.errors import InvalidArgument, NotFound, redacted, words
from carrack.model import times

if TYPE_CHECKING:
    from sqlite3 import Connection

    from carrack.engine.build.enclosing import Enclose, Enclosure
    from carrack.engine.build.recording import Event
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

#: what happens to a record
STARTED, COMPLETE, DELETED = range(3)
#: gRPC's codes, in which failures are kept
CANCELLED, UNKNOWN = 1, 2
_MOST = 100
_MOMENT = 0.02  # seconds: a build that takes no longer, since nothing is to be done, is written down once
_ADDRESSES = ("context", "vcs:")  # attributes whose values may be addresses with passwords
_LEFT = "the daemon ended before the build did"


@dataclass(slots=True)
class Record:
    """One build. ``ref`` is its name; ``frontend`` how it was asked for, and ``attributes`` what was (in BuildKit's
    names); ``exports`` where the result was to go, ``answer`` what the client was told of it. ``error`` "" for none.
    ``enclosed``: see Enclosure. Times in nanoseconds since 1970, ``completed`` 0 while it goes on."""

    ref: str
    frontend: str
    attributes: dict[str, str] = field(default_factory=dict)
    exports: list[dict[str, Any]] = field(default_factory=list)
    created: int = 0
    completed: int = 0
    error: str = ""
    code: int = 0
    answer: dict[str, str] = field(default_factory=dict)
    total: int = 0
    cached: int = 0
    done: int = 0
    warnings: int = 0
    pinned: bool = False
    enclosed: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """It as it is kept."""
        return {each: getattr(self, each) for each in self.__slots__}


class History:
    """All builds. ``start`` runs what goes on in the background, as ``Jobs.start`` does."""

    def __init__(
        self,
        records: Records,
        room: Path,
        start: Callable[[Coroutine[Any, Any, None], str], object],
        most: int = _MOST,
    ) -> None:
        self._records = records
        self._room = room
        self._start = start
        self._most = most
        self._all: dict[str, Record] = {}
        self._going: dict[str, Recording] = {}
        self._kept: dict[str, asyncio.Event] = {}
        self._enclosed = Enclosures(room / "enclosed")
        self._listeners: set[asyncio.Queue[tuple[int, Record]]] = set()

    def load(self) -> None:
        """Read the records; those of builds that a daemon left behind are ended, files without one are removed."""
        for ref, text in self._records.read("SELECT ref, document FROM build_record"):
            try:
                record = Record(**{**json.loads(text), "ref": ref})
            except (ValueError, TypeError):
                continue
            if not record.completed:
                record.completed, record.error, record.code = record.created, _LEFT, UNKNOWN
            self._all[ref] = record
        known = {self._place(ref) for ref in self._all}
        for path in self._room.iterdir() if self._room.is_dir() else ():
            if path not in known and not path.is_dir():
                path.unlink(missing_ok=True)
        self._enclosed.sweep(listed(self._all.values()))

    @asynccontextmanager
    async def of(
        self, ref: str, frontend: str, attributes: Mapping[str, str], exports: Iterable[dict[str, Any]],
        recording: Recording, enclose: Enclose | None = None,
    ) -> AsyncIterator[Record]:  # fmt: skip
        """A build on record for as long as this context lasts; how it is left is how the build ended. ``enclose``: what
        is then added to the record."""
        kept = {key: redacted(value) if key.startswith(_ADDRESSES) else value for key, value in attributes.items()}
        record = Record(ref, frontend, kept, list(exports), times.now())
        self._all[ref], self._going[ref], self._kept[ref] = record, recording, asyncio.Event()
        failure: BaseException | None = None
        self._tell(STARTED, record)
        begun = asyncio.get_running_loop().call_later(_MOMENT, self._begun, record)
        try:
            yield record
        except BaseException as error:
            failure, gone = error, isinstance(error, asyncio.CancelledError)
            record.code = CANCELLED if gone else UNKNOWN
            record.error = "context canceled" if gone else words(error) or type(error).__name__
            raise
        finally:
            begun.cancel()
            recording.close()
            self._count(record, recording)
            record.completed = times.now()
            self._tell(COMPLETE, record)
            make = None if enclose is None else partial(enclose, record, recording.events, failure)
            self._start(self._keep(record, recording, make), "record the end of a build")

    def all(self) -> list[Record]:
        """All of them, newest first; what goes on has its figures so far."""
        for ref, recording in self._going.items():
            if ref in self._all:
                self._count(self._all[ref], recording)
        return sorted(self._all.values(), key=lambda record: record.created, reverse=True)

    def get(self, ref: str) -> Record:
        """The record of a build by its name, the unique beginning of one, or ``^1`` (the last but one). Raises
        NotFound, InvalidArgument."""
        records = self.all()
        if ref.startswith("^") and ref[1:].isdecimal():
            number = int(ref[1:7])
            if number >= len(records):
                raise NotFound(f"no build is on record at {ref}: there are {len(records)}")
            return records[number]
        found = [record for record in records if record.ref == ref]
        found = found or [record for record in records if ref and record.ref.startswith(ref)]
        if not found:
            raise NotFound(f"no build {ref} is on record")
        if len(found) > 1:
            raise InvalidArgument(f"{ref} is the beginning of {len(found)} builds' names: give more of it")
        return found[0]

    def has(self, ref: str) -> bool:
        """Whether a build is on record by its whole name."""
        return ref in self._all

    def recording(self, ref: str) -> Recording | None:
        """What a build that goes on has told so far; None when it is over."""
        return self._going.get(ref)

    async def events(self, ref: str) -> AsyncIterator[Event]:
        """What a build told, and will tell if it goes on. Raises NotFound."""
        async for burst in self.bursts(ref):
            for event in burst:
                yield event

    async def bursts(self, ref: str) -> AsyncIterator[list[Event]]:
        """The same, what was told at a time together."""
        going = self._going.get(ref)
        if going is not None:
            async for burst in going.bursts():
                yield burst
            return
        if ref not in self._all:
            raise NotFound(f"no build {ref} is on record")
        yield await asyncio.to_thread(_read, self._place(ref))

    async def settled(self, record: Record) -> None:
        """Wait until all is there that the record of a build that is over comes with."""
        kept = self._kept.get(record.ref)
        if record.completed and kept is not None:
            await kept.wait()

    def enclosed(self, digest: str) -> bytes | None:
        """What a record encloses, by its digest; None for nothing. Blocks."""
        return self._enclosed.get(digest)

    async def update(self, ref: str, *, pinned: bool) -> None:
        """Keep a record whatever comes, or no longer. Raises NotFound."""
        record = self.get(ref)
        record.pinned = pinned
        await self._write([record])
        self._tell(COMPLETE, record)

    async def remove(self, records: Iterable[Record]) -> list[str]:
        """Forget builds that are over; returns their names."""
        gone = [record.ref for record in records if record.completed and record.ref in self._all]

        def write(connection: Connection) -> None:
            connection.executemany("DELETE FROM build_record WHERE ref = ?", [(ref,) for ref in gone])

        if gone:
            await self._records.write(write, spare=True)
            clear = self._clearing(gone)
            self._forget(gone)
            await asyncio.to_thread(clear)
        return gone

    def _clearing(self, refs: Sequence[str]) -> Callable[[], None]:
        """What removes the files of these, and blocks."""
        places = [self._place(ref) for ref in refs]
        enclosed = listed(self._all[ref] for ref in refs if ref in self._all)
        if enclosed:
            enclosed -= listed(record for ref, record in self._all.items() if ref not in refs)

        def clear() -> None:
            self._enclosed.remove(enclosed)
            for place in places:
                place.unlink(missing_ok=True)

        return clear

    def _forget(self, refs: Iterable[str]) -> None:
        for ref in refs:
            record = self._all.pop(ref, None)
            if record is not None:
                self._tell(DELETED, record)

    async def listen(self) -> AsyncIterator[tuple[int, Record]]:
        """What happens to records from now on."""
        queue: asyncio.Queue[tuple[int, Record]] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def _surplus(self) -> list[str]:
        """The oldest builds beyond the number that is kept, as far as they are over."""
        loose = [record for record in self._all.values() if not record.pinned]
        if len(loose) <= self._most:
            return []
        loose.sort(key=lambda record: record.created, reverse=True)
        return [record.ref for record in loose[self._most :] if record.completed]

    def _tell(self, what: int, record: Record) -> None:
        for queue in self._listeners:
            queue.put_nowait((what, record))

    def _count(self, record: Record, recording: Recording) -> None:
        steps = graph(recording.events)
        record.total = len(steps)
        record.cached = sum(step.cached for step in steps)
        record.done = sum(bool(step.ended) for step in steps)
        record.warnings = sum(event["do"] == "warn" for event in recording.events)

    def _begun(self, record: Record) -> None:
        self._start(self._write([record]), "record a build")

    async def _keep(self, record: Record, recording: Recording, make: Callable[[], Iterable[Enclosure]] | None) -> None:
        """Put on disk what was told, then on record that it is; older builds make room."""
        kept, over = self._kept[record.ref], self._surplus()
        clear = self._clearing(over)

        def store() -> None:
            _store(self._place(record.ref), recording.events)
            clear()

        try:
            await whole(asyncio.to_thread(store))
            if make is not None:
                record.enclosed = await whole(asyncio.to_thread(self._enclose, record, make))
            if record.ref in self._all:
                await self._write([record], over)
                self._forget(over)
        finally:
            kept.set()
            if self._going.get(record.ref) is recording:
                del self._going[record.ref], self._kept[record.ref]

    def _enclose(self, record: Record, make: Callable[[], Iterable[Enclosure]]) -> list[dict[str, Any]]:
        """What cannot be made, or kept, is left out: the build itself was told how it ended."""
        try:
            return self._enclosed.put(make())
        except Exception:
            log.exception("build %s: what belongs to its record could not be kept", record.ref)
            return []

    async def _write(self, records: Iterable[Record], gone: Iterable[str] = ()) -> None:
        """Put these on record, and take those off it."""
        rows = [(record.ref, json.dumps(record.document())) for record in records]

        def write(connection: Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO build_record VALUES (?, ?)", rows)
            connection.executemany("DELETE FROM build_record WHERE ref = ?", [(ref,) for ref in gone])

        await self._records.write(write, durable=False)

    def _place(self, ref: str) -> Path:
        return self._room / hashlib.sha256(ref.encode("utf-8", "surrogatepass")).hexdigest()


def _store(place: Path, events: list[Event]) -> None:
    data = zlib.compress("\n".join(map(json.dumps, events)).encode(), 1)
    new = place.with_suffix(".new")
    try:
        with _opened(new) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, place)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "wb")
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open(path, "wb")


def _read(place: Path) -> list[Event]:
    """What is there of a build; nothing of one that a daemon left behind, or whose file is damaged."""
    try:
        text = zlib.decompress(place.read_bytes())
        return [json.loads(line) for line in text.splitlines() if line]
    except (OSError, zlib.error, ValueError):
        return []
