"""The build cache: which layer a step gave, by its key.

A row is written after its layer is on disk and recorded; a layer is kept while a row names it. Rows go by rules
(:mod:`carrack.engine.build.prune`) or when they are asked to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.storage.snapshots.base import chain_id

if TYPE_CHECKING:
    from sqlite3 import Connection

    from carrack.storage.records import Records

_LATER = 60_000_000_000  # ns: a use is noted when the one before it is that old; on disk it need not be exact


@dataclass(frozen=True, slots=True)
class Entry:
    """One remembered step. ``diff_id`` is "" when it changed no file; ``below`` are the layers it was made on; ``size``
    in bytes; times in nanoseconds since 1970; ``place`` says of which step of which build it is a version."""

    key: str
    diff_id: str
    below: tuple[str, ...] = ()
    description: str = ""
    kind: str = "regular"
    place: str = ""
    size: int = 0
    created: int = 0
    last_used: int = 0
    uses: int = 0
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of its result."""
        return (*self.below, self.diff_id) if self.diff_id else self.below


class Cache:
    """All of them, in memory and on record."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, str] = {}

    def load(self) -> None:
        """Read the rows; one that cannot be read is forgotten."""
        for key, text in self._records.read("SELECT key, document FROM build_step"):
            try:
                document = json.loads(text)
                entry = Entry(key, **{**document, "below": tuple(document["below"])})
            except (ValueError, TypeError, LookupError):
                continue
            self._remember(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def find(self, key: str) -> Entry | None:
        """The result of a step that has been done."""
        return self._entries.get(key)

    def previous(self, place: str) -> Entry | None:
        """The latest version of a step, whatever it depended on."""
        key = self._places.get(place)
        return self._entries.get(key) if key is not None else None

    async def add(self, entry: Entry) -> Entry:
        """Remember a step; its layer is recorded already, and held by the caller."""
        now = times.now()
        entry = replace(entry, created=entry.created or now, last_used=now, uses=entry.uses + 1)
        await self._write([entry])
        self._remember(entry)
        return entry

    async def used(self, entry: Entry) -> None:
        """Note that a result was taken from here."""
        now = times.now()
        current = self._entries.get(entry.key)
        if current is None:
            return
        fresh = replace(current, last_used=now, uses=current.uses + 1)
        self._entries[entry.key] = fresh
        if now - current.last_used > _LATER:
            await self._write([fresh])

    async def remove(self, entries: Iterable[Entry]) -> None:
        """Forget these; their layers go with the next collection."""
        keys = [entry.key for entry in entries]

        def write(connection: Connection) -> None:
            connection.executemany("DELETE FROM build_step WHERE key = ?", [(key,) for key in keys])

        await self._records.write(write, spare=True)
        for key in keys:
            gone = self._entries.pop(key, None)
            if gone is not None and self._places.get(gone.place) == key:
                del self._places[gone.place]

    def layers(self) -> list[str]:
        """All layers that must stay."""
        return [diff_id for entry in self._entries.values() for diff_id in entry.layers]

    def get(self, key: str) -> Entry:
        """The entry of a key or a unique prefix of one. Raises InvalidArgument."""
        found = [entry for entry in self._entries.values() if entry.key.removeprefix("sha256:").startswith(key)]
        if len(found) != 1:
            raise InvalidArgument(f"{key} is not the id of one entry of the build cache")
        return found[0]

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        known = self.previous(entry.place)
        if entry.place and (known is None or known.created <= entry.created):
            self._places[entry.place] = entry.key

    async def _write(self, entries: list[Entry]) -> None:
        rows = [(entry.key, json.dumps(_document(entry))) for entry in entries]

        def write(connection: Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO build_step VALUES (?, ?)", rows)

        await self._records.write(write, durable=False)


def _document(entry: Entry) -> dict[str, Any]:
    names = ("diff_id", "below", "description", "kind", "place", "size", "created", "last_used", "uses", "inputs")
    return {name: getattr(entry, name) for name in names}


def base_of(layers: tuple[str, ...]) -> str:
    """What stands for the files of a chain in keys."""
    return chain_id(layers)
