"""Images in OCI layouts of a client's."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import cast

import pytest
from tests.fakes.building import Workshop
from tests.fakes.caches import FakeTransfers, MemoryStore
from tests.fakes.images import HOST, config_for, pointer, sha, tar

from carrack.engine.build.layouts import Layouts, parse
from carrack.engine.images.transfer import Transfers
from carrack.errors import CarrackError, InvalidArgument
from carrack.oci import document, media_types

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "folder"), [("oci-layout://a:latest@", "a"), ("oci-layout://a@", "a"), ("oci-layout:///x:y/b@", "/x:y/b")]
)
def test_names(text: str, folder: str) -> None:
    assert parse(text + DIGEST) == (folder, DIGEST)


@pytest.mark.parametrize("text", ["oci-layout://a:1", "oci-layout://a@b", f"oci-layout://@{DIGEST}"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)


def _store(indexed: bool, layer: bytes) -> tuple[MemoryStore, str]:
    store = MemoryStore()

    def put(media_type: str, data: bytes) -> dict[str, object]:
        store.blobs[sha(data)] = data
        return pointer(media_type, data)

    config = put(media_types.OCI_CONFIG, config_for([layer], config={"Env": ["A=1"]}))
    made = {"schemaVersion": 2, "config": config, "layers": [put(media_types.OCI_LAYER, layer)]}
    top = put(media_types.OCI_MANIFEST, document.encode(made))
    if indexed:
        entry = {**top, "platform": {"os": "linux", "architecture": "amd64"}}
        top = put(media_types.OCI_INDEX, document.encode({"schemaVersion": 2, "manifests": [entry]}))
    return store, str(top["digest"])


def _open(workshop: Workshop, store: MemoryStore, digest: str) -> tuple[object, ...]:
    async def run() -> tuple[object, ...]:
        world = workshop.world
        layouts = Layouts(world.layers, world.content, cast("Transfers", FakeTransfers(workshop)), HOST)
        async with AsyncExitStack() as held:
            result = await layouts.open(store, "folder", digest, HOST, held)
            assert world.layers.has(result.layers[0])
            assert "A=1" in result.state.config["Env"]
            return result.layers, result.pin

    return asyncio.run(run())


@pytest.mark.parametrize("indexed", [False, True])
def test_an_image(workshop: Workshop, indexed: bool) -> None:
    layer = tar({"f": b"text"})
    store, digest = _store(indexed, layer)
    assert _open(workshop, store, digest) == ((sha(layer),), digest)


def test_what_is_not_believed(workshop: Workshop) -> None:
    store, digest = _store(False, tar({"f": b"text"}))
    store.blobs[digest] += b" "
    with pytest.raises(CarrackError, match=r"is another document|has another size"):
        _open(workshop, store, digest)
    del store.blobs[digest]
    with pytest.raises(CarrackError, match="is not there"):
        _open(workshop, store, digest)
