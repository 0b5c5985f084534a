"""Times of last use: kept over a restart, written seldom, and never invented to an image's harm."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.engine.images.uses import COARSE, Uses
from carrack.storage.records import Records


class Clock:
    def __init__(self) -> None:
        self.now = COARSE * 5

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    made = Records(tmp_path / "meta.db")
    made.start()
    yield made
    made.close()


def test_times_are_kept(records: Records) -> None:
    clock = Clock()
    uses = Uses(records, clock)
    uses.touch("a")
    clock.now += 1
    uses.touch("b")
    asyncio.run(uses.keep(["a", "b"], []))
    again = Uses(records, clock)
    again.load()
    assert (again.last("a"), again.last("b")) == (COARSE * 5, COARSE * 5 + 1)


def test_an_unknown_image_counts_as_used_now_and_then_on(records: Records) -> None:
    clock = Clock()
    uses = Uses(records, clock)
    assert uses.last("old") == clock.now
    clock.now += 50
    assert uses.last("old") == clock.now - 50


def test_what_is_gone_is_forgotten(records: Records) -> None:
    uses = Uses(records, Clock())
    uses.touch("a")
    asyncio.run(uses.keep(["a"], []))
    asyncio.run(uses.keep([], []))
    assert records.read("SELECT * FROM used") == []


def test_what_is_in_use_is_written_now_and_then_only(records: Records) -> None:
    clock = Clock()
    uses = Uses(records, clock)

    def written() -> int:
        asyncio.run(uses.keep(["a"], ["a"]))
        return int(records.read("SELECT at FROM used")[0][0])

    first = written()
    clock.now += COARSE - 1
    assert written() == first
    clock.now += 1
    assert written() == clock.now
