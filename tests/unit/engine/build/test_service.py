"""The builder: images out of requests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.building import FakePusher, NoAgents, NoFetcher, NoMounts, Places, Workshop
from tests.fakes.images import HOST

from carrack.dockerfile import file
from carrack.engine.build.attesting import Attester
from carrack.engine.build.cachemounts import CacheMounts
from carrack.engine.build.export import Exporter
from carrack.engine.build.prune import BuildCache
from carrack.engine.build.request import Files, Request
from carrack.engine.build.running import Job
from carrack.engine.build.scanning import Scanners
from carrack.engine.build.service import Builder
from carrack.engine.build.working import Worker
from carrack.engine.events import Events
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import reference


def exporter(workshop: Workshop) -> Exporter:
    pusher: Any = FakePusher()
    return Exporter(workshop.world.store, Worker(workshop.tools), workshop.world.saver, pusher, HOST)


def builder(workshop: Workshop, *granted: str) -> Builder:
    export = exporter(workshop)
    cache = BuildCache(
        workshop.cache, CacheMounts(workshop.world.folder / "caches"), workshop.contexts, workshop.world.store, Events()
    )
    granting = frozenset(granted)
    places: Any = Places(workshop.room)
    scanners = Scanners(Worker(workshop.tools), workshop.runner, places, workshop.world.layers)
    attester = Attester(scanners, workshop.bases)
    return Builder(
        workshop.tools, workshop.bases, NoMounts(), NoFetcher(), export, cache, workshop.history, attester, granting
    )


def request(workshop: Workshop, text: str, **more: object) -> Request:
    async def context() -> Files:
        return Files(workshop.context({"a": "1"}))

    return Request(file.parse(text), context, HOST, HOST, NoAgents(), **more)  # type: ignore[arg-type]


def test_an_image_with_its_names(workshop: Workshop) -> None:
    async def run() -> None:
        name = reference.parse("app:1")
        wanted = request(workshop, "FROM base\nRUN x\nCMD y", labels={"l": "1"}, epoch=5)
        built = await builder(workshop).build(wanted, [name])
        image = await workshop.world.store.resolve("app:1")
        assert image == built.image
        assert image.labels == {"l": "1"}
        assert image.config["created"] == "1970-01-01T00:00:05Z"
        again = await builder(workshop).build(wanted)
        assert again.image.id == image.id

    asyncio.run(run())


def test_what_the_daemon_does_not_grant_cannot_be_allowed(workshop: Workshop) -> None:
    async def run() -> None:
        wanted = request(workshop, "FROM base\nRUN --security=insecure x", allow=frozenset({"security.insecure"}))
        with pytest.raises(InvalidArgument, match="not allowed by build daemon configuration"):
            await builder(workshop).build(wanted)
        assert workshop.runner.jobs == []
        await builder(workshop, "security.insecure").build(wanted)

    asyncio.run(run())


def test_squash(workshop: Workshop) -> None:
    async def run() -> None:
        text = "FROM base\nRUN x\nCOPY a /a\nCMD y"
        plain = await builder(workshop).build(request(workshop, text))
        built = await builder(workshop).build(request(workshop, text, squash=True))
        assert len(plain.image.diff_ids) == 2 + len(built.image.diff_ids) - 1
        assert workshop.files(built.result) == workshop.files(plain.result)
        told = built.image.config["history"]
        assert [entry.get("empty_layer", False) for entry in told[-4:]] == [True, True, True, False]

    asyncio.run(run())


def test_cancel(workshop: Workshop) -> None:
    async def run() -> None:
        begun = asyncio.Event()

        async def program(job: Job, upper: Path) -> int:
            begun.set()
            await asyncio.sleep(60)
            return 0

        workshop.runner.program = program
        made = builder(workshop)
        task = asyncio.get_running_loop().create_task(
            made.build(request(workshop, "FROM base\nRUN x"), identity="mine")
        )
        await begun.wait()
        made.cancel("mine")
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(NotFound):
            made.cancel("mine")
        assert workshop.world.layers.total_size() == 0

    asyncio.run(run())
