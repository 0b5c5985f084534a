"""Rows of `GET /containers/json` in their answer's form, kept until what they show changes.

A row is made anew when its container has another revision; when only the time in its words is over, those are put
between what stands before and after them. A whole answer is made when any container has changed or the first of its
rows is over. Clients that poll the list cost little more than its bytes.

There are several forms of a row: today's, those of older API versions, and those with only the fields that a client
asked for (our own command's: of a thousand rows most of a list's time is taking its JSON apart).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from carrack.api import older, versions
from carrack.api.response import encode_json
from carrack.engine.containers import listing, revision
from carrack.engine.containers.record import Container
from carrack.engine.containers.store import ContainerStore
from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.model.container import Document

_MOST_FORMS = 8
"""How many forms are kept: clients could ask for any number."""

Form = Callable[[Document], Document]


class _Row(NamedTuple):
    """A row made at some time; good from ``made`` until before ``ends``, nanoseconds since 1970."""

    revision: tuple[int, int]
    made: int
    ends: int
    before: bytes
    text: bytes
    after: bytes


class _Answer(NamedTuple):
    revision: int
    made: int
    ends: int
    text: bytes


class _Kept:
    """What is kept of one form."""

    __slots__ = ("answers", "form", "rows")

    def __init__(self, form: Form) -> None:
        self.form = form
        self.rows: dict[str, _Row] = {}
        self.answers: dict[bool, _Answer] = {}

    def row(self, c: Container, now: int) -> _Row:
        revisions = (c.revision, c.state.revision)
        kept = self.rows.get(c.id)
        if kept is not None and kept.revision == revisions:
            if kept.made <= now < kept.ends:
                return kept
            before, after = kept.before, kept.after
        else:
            before, after = _around_status(self.form(listing.row(c, now)))
        text, ends = before, listing.NEVER
        if after:
            text, ends = before + encode_json(listing.status(c, now))[:-1] + after, listing.row_ends(c, now)
        kept = self.rows[c.id] = _Row(revisions, now, ends, before, text, after)
        return kept


class Summaries:
    """The encoded lists of one store's containers."""

    def __init__(self, store: ContainerStore) -> None:
        self._store = store
        self._kept: dict[object, _Kept] = {}

    def unfiltered(self, everything: bool, version: versions.Version = versions.CURRENT, fields: str = "") -> bytes:
        """The answer without filters: all containers, or those that run. Raises InvalidArgument on unknown fields."""
        kept, now, newest = self._form(version, fields), times.now(), revision.latest()
        answer = kept.answers.get(everything)
        if answer is None or answer.revision != newest or not answer.made <= now < answer.ends:
            chosen = listing.select(self._store, self._store.find, lambda _: set(), everything=everything)
            answer = kept.answers[everything] = self._encode(kept, chosen, newest, now)
        return answer.text

    def of(self, chosen: Sequence[Container], version: versions.Version = versions.CURRENT, fields: str = "") -> bytes:
        """The answer that has these rows. Raises InvalidArgument on unknown fields."""
        return self._encode(self._form(version, fields), chosen, -1, times.now()).text

    def _form(self, version: versions.Version, fields: str) -> _Kept:
        key = (older.rows_form(version), fields)
        kept = self._kept.pop(key, None) or _Kept(_form(version, fields))
        while len(self._kept) >= _MOST_FORMS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = kept
        return kept

    def _encode(self, kept: _Kept, chosen: Sequence[Container], newest: int, now: int) -> _Answer:
        rows = [kept.row(c, now) for c in chosen]
        if len(kept.rows) > len(self._store):
            here = {c.id for c in self._store}
            kept.rows = {identity: row for identity, row in kept.rows.items() if identity in here}
        ends = min((row.ends for row in rows), default=listing.NEVER)
        return _Answer(newest, now, ends, b"[" + b",".join([row.text for row in rows]) + b"]\n")


def _form(version: versions.Version, fields: str) -> Form:
    """How a row of today becomes one of that version, or one with these fields (names with commas between)."""
    if not fields:
        return lambda row: older.container_rows([row], version)[0]
    names = fields.split(",")
    if unknown := [name for name in names if name not in listing.FIELDS]:
        raise InvalidArgument(f"fields: no {unknown[0]!r} in the list of containers: {', '.join(listing.FIELDS)}")
    return lambda row: {name: row[name] for name in row if name in names}


def _around_status(row: Document) -> tuple[bytes, bytes]:
    """The text before and after the words of a row's status; all before, and nothing after, where it has none."""
    names = list(row)
    if "Status" not in names:
        return encode_json(row)[:-1], b""
    place = names.index("Status")
    before = encode_json({name: row[name] for name in names[:place]})[:-2]
    after = encode_json({name: row[name] for name in names[place + 1 :]})[1:-1]
    return before + (b"," if place else b"") + b'"Status":', (b"," if after != b"}" else b"") + after
