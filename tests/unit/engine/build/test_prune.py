"""What of the build cache goes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.building import Workshop

from carrack.dockerfile.mounts import Mount
from carrack.engine.build.cache import Entry
from carrack.engine.build.cachemounts import CacheMounts
from carrack.engine.build.prune import BuildCache, Limits, Row, choose, filtered
from carrack.errors import InvalidArgument

ENTRY = Entry("sha256:k", "")
BASE = Row("a", "regular", "RUN x", 10, 1, 1, 1, False, False, (), ENTRY)
ROWS = [replace(BASE, id=str(n), last_used=n) for n in range(1, 6)]


def gone(limits: Limits, rows: list[Row] = ROWS, free: int = 0) -> list[str]:
    return [row.id for row in choose(rows, limits, lambda row: True, free)]


def test_limits() -> None:
    assert gone(Limits()) == ["1", "2", "3", "4", "5"]
    assert gone(Limits(reserved=20)) == ["1", "2", "3"]
    assert gone(Limits(most=35)) == ["1", "2"]
    assert gone(Limits(most=100)) == []
    assert gone(Limits(free=15)) == ["1", "2"]
    assert gone(Limits(free=15), free=20) == []
    assert gone(Limits(reserved=30, most=10)) == ["1", "2"]


def test_what_is_in_use_or_an_images_stays() -> None:
    rows = [replace(BASE, id="used", in_use=True), replace(BASE, id="image", shared=True), BASE]
    assert gone(Limits(), rows) == ["a"]
    assert gone(Limits(every=True), rows) == ["image", "a"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"id": ["1"]}, ["1"]),
        ({"type": ["other"]}, []),
        ({"description": ["RUN"]}, ["1", "2", "3", "4", "5"]),
        ({"until": ["1970-01-01T00:00:00.000000003Z"]}, ["1", "2", "3"]),
        ({"parent": ["p"]}, []),
        ({"shared": []}, []),
        ({"label": ["x"]}, []),
        ({"label!": ["x"]}, ["1", "2", "3", "4", "5"]),
        ({"private": []}, ["1", "2", "3", "4", "5"]),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: list[str]) -> None:
    wanted = filtered(filters, 0)
    assert [row.id for row in ROWS if wanted(row)] == expected


def test_unknown_filters() -> None:
    with pytest.raises(InvalidArgument, match="invalid filter 'name'"):
        filtered({"name": ["x"]}, 0)


def test_rows_and_prune(workshop: Workshop) -> None:
    async def ready(folder: Path) -> None:
        (folder / "f").write_bytes(b"x" * 100)

    async def run() -> None:
        mounts = CacheMounts(workshop.world.folder / "caches")
        cache = BuildCache(workshop.cache, mounts, workshop.contexts, workshop.world.store)
        await workshop.build("FROM base\nRUN one\nRUN two")
        async with mounts.take(Mount("cache", "/c"), ready):
            pass
        first, second, third = await cache.rows()
        assert second.parents == (first.id,)
        assert (third.kind, third.size) == ("exec.cachemount", 100)
        document = (await cache.documents())[0]
        assert (document["Type"], document["InUse"], document["Description"]) == ("regular", False, "[0] RUN one")
        answer = await cache.prune(Limits(), {})
        assert len(answer["CachesDeleted"]) == 3
        assert await cache.rows() == []
        assert (await cache.prune(Limits(), {}))["CachesDeleted"] is None

    asyncio.run(run())
