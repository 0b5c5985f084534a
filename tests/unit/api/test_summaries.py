"""Kept lists equal lists made anew, whatever happened in between."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import FakeRecords, container

from carrack.api import older
from carrack.api.response import encode_json
from carrack.api.summaries import Summaries
from carrack.engine.containers import listing
from carrack.engine.containers.record import Container
from carrack.engine.containers.store import ContainerStore
from carrack.errors import InvalidArgument
from carrack.model import times

START = 1_700_000_000 * 10**9
SECOND = 10**9


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        monkeypatch.setattr(times, "now", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def filled(count: int = 3) -> ContainerStore:
    records: Any = FakeRecords()
    store = ContainerStore(records)
    for number in range(1, count + 1):
        add(store, container(number, status="running", started_at=START - number * SECOND * 100 + number))
    return store


def add(store: ContainerStore, c: Container) -> None:
    store.reserve(c.name, c.id)
    asyncio.run(store.add(c))


def anew(store: ContainerStore, everything: bool = True) -> bytes:
    chosen = listing.select(store, store.find, lambda _: set(), everything=everything)
    return encode_json([listing.row(c, times.now()) for c in chosen])


def test_an_unchanged_list_is_not_made_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled()
    summaries = Summaries(store)
    first = summaries.unfiltered(True)
    assert first == anew(store)
    monkeypatch.setattr(listing, "row", lambda *_: pytest.fail("made again"))
    assert summaries.unfiltered(True) is first
    assert summaries.of(list(store)[::-1]) == first


def test_only_the_changed_row_is_made_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled()
    summaries = Summaries(store)
    summaries.unfiltered(True)
    made: list[str] = []
    real = listing.row

    def row(c: Container, now: int) -> Any:
        made.append(c.id)
        return real(c, now)

    monkeypatch.setattr(listing, "row", row)
    changed = list(store)[1]
    changed.state.status = "paused"
    kept = summaries.unfiltered(True)
    assert made == [changed.id]
    assert kept == anew(store)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "other"),
        ("image", "else"),
        ("endpoints", {}),
        ("ports", {"80/tcp": [{"HostIp": "::", "HostPort": "81"}]}),
        ("mounts", []),
        ("status", "exited"),
        ("started_at", START - 7200 * SECOND),
        ("health", {"Status": "unhealthy", "FailingStreak": 3, "Log": []}),
    ],
)
def test_every_change_of_a_container_is_shown(clock: Clock, name: str, value: Any) -> None:
    store = filled()
    summaries = Summaries(store)
    c = list(store)[1]
    c.endpoints = {"bridge": {**c.endpoints["bridge"], "Gateway": "172.17.0.1"}}
    before = summaries.unfiltered(True), summaries.unfiltered(False)
    setattr(c if hasattr(c, name) else c.state, name, value)
    assert (summaries.unfiltered(True), summaries.unfiltered(False)) == (anew(store), anew(store, False))
    assert (anew(store), anew(store, False)) != before or name == "mounts"


def test_coming_going_and_renaming_are_shown(clock: Clock) -> None:
    store = filled()
    summaries = Summaries(store)
    assert summaries.unfiltered(True) == anew(store)
    add(store, container(9))
    assert summaries.unfiltered(True) == anew(store)
    assert len(json.loads(summaries.unfiltered(True))) == 4
    assert len(json.loads(summaries.unfiltered(False))) == 3
    first = next(iter(store))
    store.reserve("fresh", first.id)
    asyncio.run(store.rename(first, "fresh"))
    assert summaries.unfiltered(True) == anew(store)
    asyncio.run(store.delete(first))
    assert summaries.unfiltered(True) == anew(store)
    for c in list(store):
        asyncio.run(store.delete(c))
    assert summaries.unfiltered(True) == b"[]\n"
    assert not any(kept.rows for kept in summaries._kept.values())


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_time_passing_is_shown(steps: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        store = filled()
        c = next(iter(store))
        c.state.status, c.state.finished_at = "exited", START
        summaries = Summaries(store)
        for step in steps:
            assert summaries.unfiltered(True) == anew(store)
            clock.now += step * SECOND // 7


def test_a_clock_set_back_is_followed(clock: Clock) -> None:
    store = filled()
    summaries = Summaries(store)
    summaries.unfiltered(True)
    clock.now -= 90 * SECOND
    assert summaries.unfiltered(True) == anew(store)


@pytest.mark.parametrize("version", [(1, 41), (1, 45), (1, 46), (1, 47), (1, 48), (1, 51)])
def test_older_versions_have_their_own_rows(clock: Clock, version: tuple[int, int]) -> None:
    store = filled()
    for c in store:
        c.host_config = {**c.host_config, "Annotations": {"Status": 'a "Status":"b"'}}
        c.image_manifest = {"digest": "sha256:" + "a" * 64}
    summaries = Summaries(store)
    for _ in range(3):
        rows = [listing.row(c, clock.now) for c in listing.select(store, store.find, lambda _: set(), everything=True)]
        assert summaries.unfiltered(True, version) == encode_json(older.container_rows(rows, version))
        assert summaries.of(list(store)[::-1], version) == summaries.unfiltered(True, version)
        clock.now += 61 * SECOND


def test_only_some_fields(clock: Clock) -> None:
    store = filled()
    summaries = Summaries(store)
    for _ in range(3):
        rows = json.loads(anew(store))
        assert summaries.unfiltered(True, fields="Status,Id") == encode_json(
            [{"Id": row["Id"], "Status": row["Status"]} for row in rows]
        )
        assert json.loads(summaries.unfiltered(True, fields="Status")) == [{"Status": row["Status"]} for row in rows]
        assert json.loads(summaries.unfiltered(True, fields="Names")) == [{"Names": row["Names"]} for row in rows]
        clock.now += 61 * SECOND
    with pytest.raises(InvalidArgument, match="no 'Nmaes' in the list of containers: Id, Names"):
        summaries.unfiltered(True, fields="Id,Nmaes")


def test_clients_that_ask_for_many_forms_fill_nothing(clock: Clock) -> None:
    summaries = Summaries(filled())
    for first in listing.FIELDS:
        for second in listing.FIELDS:
            summaries.unfiltered(True, fields=f"{first},{second}") if first != second else None
    assert len(summaries._kept) == 8


def test_words_of_time_alone_make_no_row_anew(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled()
    summaries = Summaries(store)
    summaries.unfiltered(True)
    clock.now += 3600 * SECOND
    expected = anew(store)
    monkeypatch.setattr(listing, "row", lambda *_: pytest.fail("made again"))
    assert summaries.unfiltered(True) == expected
