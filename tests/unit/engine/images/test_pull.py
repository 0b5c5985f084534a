"""Pulls from a registry: what is told, what is kept, what is asked for, names, platforms, tags, events."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import tar
from tests.fakes.pulling import Pulling, pulling
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault

from carrack.engine.images.pull import Puller
from carrack.errors import NotFound
from carrack.oci import platform as platforms
from carrack.oci import reference
from carrack.registry.repository import Repository

BASE = tar({"etc/hosts": b"x" * 3000})
TOP = tar({"app": os.urandom(200_000)})


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Pulling, FakeRegistry]]:
    with pulling(tmp_path / "d") as made:
        yield made


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("compression", ["gzip", "zstd", ""])
def test_an_image_comes_whole_and_as_it_was(both: Any, docker: bool, compression: str) -> None:
    world, registry = both
    content = registry.content
    stored = content.add_image("team/app", "1", [BASE, TOP], docker=docker, compression=compression)
    (image,) = world.pull(f"{registry.host}/team/app:1")
    assert (image.id, image.manifest, image.index) == (stored.config, stored.manifest, "")
    assert image.diff_ids == stored.diff_ids
    assert image.tags == (f"{registry.host}/team/app:1",)
    assert image.repo_digests == (f"{registry.host}/team/app@{stored.manifest}",)
    assert world.content.read(stored.manifest, 1 << 20) == content.manifest("team/app", "1")[2]
    for diff_id, blob, data in zip(stored.diff_ids, stored.layers, (BASE, TOP), strict=True):
        with world.files.open_tar(diff_id) as file:
            assert file.read() == data
        assert world.content.has(blob) is bool(compression)
    world.reopen()
    assert [kept.id for kept in world.store] == [image.id]
    assert world.leavings() == []


def test_what_is_told(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("team/app", "1", [BASE, TOP])
    name = f"{registry.host}/team/app:1"
    world.pull(name)
    base, top = (blob[7:19] for blob in stored.layers)
    assert world.said[:3] == ["1: Pulling from team/app", f"{base}: Pulling fs layer", f"{top}: Pulling fs layer"]
    stages = ["Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete"]
    for short in (base, top):
        assert [line.partition(": ")[2] for line in world.said if line.startswith(short)] == stages
    assert world.said[-2:] == [f"Digest: {stored.manifest}", f"Status: Downloaded newer image for {name}"]
    counted = [m for m in world.messages if m.get("id") == top and m["progressDetail"]]
    assert {m["status"] for m in counted} == {"Downloading", "Extracting"}
    assert counted[-1]["progressDetail"]["current"] == counted[-1]["progressDetail"]["total"] > 200_000
    (event,) = world.events._past(None, None, lambda event: True)
    assert (event.action, event.actor_id) == ("pull", name)
    assert event.attributes == {"name": f"{registry.host}/team/app"}


def test_an_unchanged_tag_costs_one_head(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "1", [BASE])
    name = f"{registry.host}/app:1"
    world.pull(name)
    registry.requests.clear()
    world.messages.clear()
    world.pull(name)
    assert [(r.method, r.target) for r in registry.requests] == [("HEAD", "/v2/app/manifests/1")]
    assert world.said == [
        "1: Pulling from app", f"Digest: {stored.manifest}", f"Status: Image is up to date for {name}",
    ]  # fmt: skip
    registry.knobs.heads = False
    registry.requests.clear()
    world.pull(name)
    assert [r.method for r in registry.requests] == ["HEAD", "GET"]


def test_a_tag_moves_and_shared_layers_stay(both: Any) -> None:
    world, registry = both
    first = registry.content.add_image("app", "1", [BASE])
    name = f"{registry.host}/app:1"
    world.pull(name)
    second = registry.content.add_image("app", "1", [BASE, TOP])
    world.messages.clear()
    registry.requests.clear()
    world.pull(name)
    assert f"{first.layers[0][7:19]}: Already exists" in world.said
    assert not registry.asked("GET", first.layers[0])
    found = {image.id: image.tags for image in world.store}
    assert found == {first.config: (), second.config: (name,)}
    registry.content.tags["app"]["2"] = second.manifest
    registry.requests.clear()
    world.pull(f"{registry.host}/app:2")
    assert [r.method for r in registry.requests] == ["HEAD"]
    assert world.said[-1] == f"Status: Downloaded newer image for {registry.host}/app:2"


def test_by_digest(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "1", [BASE])
    name = f"{registry.host}/app@{stored.manifest}"
    (image,) = world.pull(name)
    assert image.tags == ()
    assert image.repo_digests == (name,)
    assert world.said[0] == f"{name}: Pulling from app"
    assert world.said[-1] == f"Status: Downloaded newer image for {name}"
    (image,) = world.pull(f"{registry.host}/app:1@{stored.manifest}")
    assert image.tags == (), "of tag and digest the digest counts"
    assert world.said[-1].startswith("Status: Image is up to date for ")


@pytest.mark.parametrize("docker", [False, True])
def test_platforms_of_an_index(both: Any, docker: bool) -> None:
    world, registry = both
    content = registry.content
    amd = content.add_image("app", "", [BASE], docker=docker)
    arm = content.add_image("app", "", [BASE, TOP], architecture="arm64", docker=docker)
    index = content.add_index("app", "1", [(arm, "linux/arm64/v8"), (amd, "linux/amd64")], docker=docker)
    name = f"{registry.host}/app:1"
    (image,) = world.pull(name)
    assert (image.id, image.manifest, image.index) == (amd.config, amd.manifest, index)
    assert image.repo_digests == (f"{registry.host}/app@{index}",)
    assert f"Digest: {index}" in world.said
    assert world.content.has(index)
    (other,) = world.pull(name, platform=platforms.parse("linux/arm64"))
    assert (other.id, other.index) == (arm.config, index)
    assert [sibling.id for sibling in world.store.siblings(other)] == [amd.config]
    registry.requests.clear()
    (image,) = world.pull(name)
    assert image.id == amd.config
    assert [r.method for r in registry.requests] == ["HEAD"]
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x in the manifest list entries"):
        world.pull(name, platform=platforms.parse("linux/s390x"))
    assert world.leavings() == []


def test_a_lone_manifest_for_another_platform_is_taken_with_a_word(both: Any) -> None:
    world, registry = both
    registry.content.add_image("app", "1", [BASE], architecture="arm64")
    name = f"{registry.host}/app:1"
    assert len(world.pull(name)) == 1
    assert world.said[-1] == f"Status: Downloaded newer image for {name}"
    world.pull(name, platform=platforms.parse("linux/amd64"))
    assert world.said[-1] == (
        f"WARNING: image with reference {name} was found but its platform (linux/arm64) "
        "does not match the specified platform (linux/amd64)"
    )


def test_all_tags(both: Any) -> None:
    world, registry = both
    registry.knobs.page = 2
    for tag in ("a", "b", "c"):
        registry.content.add_image("app", tag, [BASE], config={"author": tag})
    images = world.pull(f"{registry.host}/app", all_tags=True)
    assert [image.tags for image in images] == [(f"{registry.host}/app:{tag}",) for tag in ("a", "b", "c")]
    assert world.said[-1] == f"Status: Downloaded newer image for {registry.host}/app"
    (event,) = world.events._past(None, None, lambda event: True)
    assert event.actor_id == f"{registry.host}/app"


def test_an_unknown_tag_is_told_before_anything_else(both: Any) -> None:
    world, registry = both
    registry.content.add_image("app", "1", [BASE])
    with pytest.raises(NotFound, match=r"app:2 from 127\.0\.0\.1"):
        world.pull(f"{registry.host}/app:2")
    assert world.messages == []


def test_a_failed_layer_leaves_what_may_be_used_again(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "1", [BASE, TOP])
    registry.faults.append(Fault(f"/blobs/{stored.layers[1]}", times=None, status=404, code="BLOB_UNKNOWN"))
    with pytest.raises(NotFound, match=stored.layers[1][7:19]):
        world.pull(f"{registry.host}/app:1")
    assert len(world.store) == 0
    world.reopen()
    assert world.files.layers() == []


def test_rate_limits_are_told(both: Any) -> None:
    world, registry = both
    registry.content.add_image("app", "1", [BASE])
    registry.headers |= {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600"}
    world.pull(f"{registry.host}/app:1")
    assert "Rate limit: 76 of 100 pulls are left" in world.said


def test_a_client_that_goes_away_ends_the_pull(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "1", [TOP])
    registry.faults.append(Fault(f"/blobs/{stored.layers[0]}", times=None, speed=100_000))

    async def gone(message: Any) -> None:
        if message["status"] == "Downloading":
            raise ConnectionResetError("gone")

    world.emit = gone
    with pytest.raises(ConnectionResetError):
        asyncio.run(asyncio.wait_for(world.pulling(f"{registry.host}/app:1"), 5))
    assert len(world.store) == 0
    assert world.leavings() == []


def test_what_is_removed_while_it_is_pulled_again_is_fetched(both: Any) -> None:
    world, registry = both
    registry.content.add_image("app", "1", [BASE])
    name = f"{registry.host}/app:1"
    (image,) = world.pull(name)

    async def again() -> list[Any]:
        head = Repository.head

        async def then_removed(self: Repository, reference: str) -> Any:
            found = await head(self, reference)
            await world.store.remove(image)
            await world.store.collect()
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Repository, "head", then_removed)
            patch.setattr(Puller, "_local", lambda self, digest, platform: image)
            images: list[Any] = await world.pulling(name)
            return images

    assert [pulled.id for pulled in asyncio.run(again())] == [image.id]
    assert world.store.named(reference.parse(name)) is not None
