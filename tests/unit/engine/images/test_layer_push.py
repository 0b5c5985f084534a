"""The layers of one push: several at once and no more, whose first failure ends the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, sha, stream, tar

from carrack.engine.images.layer_push import LayerPush, Parcel, Transfer
from carrack.engine.images.packing import Packer
from carrack.engine.images.progress import Line
from carrack.engine.images.push import PushServices
from carrack.errors import Internal, Unavailable
from carrack.oci import reference
from carrack.oci.descriptor import Descriptor

LAYERS = [tar({f"file{n}": bytes([n]) * 20_000}) for n in range(4)]


class Target:
    """Plays the repository: notes what it gets; uploads wait for `gate`."""

    def __init__(self) -> None:
        self.name = reference.parse("r.example/app")
        self.got: dict[str, bytes] = {}
        self.busy = self.most = 0
        self.gate, self.two = asyncio.Event(), asyncio.Event()
        self.refused: set[str] = set()

    async def size_of(self, digest: str) -> int | None:
        return len(self.got[digest]) if digest in self.got else None

    async def mount(self, digest: str, path: str) -> bool:
        return False

    async def upload_along(self, open: Any, described: Any) -> None:
        raise Unavailable("not in this way")

    async def upload(
        self, layer: Descriptor, open: Callable[[int], AsyncIterator[bytes]], progress: Callable[[int], None]
    ) -> None:
        self.busy += 1
        self.most = max(self.most, self.busy)
        if self.busy == 2:
            self.two.set()
        try:
            await self.gate.wait()
            if self.refused:
                raise Unavailable("no room at r.example")
            first = b"".join([piece async for piece in open(0)])
            assert b"".join([piece async for piece in open(100)]) == first[100:]
            assert len(first) == layer.size
            self.got[layer.digest] = first
        finally:
            self.busy -= 1


async def begin(world: World, slots: int) -> tuple[Target, Transfer, list[dict[str, Any]]]:
    await world.loader.load(stream(docker_archive([(config_for(LAYERS), LAYERS, ["app:1"])]), 100_000))
    told: list[dict[str, Any]] = []

    async def emit(message: dict[str, Any]) -> None:
        told.append(message)

    target: Any = Target()
    packer = Packer(world.layers, world.content)
    services = PushServices(world.store, world.layers, world.content, packer, world.events)
    return target, Transfer(target, services, asyncio.Semaphore(slots), Line(emit)), told


PARCELS = [Parcel(sha(layer), None) for layer in LAYERS]


@pytest.mark.census("image max-concurrent-uploads")
def test_no_more_than_may_at_once(world: World) -> None:
    async def run() -> None:
        target, transfer, told = await begin(world, 2)
        async with asyncio.TaskGroup() as group:
            work = group.create_task(LayerPush(transfer).push(PARCELS))
            await target.two.wait()
            assert [m["status"] for m in told].count("Waiting") == 2
            target.gate.set()
        arrived = work.result()
        assert target.most == 2
        assert [layer.digest for layer in arrived] == [transfer.services.layers.get(p.diff_id).blob for p in PARCELS]
        assert [m["id"] for m in told[:4]] == [p.diff_id[7:19] for p in reversed(PARCELS)]
        assert [m["progressDetail"]["total"] for m in told if m["status"] == "Pushing"]

    asyncio.run(run())


def test_the_first_failure_ends_all(world: World) -> None:
    async def run() -> None:
        target, transfer, _ = await begin(world, 4)
        target.refused.add("all")
        target.gate.set()
        with pytest.raises(Unavailable, match=r"no room at r\.example"):
            await LayerPush(transfer).push(PARCELS)
        assert (target.busy, target.got, transfer.slots._value) == (0, {}, 4)

    asyncio.run(run())


def test_one_layer_twice_is_sent_once(world: World) -> None:
    async def run() -> None:
        target, transfer, told = await begin(world, 4)
        target.gate.set()
        first, second = await LayerPush(transfer).push([PARCELS[0], PARCELS[0]])
        assert first == second
        assert [m["status"] for m in told].count("Pushed") == 1

    asyncio.run(run())


def test_a_file_that_ends_early(world: World) -> None:
    async def run() -> None:
        target, transfer, _ = await begin(world, 4)
        target.gate.set()
        layer = await transfer.services.packer.pack(PARCELS[0].diff_id)
        path = world.content.path(layer.digest)
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(Internal, match="ended early"):
            await LayerPush(transfer).push([Parcel(PARCELS[0].diff_id, layer)])
        path.unlink()
        with pytest.raises(Internal, match="cannot be made again"):
            await LayerPush(transfer).push([Parcel(PARCELS[0].diff_id, layer)])

    asyncio.run(run())
