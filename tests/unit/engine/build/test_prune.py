"""What of the build cache goes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.fakes.building import Workshop

from carrack.dockerfile.mounts import Mount
from carrack.engine.build.cachemounts import CacheMounts
from carrack.engine.build.limits import Limits
from carrack.engine.build.prune import BuildCache
from carrack.engine.build.rules import NONE, Rule, Rules
from carrack.engine.build.running import Job
from carrack.engine.events import Events


@pytest.mark.census("event builder prune", "daemon builder.gc policies")
def test_rows_and_prune(workshop: Workshop) -> None:
    async def ready(folder: Path) -> None:
        (folder / "f").write_bytes(b"x" * 100)

    async def run() -> None:
        mounts = CacheMounts(workshop.world.folder / "caches")
        events = Events()
        rules = Rules(given=(Rule(Limits(), words=("type==exec.cachemount",)), Rule(Limits(reserved=1))))
        cache = BuildCache(workshop.cache, mounts, workshop.contexts, workshop.world.store, events, rules=rules)
        await workshop.build("FROM base\nRUN one\nRUN two")
        async with mounts.take(Mount("cache", "/c"), ready):
            pass
        first, second, third = await cache.rows()
        assert second.parents == (first.id,)
        assert (third.kind, third.size) == ("exec.cachemount", 100)
        document = (await cache.documents())[0]
        assert (document["Type"], document["InUse"], document["Description"]) == ("regular", False, "[0] RUN one")
        assert (first.mutable, third.mutable) == (False, True)
        assert await cache.prune(Limits(), lambda row: row.kind == "none") == []
        await cache.collect()
        assert [row.id for row in await cache.rows()] == ([] if first.size else [first.id])
        await workshop.build("FROM base\nRUN three")
        answer = await cache.asked(Limits(), {})
        event = await anext(events.subscribe(since=0))
        assert await cache.rows() == []
        assert len(answer["CachesDeleted"]) >= 1
        assert (event.type, event.action) == ("builder", "prune")
        assert event.attributes == {"reclaimed": str(answer["SpaceReclaimed"])}
        assert (await cache.asked(Limits(), {}))["CachesDeleted"] is None

    asyncio.run(run())


def test_a_layer_of_two_steps_is_counted_once(workshop: Workshop) -> None:
    async def same(job: Job, upper: Path) -> int:
        (upper / "f").write_bytes(b"x")
        for path in (upper / "f", upper):
            os.utime(path, (1, 1))
        return 0

    async def run() -> None:
        mounts = CacheMounts(workshop.world.folder / "caches")
        cache = BuildCache(workshop.cache, mounts, workshop.contexts, workshop.world.store, Events())
        workshop.runner.program = same
        await workshop.build("FROM base\nRUN one\nENV A=1\nRUN one")
        first, second = await cache.rows()
        assert first.layer == second.layer
        assert (first.size > 0, second.size) == (True, 0)
        (gone,) = await cache.prune(Limits(), lambda row: row.id == second.id)
        (left,) = await cache.rows()
        assert (gone.id, left) == (second.id, first)

    asyncio.run(run())


def test_other_rules_are_taken_over_at_once(workshop: Workshop) -> None:
    async def run() -> None:
        mounts = CacheMounts(workshop.world.folder / "caches")
        cache = BuildCache(workshop.cache, mounts, workshop.contexts, workshop.world.store, Events())
        cache.follow(NONE)
        assert not cache.grown.is_set()
        cache.follow(Rules(given=(Rule(Limits()),)))
        assert cache.grown.is_set()
        await workshop.build("FROM base\nRUN one")
        await cache.collect()
        assert await cache.rows() == []

    asyncio.run(run())
