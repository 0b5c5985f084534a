"""Pushing to a registry that is another program: what arrives there, and what the client is told."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, oci_layout, sha, stream, tar
from tests.fakes.pulling import Pulling
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_faults import Fault

from carrack.engine.images.packing import Packer
from carrack.engine.images.push import Pusher, PushServices
from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.oci import media_types, reference
from carrack.oci.platform import Platform
from carrack.registry.client import RegistryClient
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.settings import RegistrySettings

BASE, TOP = tar({"etc/hosts": bytes(range(256)) * 3000}), tar({"bin/app": b"y" * 5000})
CONFIG = config_for([BASE, TOP])


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def load(world: World, data: bytes) -> None:
    asyncio.run(world.loader.load(stream(data)))


def tag(world: World, source: str, name: str) -> None:
    async def run() -> None:
        await world.store.tag(await world.store.resolve(source), reference.parse(name))

    asyncio.run(run())


def push(
    world: World | Pulling, name: str, credentials: Credentials = ANONYMOUS, **options: Any
) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    async def emit(message: dict[str, Any]) -> None:
        told.append(message)

    async def run() -> None:
        client = RegistryClient(RegistrySettings(attempts=2))
        packer = Packer(world.layers, world.content)
        services = PushServices(world.store, world.layers, world.content, packer, world.events)
        try:
            await Pusher(services, client).push(reference.parse(name), credentials, emit, **options)
        finally:
            await client.close()

    asyncio.run(run())
    return told


def said(told: list[dict[str, Any]]) -> list[str]:
    return [f"{m.get('id', '')} {m['status']}".strip() for m in told if "status" in m and m["status"] != "Pushing"]


@pytest.mark.census("image push*", "event image push", "registry monolithic upload")
def test_what_was_never_sent_is_compressed_and_arrives_whole(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/team/app:1"
    load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))
    told = push(world, name)
    kind, digest, data = registry.content.manifest("team/app", "1") or ("", "", b"")
    manifest = json.loads(data)
    assert (kind, manifest["mediaType"]) == (media_types.OCI_MANIFEST, media_types.OCI_MANIFEST)
    blobs = registry.content.blobs
    assert blobs[manifest["config"]["digest"]] == CONFIG
    assert [gzip.decompress(blobs[layer["digest"]]) for layer in manifest["layers"]] == [BASE, TOP]  # type: ignore[arg-type]
    short = [sha(layer)[7:19] for layer in (TOP, BASE)]
    assert said(told)[:3] == [
        f"The push refers to repository [{registry.host}/team/app]",
        *(f"{s} Preparing" for s in short),
    ]
    assert {f"{s} Pushed" for s in short} <= set(said(told))
    assert told[-2:] == [
        {"status": f"1: digest: {digest} size: {len(data)}"},
        {"progressDetail": {}, "aux": {"Tag": "1", "Digest": digest, "Size": len(data)}},
    ]
    (image,) = world.store
    assert (image.manifest, image.repo_digests) == (digest, (f"{registry.host}/team/app@{digest}",))
    assert ("push", f"{registry.host}/team/app") in world.told


def test_a_second_push_sends_nothing_but_the_manifest(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/team/app:1"
    load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))
    push(world, name)
    uploads = len(registry.asked("POST"))
    tag(world, name, f"{registry.host}/team/app:2")
    assert said(push(world, f"{registry.host}/team/app:2")).count(f"{sha(TOP)[7:19]} Layer already exists") == 1
    assert len(registry.asked("POST")) == uploads
    assert registry.content.tags["team/app"]["1"] == registry.content.tags["team/app"]["2"]


@pytest.mark.census("registry blob mount cross-repo")
def test_layers_are_mounted_from_a_neighbour(world: World, registry: FakeRegistry) -> None:
    load(world, docker_archive([(CONFIG, [BASE, TOP], [f"{registry.host}/team/app:1"])]))
    push(world, f"{registry.host}/team/app:1")
    sent = len(registry.asked("PUT", "/blobs/"))
    tag(world, f"{registry.host}/team/app:1", f"{registry.host}/team/other:1")
    told = said(push(world, f"{registry.host}/team/other:1"))
    assert f"{sha(BASE)[7:19]} Mounted from team/app" in told
    assert len(registry.asked("PUT", "/blobs/")) == sent + 1  # the config
    registry.knobs.mounts = False
    tag(world, f"{registry.host}/team/app:1", f"{registry.host}/third:1")
    assert f"{sha(BASE)[7:19]} Pushed" in said(push(world, f"{registry.host}/third:1"))


def test_what_was_pulled_goes_out_byte_for_byte(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/copy:1"
    config = config_for([BASE])
    load(world, oci_layout(config, [BASE], name))
    (image,) = world.store
    kept = world.content.read(image.manifest, 1 << 20)
    push(world, name)
    found = registry.content.manifest("copy", "1")
    assert found is not None
    assert (found[1], found[2]) == (image.manifest, kept)


def test_plain_layers_of_an_archive_travel_compressed(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))

    async def saved() -> bytes:
        return b"".join([chunk async for chunk in world.saver.save([name])])

    archive = asyncio.run(saved())
    asyncio.run(world.remover.remove(name))
    load(world, archive)
    push(world, name)
    found = registry.content.manifest("app", "1")
    assert found is not None
    assert {layer["mediaType"] for layer in json.loads(found[2])["layers"]} == {media_types.OCI_LAYER_GZIP}


@pytest.mark.census("image push -a")
def test_all_tags(world: World, registry: FakeRegistry) -> None:
    names = [f"{registry.host}/app:{text}" for text in ("b", "a")]
    load(world, docker_archive([(CONFIG, [BASE, TOP], names)]))
    told = push(world, f"{registry.host}/app", all_tags=True)
    assert [m["aux"]["Tag"] for m in told if "aux" in m] == ["a", "b"]
    assert sorted(registry.content.tags["app"]) == ["a", "b"]


def test_what_is_not_here(world: World, registry: FakeRegistry) -> None:
    load(world, docker_archive([(CONFIG, [BASE, TOP], [f"{registry.host}/app:1"])]))
    with pytest.raises(NotFound, match=f"^tag does not exist: {registry.host}/app:2$"):
        push(world, f"{registry.host}/app:2")
    with pytest.raises(NotFound, match=r"^An image does not exist locally with the tag: nothing$"):
        push(world, "nothing")
    with pytest.raises(InvalidArgument, match="digest reference"):
        push(world, f"{registry.host}/app@{sha(b'')}")
    assert not registry.requests


def test_a_platform_that_the_image_is_not_for(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))
    with pytest.raises(NotFound, match=r"its platform \(linux/amd64\) does not match"):
        push(world, name, platform=Platform("linux", "arm64"))
    push(world, name, platform=Platform("linux", "amd64"))
    assert registry.content.tags["app"] == {"1": next(iter(world.store)).manifest}


def test_an_account_that_may_not(world: World) -> None:
    auth = Auth("bearer", {"me": "canary"}, rights=lambda user, repository, action: action == "pull")
    with FakeRegistry(auth=auth) as registry:
        name = f"{registry.host}/app:1"
        load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))
        with pytest.raises(CarrackError) as failure:
            push(world, name, Credentials("me", "canary"))
        assert registry.host in str(failure.value)
        assert "canary" not in str(failure.value)
        assert not registry.content.tags
        auth.rights = None
        push(world, name, Credentials("me", "canary"))
        assert registry.content.tags["app"]


def test_a_broken_upload_goes_on(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    big = tar({"noise": b"".join(sha(bytes([n % 256, n // 256])).encode() for n in range(40_000))})
    load(world, docker_archive([(config_for([big]), [big], [name])]))
    registry.faults += [
        Fault("/blobs/uploads/", "PATCH", take=300_000),
        Fault("/blobs/uploads/", "PUT", take=300_000, when=lambda asked: len(asked.headers["content-length"]) > 5),
    ]
    push(world, name)
    found = registry.content.manifest("app", "1")
    assert found is not None
    (layer,) = json.loads(found[2])["layers"]
    assert gzip.decompress(registry.content.blobs[layer["digest"]]) == big  # type: ignore[arg-type]
    assert registry.asked("PATCH")[1].headers["content-range"].startswith("300000-")


@pytest.mark.census("registry chunked upload PATCH")
def test_what_is_new_is_sent_while_it_is_compressed(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))
    push(world, name)
    patches = registry.asked("PATCH")
    assert {request.headers.get("transfer-encoding") for request in patches} == {"chunked"}
    assert len(patches) == 2


def test_where_nothing_can_be_sent_along_it_is_sent_afterwards(world: World, registry: FakeRegistry) -> None:
    registry.knobs.chunks = False
    name = f"{registry.host}/app:1"
    load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))
    push(world, name)
    manifest = json.loads((registry.content.manifest("app", "1") or ("", "", b""))[2])
    blobs = registry.content.blobs
    assert [gzip.decompress(blobs[layer["digest"]]) for layer in manifest["layers"]] == [BASE, TOP]  # type: ignore[arg-type]


def test_a_refusal_of_the_registry_ends_it(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    load(world, docker_archive([(CONFIG, [BASE, TOP], [name])]))
    registry.faults.append(Fault("/manifests/", "PUT", status=400, code="MANIFEST_INVALID", message="not today"))
    with pytest.raises(CarrackError, match="not today"):
        push(world, name)
    assert not next(iter(world.store)).repo_digests
    push(world, name)
    assert world.leavings() == []


def test_layers_whose_bytes_are_gone_make_a_new_manifest(world: World, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app:1"
    config = config_for([BASE])
    load(world, oci_layout(config, [BASE], name))
    (image,) = world.store
    blob = world.layers.get(sha(BASE)).blob
    assert blob is not None
    world.content.delete(blob)
    push(world, name)
    found = registry.content.manifest("app", "1")
    assert found is not None
    assert found[1] != image.manifest
    (again,) = world.store
    assert again.manifest == found[1]


def test_layers_are_made_ready_before_anything_is_said_about_them(world: World) -> None:
    load(world, docker_archive([(CONFIG, [BASE, TOP], ["app:1"])]))

    async def run() -> None:
        packer = Packer(world.layers, world.content)
        services = PushServices(world.store, world.layers, world.content, packer, world.events)
        client = RegistryClient(RegistrySettings(attempts=2))
        pusher = Pusher(services, client)
        (image,) = list(world.store)
        assert packer.packed(image.diff_ids[0]) is None
        await pusher.ready([*image.diff_ids, image.diff_ids[0]])
        kept = [packer.packed(diff_id) for diff_id in image.diff_ids]
        assert [world.saver.layer(diff_id) for diff_id in image.diff_ids] == kept
        with pytest.raises(NotFound):
            await pusher.ready([sha(b"none")])
        await client.close()

    asyncio.run(run())
