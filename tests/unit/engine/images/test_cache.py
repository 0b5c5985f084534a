"""Compressed layers of removed images: kept within a budget and a share of the disk, over a restart, until used."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.images import World, config_for, oci_layout, sha, stream, tar
from tests.fakes.pulling import pulling
from tests.fakes.registry_faults import Fault

from carrack.engine.images.cache import BlobCache
from carrack.engine.images.policy import parse
from carrack.errors import NotFound
from carrack.storage.gc import Garbage, Stored
from carrack.storage.records import Records

LAYERS = [tar({"data": bytes([number]) * 3000}) for number in range(3)]
BLOBS = [sha(gzip.compress(layer, mtime=0)) for layer in LAYERS]
SIZES = [len(gzip.compress(layer, mtime=0)) for layer in LAYERS]


def load(world: World, number: int) -> None:
    layer = LAYERS[number]
    asyncio.run(world.loader.load(stream(oci_layout(config_for([layer]), [layer], f"app:{number}"))))


def remove(world: World, number: int) -> None:
    asyncio.run(world.remover.remove(f"app:{number}"))


def kept(world: World) -> list[str]:
    assert {blob.digest for blob in world.layers.cache.blobs} == set(world.content.digests())
    return [blob.digest for blob in world.layers.cache.blobs]


def test_nothing_is_kept_without_a_budget(world: World) -> None:
    load(world, 0)
    remove(world, 0)
    assert kept(world) == []


def test_the_newest_that_fit_are_kept_also_over_a_restart(world: World) -> None:
    world.layers.cache.budget = SIZES[1] + SIZES[2]
    for number in range(3):
        load(world, number)
    for number in range(3):
        remove(world, number)
    assert kept(world) == [BLOBS[2], BLOBS[1]]
    assert world.layers.total_size() == 0

    async def again() -> None:
        world.records.close()
        world.open()
        world.layers.cache.budget = SIZES[2]
        await world.store.start()

    asyncio.run(again())
    assert kept(world) == [BLOBS[2]]


def test_what_an_image_needs_again_is_the_images(world: World) -> None:
    world.layers.cache.budget = 1 << 20
    load(world, 0)
    remove(world, 0)
    load(world, 0)
    asyncio.run(world.store.collect())
    assert world.layers.cache.blobs == ()
    world.layers.cache.budget = 0
    asyncio.run(world.store.collect())
    assert world.content.has(BLOBS[0])


def test_a_prune_keeps_nothing_and_one_of_all_gives_all_back(world: World) -> None:
    world.layers.cache.budget = 1 << 20
    load(world, 0)
    load(world, 1)
    remove(world, 0)
    asyncio.run(world.remover.prune({"dangling": ["true"]}))
    assert [blob.digest for blob in world.layers.cache.blobs] == [BLOBS[0]]
    asyncio.run(world.remover.prune({"dangling": ["false"]}))
    assert kept(world) == []


def test_rules_take_from_it_and_do_not_feed_it(world: World) -> None:
    world.layers.cache.budget = 1 << 20
    load(world, 0)
    load(world, 1)
    remove(world, 0)
    plan = asyncio.run(world.keeper.plan(parse({"max-size": "1"})))
    assert (plan.plan.steps[0].image, plan.plan.steps[0].cached) == (BLOBS[0], True)
    outcome = asyncio.run(world.keeper.run(parse({"max-size": "1"}))).document()
    assert outcome["SizeAfter"] == 0
    assert kept(world) == []
    assert list(world.content.digests()) == []


def test_scarce_room_ends_it(world: World) -> None:
    world.layers.cache.budget = 1 << 20
    load(world, 0)
    remove(world, 0)
    assert not world.layers.cache.excessive()
    world.layers.cache._room = lambda: (1000, 50)
    asyncio.run(world.keeper.tidy())
    assert kept(world) == []


def test_the_next_pull_asks_for_no_blob_that_is_kept(tmp_path: Path) -> None:
    with pulling(tmp_path / "d") as (world, registry):
        world.layers.cache.budget = 1 << 20
        stored = registry.content.add_image("app", "1", LAYERS[:2])
        name = f"{registry.host}/app:1"
        registry.faults.append(Fault(f"/blobs/{stored.layers[1]}", times=None, status=404, code="BLOB_UNKNOWN"))
        with pytest.raises(NotFound):
            world.pull(name)
        assert {blob.digest for blob in world.layers.cache.blobs} <= {stored.layers[0]}  # as far as it came
        registry.faults.clear()
        (image,) = world.pull(name)
        asyncio.run(world.store.collect())
        assert list(world.layers.cache.blobs) == []
        asyncio.run(world.store.remove(image))
        asyncio.run(world.store.collect(feed=True))
        assert sorted(blob.digest for blob in world.layers.cache.blobs) == sorted(stored.layers)
        registry.requests.clear()
        world.pull(name)
        assert [each.target for each in registry.asked("GET", "/blobs/") if stored.config not in each.target] == []


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    made = Records(tmp_path / "meta.db")
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("total", "free", "wanted"), [(1000, 130, ["b", "a"]), (1000, 105, ["a"]), (1000, 100, []), (1000, 20, [])]
)
def test_a_tenth_of_the_disk_stays_free(records: Records, total: int, free: int, wanted: list[str]) -> None:
    cache = BlobCache(records, {"a": 5, "b": 20}.__getitem__, lambda: (total, free))
    cache.budget = 100
    stored = Stored({"la": "a", "lb": "b", "lc": None}, {"la", "lb"}, {"a", "b"}, {"a", "b"})
    found = Garbage(frozenset({"la", "lb", "lc"}), frozenset({"la"}), frozenset({"a", "b"}), frozenset({"a", "b"}))
    rest, blobs = cache.spare(found, stored, feed=True)
    assert sorted(blob.digest for blob in blobs) == sorted(wanted)
    assert rest.blob_files == rest.blob_rows == {"a", "b"} - set(wanted)
    assert rest.layer_rows == found.layer_rows


def test_compressed_layers_are_discarded_where_the_tar_is_kept(world: World) -> None:
    world.layers.cache.budget = 1 << 20
    load(world, 0)
    remove(world, 0)
    load(world, 0)
    asyncio.run(world.keeper.tidy())
    assert world.content.has(BLOBS[0])
    world.keeper.rules = parse({"compressed": "discard"})

    async def held() -> None:
        async with world.layers.hold([sha(LAYERS[0])]):  # somebody pushes it
            await world.keeper.tidy()

    asyncio.run(held())
    assert world.content.has(BLOBS[0])
    asyncio.run(world.keeper.tidy())
    assert not world.content.has(BLOBS[0])
    file, blob, _ = world.layers.open(sha(LAYERS[0]))
    with file:
        assert file.read() == LAYERS[0]
    assert (blob.digest, world.layers.blobs([sha(LAYERS[0])])) == (sha(LAYERS[0]), [])
    asyncio.run(world.reopen())
    assert world.layers.get(sha(LAYERS[0])).blob is None


def test_drivers_without_tars_keep_what_is_compressed(tmp_path: Path) -> None:
    world = World(tmp_path, keeps_tar=False)
    load(world, 0)
    world.keeper.rules = parse({"compressed": "discard"})
    asyncio.run(world.keeper.tidy())
    assert world.content.has(BLOBS[0])
    world.close()
