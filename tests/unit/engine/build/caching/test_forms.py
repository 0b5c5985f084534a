"""Layers in the form in which a cache is to have them."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.fakes.images import World, tar

from carrack.engine.build.caching.forms import Forms
from carrack.engine.build.caching.wanted import Form
from carrack.engine.images.packing import Packer
from carrack.oci import media_types

DATA = tar({"f": b"data" * 500})
DIFF_ID = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)

    async def fill() -> None:
        with world.content.ingest() as spool:
            spool.write(DATA)
            spool.finish()
            await world.layers.ensure(DIFF_ID, spool)

    asyncio.run(fill())
    yield world
    world.close()


def _formed(world: World, form: Form) -> tuple[str, bytes]:
    """The media type and the bytes; "" for the usual."""

    async def run() -> tuple[str, bytes]:
        forms = Forms(world.layers, world.content, Packer(world.layers, world.content))
        async with AsyncExitStack() as held:
            made = await forms.formed(DIFF_ID, form, held)
            if made is None:
                return "", b""
            file, _, _ = world.layers.open(DIFF_ID, made.digest)
            with file:
                data = file.read(made.size)
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == made.digest
            return made.media_type, data

    return asyncio.run(run())


def test_as_it_is(world: World) -> None:
    assert _formed(world, Form()) == ("", b"")
    assert _formed(world, Form("gzip")) == ("", b"")


def test_other_forms(world: World) -> None:
    kind, best = _formed(world, Form("gzip", 9))
    assert (kind, gzip.decompress(best)) == (media_types.OCI_LAYER_GZIP, DATA)
    assert gzip.decompress(_formed(world, Form("gzip", 0))[1]) == DATA
    assert len(best) < len(_formed(world, Form("gzip", 0))[1])
    assert _formed(world, Form("uncompressed")) == (media_types.OCI_LAYER, DATA)
    zstandard = pytest.importorskip("zstandard")
    kind, data = _formed(world, Form("zstd"))
    assert (kind, zstandard.decompress(data, len(DATA))) == (media_types.OCI_LAYER_ZSTD, DATA)
