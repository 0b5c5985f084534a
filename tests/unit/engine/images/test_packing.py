"""Layers are compressed once, whoever asks, and keep the digest that they got."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from tests.fakes.images import World, config_for, docker_archive, oci_layout, sha, stream, tar

from carrack.engine.images.packing import Growing, Packer
from carrack.errors import Internal, NotFound, Unavailable

LAYER = tar({"data": bytes(range(256)) * 8000})
DIFF_ID = sha(LAYER)


async def loaded(world: World) -> Packer:
    await world.loader.load(stream(docker_archive([(config_for([LAYER]), [LAYER], ["app:1"])]), 100_000))
    return Packer(world.layers, world.content)


def test_once_for_all(world: World) -> None:
    async def run() -> None:
        packer = await loaded(world)
        assert packer.packed(DIFF_ID) is None
        one, other = await asyncio.gather(packer.pack(DIFF_ID), packer.pack(DIFF_ID))
        assert one == other == packer.packed(DIFF_ID)
        assert gzip.decompress(world.content.path(one.digest).read_bytes()) == LAYER
        assert world.content.size(one.digest) == one.size
        assert world.leavings() == []
        await world.store.collect()
        assert world.content.has(one.digest)
        await world.reopen()
        assert Packer(world.layers, world.content).packed(DIFF_ID) == one
        await world.remover.remove("app:1")
        assert not world.content.has(one.digest)

    asyncio.run(run())


def test_what_came_compressed_stays_as_it_came(world: World) -> None:
    async def run() -> None:
        await world.loader.load(stream(oci_layout(config_for([LAYER]), [LAYER], "app:1"), 100_000))
        packer = Packer(world.layers, world.content)
        packed = await packer.pack(DIFF_ID)
        assert packed.digest == world.layers.get(DIFF_ID).blob == sha(gzip.compress(LAYER, mtime=0))
        with pytest.raises(NotFound):
            packer.packed(sha(b""))

    asyncio.run(run())


def test_a_driver_that_keeps_no_tar(tmp_path: Path) -> None:
    world = World(tmp_path, keeps_tar=False)

    async def run() -> None:
        packer = await loaded(world)
        packed = await packer.pack(DIFF_ID)
        await world.store.collect()
        assert gzip.decompress(world.content.path(packed.digest).read_bytes()) == LAYER
        assert not world.content.has(DIFF_ID)  # the plain form said nothing more

    asyncio.run(run())
    world.close()


def test_bytes_that_have_changed_are_not_sent(world: World) -> None:
    async def run() -> None:
        packer = await loaded(world)
        path = world.files.folder / DIFF_ID
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(Internal, match="have changed on disk"):
            await packer.pack(DIFF_ID)
        assert packer.packed(DIFF_ID) is None
        path.write_bytes(LAYER[:-512])
        with pytest.raises(Internal, match="have changed on disk"):
            await packer.pack(DIFF_ID)
        assert world.leavings() == []

    asyncio.run(run())


def test_who_goes_away_leaves_nothing(world: World) -> None:
    async def run() -> None:
        packer = await loaded(world)
        task = asyncio.get_running_loop().create_task(packer.pack(DIFF_ID))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.leavings() == []
        assert await packer.pack(DIFF_ID)

    asyncio.run(run())


def test_who_sends_it_reads_along(world: World) -> None:
    async def run() -> None:
        packer = await loaded(world)
        got: list[bytes] = []

        async def send(growing: Growing) -> None:
            got.extend([piece async for piece in growing.chunks()])
            assert (await growing.whole()).size == len(b"".join(got))

        packed = await packer.pack(DIFF_ID, send)
        assert sha(b"".join(got)) == packed.digest
        assert await packer.pack(DIFF_ID, send) == packed
        assert sha(b"".join(got)) == packed.digest

    asyncio.run(run())


def test_who_reads_along_is_told_of_a_failure(world: World) -> None:
    async def run() -> None:
        packer = await loaded(world)
        path = world.files.folder / DIFF_ID
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        told: list[BaseException] = []

        async def send(growing: Growing) -> None:
            try:
                [piece async for piece in growing.chunks()]
            except Unavailable as error:
                told.append(error)

        with pytest.raises(Internal, match="have changed on disk"):
            await packer.pack(DIFF_ID, send)
        assert len(told) in (0, 1)  # it may have been stopped before
        assert world.leavings() == []

    asyncio.run(run())
