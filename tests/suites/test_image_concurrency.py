"""Many requests at once: whatever their order, no image loses a layer and nothing is left behind.

Every step of a random schedule may fail as Docker's would (no such image, in use); it must never fail otherwise.
"""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.images import World, config_for, docker_archive, oci_layout, sha, stream, tar

from carrack.errors import Conflict, NotFound
from carrack.oci import reference

LAYERS = [tar({f"file{n}": bytes([n]) * 2000}) for n in range(4)]
STACKS = [[LAYERS[0]], LAYERS[:2], LAYERS[:3], [LAYERS[0], LAYERS[3]]]
CONFIGS = [config_for(stack) for stack in STACKS]
NAMES = ["app:0", "app:1", "app:2", "app:3"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def archive(number: int) -> bytes:
    if number % 2:
        return oci_layout(CONFIGS[number], STACKS[number], NAMES[number])
    return docker_archive([(CONFIGS[number], STACKS[number], [NAMES[number]])])


async def client(world: World, dice: random.Random) -> None:
    for _ in range(12):
        number = dice.randrange(4)
        try:
            match dice.choice(
                ["load", "load", "cancel", "remove", "remove id", "prune", "tag", "save", "hold", "collect"]
            ):
                case "load":
                    await world.loader.load(stream(archive(number)))
                case "cancel":
                    async with asyncio.timeout(dice.random() / 50):
                        await world.loader.load(stream(archive(number)))
                case "remove":
                    await world.remover.remove(NAMES[number])
                case "remove id":
                    await world.remover.remove(sha(CONFIGS[number]), force=True)
                case "prune":
                    await world.remover.prune({"dangling": ["false"]})
                case "tag":
                    image = await world.store.resolve(NAMES[number])
                    await world.store.tag(image, reference.parse(dice.choice(NAMES)))
                case "save":
                    saved = b"".join([chunk async for chunk in world.saver.save([NAMES[number]])])
                    assert saved.endswith(bytes(1024))
                case "hold":
                    image = await world.store.resolve(NAMES[number])
                    async with world.store.hold(image):
                        if image.id in [known.id for known in world.store]:
                            assert all(world.layers.has(diff_id) for diff_id in image.diff_ids)
                case _:
                    await world.store.collect()
        except (NotFound, Conflict, TimeoutError):
            continue


def settled(world: World) -> None:
    images = list(world.store)
    wanted = {diff_id for image in images for diff_id in image.diff_ids}
    assert {name for name in world.files.layers() if name != "check"} == wanted
    blobs = {image.id for image in images} | {image.manifest for image in images if image.manifest}
    kept = {world.layers.get(diff_id).blob for diff_id in wanted} - {None}
    assert set(world.content.digests()) == blobs | kept
    assert world.leavings() == []
    for image in images:
        for name in image.references:
            assert world.store.named(name) == image


@pytest.mark.parametrize("seed", range(6))
def test_random_schedules(world: World, seed: int) -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(client(world, random.Random(seed * 10 + number)))
        await world.store.collect()

    asyncio.run(run())
    settled(world)
    before = {image.id: image for image in world.store}
    asyncio.run(world.reopen())
    assert {image.id: image for image in world.store} == before
    settled(world)
