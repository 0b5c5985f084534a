"""What records of builds enclose: kept by digest, removed with their records."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.unit.engine.build.test_history import again

from carrack.engine.build.enclosing import LOG, PROVENANCE, Enclosure, Enclosures, listed
from carrack.engine.build.history import Record
from carrack.engine.build.recording import Recording
from carrack.oci import digest as digests


def test_a_folder_of_them(tmp_path: Path) -> None:
    kept = Enclosures(tmp_path / "enclosed")
    (first, second) = kept.put([Enclosure(LOG, "t", b"one"), Enclosure(PROVENANCE, "t", b"two", {"a": "b"}, "p", 1)])
    assert second == {
        "kind": PROVENANCE, "media_type": "t", "digest": digests.of(b"two"), "size": 3, "annotations": {"a": "b"},
        "platform": "p", "number": 1,
    }  # fmt: skip
    assert kept.get(first["digest"]) == b"one"
    assert kept.get(digests.of(b"none")) is None
    (tmp_path / "enclosed" / digests.encoded(second["digest"])).write_bytes(b"torn")
    assert kept.get(second["digest"]) is None
    kept.sweep([first["digest"]])
    assert [path.name for path in (tmp_path / "enclosed").iterdir()] == [digests.encoded(first["digest"])]
    kept.remove([first["digest"]])
    assert kept.get(first["digest"]) is None


def test_two_builds_that_enclose_the_same_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, replace = Enclosures(tmp_path / "enclosed"), os.replace

    def late(old: Path, new: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        kept.put([Enclosure(LOG, "t", b"same")])
        replace(old, new)

    monkeypatch.setattr(os, "replace", late)
    (entry,) = kept.put([Enclosure(LOG, "t", b"same")])
    assert kept.get(entry["digest"]) == b"same"
    assert len(list((tmp_path / "enclosed").iterdir())) == 1


async def build(workshop: Workshop, ref: str, *texts: bytes) -> Record:
    def enclose(record: Record, events: Any, failure: BaseException | None) -> Iterator[Enclosure]:
        assert (record.ref, failure) == (ref, None)
        for text in texts:
            if text == b"bad":
                raise OSError("the disk")
            yield Enclosure(LOG, "t", text)

    async with workshop.history.of(ref, "f", {}, [], Recording(), enclose) as record:
        pass
    await workshop.history.settled(record)
    return record


def test_they_live_as_long_as_their_records(workshop: Workshop) -> None:
    async def run() -> None:
        one, two = await build(workshop, "one", b"a", b"both"), await build(workshop, "two", b"both")
        assert listed([one, two]) == {digests.of(b"a"), digests.of(b"both")}
        await workshop.history.remove([one])
        assert workshop.history.enclosed(digests.of(b"a")) is None
        assert workshop.history.enclosed(digests.of(b"both")) == b"both"
        await workshop.jobs.drain()
        later = again(workshop)
        assert later.enclosed(digests.of(b"both")) == b"both"
        assert later.get("two").enclosed == two.enclosed

    asyncio.run(run())


def test_what_cannot_be_made_stops_nothing(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        record = asyncio.run(build(workshop, "one", b"bad"))
    assert (record.error, record.enclosed) == ("", [])
    assert "could not be kept" in caplog.text
