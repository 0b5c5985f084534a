"""Images for several platforms: the whole index where all of it is to be had, else the one that is here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.images import World, config_for, oci_layout, sha, stream, tar
from tests.fakes.registry import FakeRegistry
from tests.unit.engine.images.test_push import push

from carrack.oci import media_types, reference
from carrack.oci.platform import Platform

LAYERS = {name: tar({"bin/app": name.encode()}) for name in ("amd64", "arm64")}


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def pulled(world: World, name: str, *architectures: str, listed: tuple[str, ...] = ("amd64", "arm64")) -> str:
    """Make the images of an index that lists more than are here; gives the index's digest."""

    async def run() -> str:
        found: dict[str, Any] = {}
        for each in listed:
            config = config_for([LAYERS[each]], architecture=each)
            await world.loader.load(stream(oci_layout(config, [LAYERS[each]])), platform=Platform("linux", each))
            image = await world.store.resolve(sha(config))
            data = world.content.read(image.manifest, 1 << 20)
            found[each] = (config, data)
        entries = [
            {"mediaType": media_types.OCI_MANIFEST, "digest": sha(data), "size": len(data),
             "platform": {"architecture": each, "os": "linux"}}
            for each, (_, data) in found.items()
        ]  # fmt: skip
        kind = media_types.OCI_INDEX
        index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
        for each, (config, data) in found.items():
            if each in architectures:
                names = [reference.parse(name)] if each == architectures[0] else []
                await world.store.add(config, names, manifest=data, index=index)
            else:
                await world.store.remove(await world.store.resolve(sha(config)))
        await world.store.collect()
        return sha(index)

    return asyncio.run(run())


@pytest.mark.census("image manifest list / OCI index")
def test_the_whole_index(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    digest = pulled(world, name, "amd64", "arm64")
    told = push(world, name)
    assert registry.content.tags["app"] == {"1": digest}
    assert len(registry.content.manifests["app"]) == 3
    assert told[-1]["aux"]["Digest"] == digest
    image = world.store.named(reference.parse(name))
    assert image is not None
    assert image.repo_digests == (f"{registry.host}/app@{digest}",)


@pytest.mark.census("image push --platform")
def test_one_platform_of_it(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    pulled(world, name, "amd64", "arm64")
    push(world, name, platform=Platform("linux", "arm64"))
    found = registry.content.manifest("app", "1")
    assert found is not None
    config = registry.content.blobs[json.loads(found[2])["config"]["digest"]]
    assert json.loads(config)["architecture"] == "arm64"  # type: ignore[arg-type]


def test_what_is_not_all_here_goes_alone(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    digest = pulled(world, name, "amd64")
    told = push(world, name)
    (note,) = [m["aux"] for m in told if "manifestPushedInsteadOfIndex" in m.get("aux", {})]
    image = world.store.named(reference.parse(name))
    assert image is not None
    assert note["originalIndex"]["digest"] == digest
    assert note["selectedManifest"]["digest"] == image.manifest == registry.content.tags["app"]["1"]


def test_what_is_there_need_not_be_here(world: World, registry: FakeRegistry) -> None:
    other = registry.content.add_image("app", "", [LAYERS["arm64"]], architecture="arm64")
    assert other.manifest
    name = f"{registry.host}/app:1"
    pulled(world, name, "amd64", "arm64")
    push(world, name)
    image = world.store.named(reference.parse(name))
    assert image is not None
    index = image.index
    arm = world.store.siblings(image)[0]
    asyncio.run(world.remover.remove(arm.id))
    push(world, name)
    assert registry.content.tags["app"]["1"] == index
