"""Rows of `GET /containers/json` in their answer's form, kept until what they show changes.

A row is made anew when its container has another revision or when the time in its words is over; a whole answer, when
any container has changed or the first of its rows is over. Clients that poll the list cost little more than its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from carrack.api.response import encode_json
from carrack.engine.containers import listing, revision
from carrack.engine.containers.record import Container
from carrack.engine.containers.store import ContainerStore
from carrack.model import times


class _Kept(NamedTuple):
    """What was made of containers at some time; good from ``made`` until before ``ends``, nanoseconds since 1970."""

    revision: tuple[int, ...]
    made: int
    ends: int
    text: bytes

    def holds(self, revision: tuple[int, ...], now: int) -> bool:
        return self.revision == revision and self.made <= now < self.ends


class Summaries:
    """The encoded lists of one store's containers."""

    def __init__(self, store: ContainerStore) -> None:
        self._store = store
        self._rows: dict[str, _Kept] = {}
        self._answers: dict[bool, _Kept] = {}

    def unfiltered(self, everything: bool) -> bytes:
        """The answer without filters: all containers, or those that run."""
        now, newest = times.now(), (revision.latest(),)
        kept = self._answers.get(everything)
        if kept is None or not kept.holds(newest, now):
            chosen = listing.select(self._store, self._store.find, lambda _: set(), everything=everything)
            kept = self._answers[everything] = self._encode(chosen, newest, now)
        return kept.text

    def of(self, chosen: Sequence[Container]) -> bytes:
        """The answer that has these rows."""
        return self._encode(chosen, (), times.now()).text

    def _encode(self, chosen: Sequence[Container], newest: tuple[int, ...], now: int) -> _Kept:
        rows = [self._row(c, now) for c in chosen]
        if len(self._rows) > len(self._store):
            here = {c.id for c in self._store}
            self._rows = {identity: row for identity, row in self._rows.items() if identity in here}
        ends = min((row.ends for row in rows), default=listing.NEVER)
        return _Kept(newest, now, ends, b"[" + b",".join(row.text for row in rows) + b"]\n")

    def _row(self, c: Container, now: int) -> _Kept:
        revisions = (c.revision, c.state.revision)
        kept = self._rows.get(c.id)
        if kept is None or not kept.holds(revisions, now):
            text = encode_json(listing.row(c, now))[:-1]
            kept = self._rows[c.id] = _Kept(revisions, now, listing.row_ends(c, now), text)
        return kept
