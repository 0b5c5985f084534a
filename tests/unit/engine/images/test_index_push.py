"""Images for several platforms: the whole index where all of it is to be had, else the one that is here."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import World, config_for, oci_layout, pointer, sha, stream, tar
from tests.fakes.pulling import pulling
from tests.fakes.registry import FakeRegistry
from tests.unit.engine.images.test_push import push

from carrack.oci import attestation, manifest, media_types, reference
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


@pytest.mark.census("image push*", "image manifest list / OCI index")
def test_attestations_go_with_it_byte_for_byte(tmp_path: Path, registry: FakeRegistry) -> None:
    with pulling(tmp_path / "d") as (world, source):
        there = source.content
        image = there.add_image("app", "", [LAYERS["amd64"]])
        said = [there.add_attestation("app", image.manifest, b'{"one": 1}'), there.add_attestation("app", "", b"{}")]
        digest = there.add_index("app", "1", [(image, "linux/amd64")], said=said[:1], annotations={"a": "b"})
        (found,) = world.pull(f"{source.host}/app:1")
        asyncio.run(world.store.tag(found, reference.parse(f"{registry.host}/copy:1")))
        told = push(world, f"{registry.host}/copy:1")
    assert told[-1]["aux"]["Digest"] == digest == registry.content.tags["copy"]["1"]
    expected = {each: there.manifests["app"][each] for each in (image.manifest, digest, said[0]["digest"])}
    assert registry.content.manifests["copy"] == expected
    blobs = {name for name in there.repositories["app"] if name != sha(b"{}")}
    assert registry.content.repositories["copy"] == blobs


def test_what_is_said_of_an_image_that_is_not_here_must_be_there(tmp_path: Path, registry: FakeRegistry) -> None:
    with pulling(tmp_path / "d") as (world, source):
        there = source.content
        images = {name: there.add_image("app", "", [LAYERS[name]], architecture=name) for name in LAYERS}
        said = [there.add_attestation("app", images[name].manifest, name.encode()) for name in LAYERS]
        digest = there.add_index("app", "1", [(image, f"linux/{name}") for name, image in images.items()], said=said)
        (found,) = world.pull(f"{source.host}/app:1")
        asyncio.run(world.store.tag(found, reference.parse(f"{registry.host}/copy:1")))
        push(world, f"{registry.host}/copy:1")
        assert registry.content.tags["copy"]["1"] == images["amd64"].manifest
        push(world, f"{source.host}/app:1")
        assert there.tags["app"]["1"] == digest
        world.pull(f"{source.host}/app:1", platform=Platform("linux", "arm64"))
        push(world, f"{registry.host}/copy:1")
    assert registry.content.tags["copy"]["1"] == digest


def plain(name: str) -> bytes:
    """An archive of an index made on this host: plain tars, and statements that tell of them."""
    blobs: dict[str, bytes] = {}

    def put(kind: str, data: bytes, **more: Any) -> dict[str, Any]:
        blobs[f"blobs/sha256/{sha(data)[7:]}"] = data
        return pointer(kind, data) | more

    entries = []
    for each, layer in LAYERS.items():
        bare = put(media_types.OCI_LAYER, layer)
        config = put(media_types.OCI_CONFIG, config_for([layer], architecture=each))
        body = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config, "layers": [bare]}
        body["annotations"] = {"for": each}
        where = {"os": "linux", "architecture": each}
        image = put(media_types.OCI_MANIFEST, json.dumps(body).encode(), platform=where)
        subject = attestation.subject(f"pkg:docker/{each}", image["digest"])
        statement = {"_type": "s", "subject": [subject], "predicateType": "p", "predicate": {"layers": [bare]}}
        made = attestation.attach(image["digest"], [("p", json.dumps(statement).encode())])
        blobs.update({f"blobs/sha256/{key[7:]}": data for key, data in made.blobs.items()})
        entries += [image, made.entries[0].document()]
    kind = media_types.OCI_INDEX
    index = put(kind, json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode())
    whole = {"schemaVersion": 2, "manifests": [index | {"annotations": {"io.containerd.image.name": name}}]}
    return tar({**blobs, "index.json": json.dumps(whole).encode(), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'})


def test_one_that_was_made_here_is_made_anew_of_compressed_layers(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    asyncio.run(world.loader.load(stream(plain(name))))
    push(world, name)
    _, digest, data = registry.content.manifest("app", "1") or ("", "", b"")
    index = manifest.parse_index(data)
    assert [attestation.is_attestation(each) for each in index.manifests] == [False, False, True, True]
    for image, said in zip(index.manifests[:2], index.manifests[2:], strict=True):
        assert said.annotations[attestation.OF] == image.digest
        parsed = manifest.parse(registry.content.manifests["app"][image.digest][1])
        claims = manifest.parse(registry.content.manifests["app"][said.digest][1])
        assert isinstance(parsed, manifest.Manifest)
        assert isinstance(claims, manifest.Manifest)
        (layer,) = parsed.layers
        assert image.platform is not None
        architecture = image.platform.architecture
        assert parsed.annotations == {"for": architecture}
        assert gzip.decompress(blob(registry, layer.digest)) == LAYERS[architecture]
        statement = json.loads(blob(registry, claims.layers[0].digest))
        assert statement["subject"][0]["digest"]["sha256"] == image.digest[7:]
        assert statement["predicate"]["layers"] == [layer.document()]
    kept = world.store.named(reference.parse(name))
    assert kept is not None
    assert (kept.index, kept.repo_digests) == (digest, (f"{registry.host}/app@{digest}",))
    assert len(world.store.siblings(kept)) == 1
    registry.requests.clear()
    push(world, name)
    assert registry.content.tags["app"]["1"] == digest
    assert not registry.asked("POST")
    asyncio.run(world.store.collect())
    asyncio.run(world.reopen())
    push(world, name)
    assert registry.content.tags["app"]["1"] == digest


def blob(registry: FakeRegistry, digest: str) -> bytes:
    found = registry.content.blobs[digest]
    assert isinstance(found, bytes)
    return found
