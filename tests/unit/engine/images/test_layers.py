"""Layers: made once, kept while needed, honest about their bytes."""

import asyncio
import gzip
from pathlib import Path

import pytest
from tests.fakes.images import World, sha, tar

from carrack.engine.images.layers import check_count
from carrack.errors import Conflict, Internal, InvalidArgument, NotFound
from carrack.storage.gc import ImageRoots

BASE = tar({"a": b"x" * 5000})


async def make(world: World, data: bytes, diff_id: str) -> bool:
    with world.content.ingest() as spool:
        spool.write(data)
        spool.finish()
        async with world.layers.hold([diff_id]):
            return await world.layers.ensure(diff_id, spool)


def collect(world: World, *kept: str) -> int:
    return asyncio.run(world.layers.collect(lambda: [ImageRoots(kept, ())], list))


def test_made_once(world: World) -> None:
    assert asyncio.run(make(world, BASE, sha(BASE)))
    assert not asyncio.run(make(world, BASE, sha(BASE)))
    assert world.files.applied == [sha(BASE)]
    assert world.layers.get(sha(BASE)).blob is None
    assert world.layers.total_size() == len(BASE)
    with pytest.raises(NotFound):
        world.layers.get(sha(b""))


def test_a_file_that_vanished_is_made_again(world: World) -> None:
    asyncio.run(make(world, BASE, sha(BASE)))
    world.files.remove_layer(sha(BASE))
    assert not world.layers.has(sha(BASE))
    assert asyncio.run(make(world, BASE, sha(BASE)))


def test_a_failed_layer_leaves_nothing(world: World) -> None:
    with pytest.raises(InvalidArgument):
        asyncio.run(make(world, BASE, sha(b"another")))
    assert world.leavings() == []
    assert not world.layers.has(sha(b"another"))


def test_compressed_layers_keep_their_blob(world: World) -> None:
    zipped = gzip.compress(BASE)
    asyncio.run(make(world, zipped, sha(BASE)))
    file, blob, media_type = world.layers.open(sha(BASE))
    with file:
        assert file.read() == zipped
    assert (blob.digest, media_type.rpartition("+")[2]) == (sha(zipped), "gzip")
    assert collect(world, sha(BASE)) == 0
    assert world.content.has(sha(zipped))
    assert collect(world) == len(BASE)
    assert not world.content.has(sha(zipped))


def test_a_lost_blob_falls_back_to_the_tar(world: World) -> None:
    zipped = gzip.compress(BASE)
    asyncio.run(make(world, zipped, sha(BASE)))
    world.content.delete(sha(zipped))
    file, blob, _ = world.layers.open(sha(BASE))
    file.close()
    assert blob.digest == sha(BASE)
    world.files.keeps_tar = False
    with pytest.raises(Internal, match="were not kept"):
        world.layers.open(sha(BASE))


def test_layers_in_use_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(make(world, BASE, sha(BASE)))

    def refuse(diff_id: str) -> None:
        raise Conflict(f"{diff_id} is in use")

    monkeypatch.setattr(world.files, "remove_layer", refuse)
    assert collect(world) == len(BASE)
    assert world.files.has_layer(sha(BASE))


def test_counts() -> None:
    check_count(("a",), 1)
    with pytest.raises(InvalidArgument, match="expected 1, got 2"):
        check_count(("a",), 2)


def test_rows_survive(world: World, tmp_path: Path) -> None:
    asyncio.run(make(world, BASE, sha(BASE)))
    world.records.close()
    world.open()
    world.layers.load()
    assert world.layers.get(sha(BASE)).size == len(BASE)
