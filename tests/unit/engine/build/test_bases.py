"""Base images."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.building import NoAgents, Workshop
from tests.fakes.images import HOST

from carrack.dockerfile import file
from carrack.engine.build.bases import ImageBases
from carrack.engine.build.progress import Silent, Vertex
from carrack.engine.build.request import Files, Request
from carrack.errors import NotFound
from carrack.oci import document, reference
from carrack.oci import platform as platforms

VERTEX = Vertex.make("b", "base")


class FakePuller:
    """Pulls by adding an image of that name to the store."""

    def __init__(self, workshop: Workshop, known: set[str]) -> None:
        self._workshop = workshop
        self._known = known
        self.pulled: list[str] = []

    async def pull(self, name: Any, credentials: Any, emit: Any, *, platform: Any = None) -> list[Any]:
        self.pulled.append(name.familiar)
        if name.familiar not in self._known:
            raise NotFound("manifest unknown")
        await emit({"status": "Downloading", "id": "a", "progressDetail": {"current": 1, "total": 2}})
        return [await made(self._workshop, name.familiar)]


async def made(workshop: Workshop, name: str) -> Any:
    config: dict[str, Any] = {"architecture": "amd64", "os": "linux", "config": {"Env": ["A=1"]}}
    config["rootfs"] = {"type": "layers", "diff_ids": []}
    config["history"] = [{"created_by": "x", "empty_layer": True}]
    image, _ = await workshop.world.store.add(document.encode(config), [reference.parse(name)])
    return image


def request(**more: Any) -> Request:
    async def context() -> Files:
        raise AssertionError

    return Request(file.parse("FROM x"), context, HOST, HOST, NoAgents(), **more)


def test_what_is_here_is_not_pulled(workshop: Workshop) -> None:
    async def run() -> None:
        image = await made(workshop, "here:latest")
        puller = FakePuller(workshop, {"here:latest"})
        bases = ImageBases(workshop.world.store, workshop.world.layers, puller)  # type: ignore[arg-type]
        for name in ("here", "docker-image://here", image.id):
            result = await bases.result(name, HOST, request(), VERTEX, Silent())
            assert (result.base, len(result.history)) == (image.id, 1)
            assert "A=1" in result.state.config["Env"]
        assert puller.pulled == []
        await bases.result("here", HOST, request(pull=True), VERTEX, Silent())
        assert puller.pulled == ["here:latest"]

    asyncio.run(run())


def test_one_for_another_platform_is_taken_by_classic_builds_alone(workshop: Workshop) -> None:
    async def run() -> None:
        image = await made(workshop, "here:1")
        puller = FakePuller(workshop, set())
        bases = ImageBases(workshop.world.store, workshop.world.layers, puller)  # type: ignore[arg-type]
        arm = platforms.parse("linux/arm64")
        found = await bases.result("here:1", arm, request(style="classic"), VERTEX, Silent())
        assert (found.base, str(found.platform)) == (image.id, "linux/amd64")
        assert puller.pulled == []
        for more in ({}, {"style": "classic", "pull": True}):
            with pytest.raises(NotFound, match="manifest unknown"):
                await bases.result("here:1", arm, request(**more), VERTEX, Silent())
        assert puller.pulled == ["here:1", "here:1"]

    asyncio.run(run())


def test_what_is_not_here_is_pulled(workshop: Workshop) -> None:
    async def run() -> None:
        puller = FakePuller(workshop, {"far:1"})
        bases = ImageBases(workshop.world.store, workshop.world.layers, puller)  # type: ignore[arg-type]
        assert (await bases.result("far:1", HOST, request(), VERTEX, Silent())).base
        with pytest.raises(
            NotFound,
            match=r"gone: failed to resolve .* for docker.io/library/gone:latest: manifest unknown",
        ):
            await bases.result("gone", HOST, request(), VERTEX, Silent())
        with pytest.raises(NotFound):
            await bases.result("sha256:" + "0" * 64, HOST, request(), VERTEX, Silent())

    asyncio.run(run())
