"""Saving: both forms in one tar, stable to the byte, and readable again."""

import asyncio
import gzip
import io
import json
import tarfile
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, multi_platform, oci_layout, sha, stream, tar

from carrack.errors import InvalidArgument, NotFound
from carrack.oci import document, manifest
from carrack.oci.platform import Platform

BASE, TOP = tar({"etc/hosts": b"x" * 3000}), tar({"bin/app": b"y"})
CONFIG = config_for([BASE, TOP])


def load(world: World, data: bytes) -> None:
    asyncio.run(world.loader.load(stream(data)))


def save(world: World, *names: str, **options: Any) -> bytes:
    async def run() -> bytes:
        return b"".join([chunk async for chunk in world.saver.save(names, **options)])

    return asyncio.run(run())


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
        return {name: file.read() for name, file in files if file is not None}


def test_both_forms(world: World) -> None:
    load(world, docker_archive([(CONFIG, [BASE, TOP], ["app:1", "app:2", "other:1"])]))
    files = members(save(world, "app", "other:1"))
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["app:1", "app:2", "other:1"]
    assert files[entry["Config"]] == CONFIG
    assert [files[path] for path in entry["Layers"]] == [BASE, TOP]
    index = manifest.parse_index(files["index.json"])
    assert [point.annotations["io.containerd.image.name"] for point in index.manifests] == [
        "docker.io/library/app:1",
        "docker.io/library/app:2",
        "docker.io/library/other:1",
    ]
    parsed = manifest.parse(files["blobs/sha256/" + index.manifests[0].digest[7:]])
    assert isinstance(parsed, manifest.Manifest)
    assert parsed.config.digest == sha(CONFIG)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert set(json.loads(files["repositories"])["app"]) == {"1", "2"}
    for name, data in files.items():
        assert not name.startswith("blobs/") or name == "blobs/sha256/" + sha(data)[7:]


def test_the_same_bytes_every_time_and_after_a_round_trip(world: World, tmp_path: Any) -> None:
    load(world, docker_archive([(CONFIG, [BASE, TOP], ["app:1"])]))
    first = save(world, "app:1")
    assert save(world, "app:1") == first
    (tmp_path / "second").mkdir()
    second = World(tmp_path / "second")
    load(second, first)
    assert save(second, "app:1") == first
    second.close()


def test_an_oci_image_keeps_its_manifest_and_compressed_layers(world: World) -> None:
    config = config_for([BASE])
    layout = oci_layout(config, [BASE], "app:1")
    load(world, layout)
    given, made = members(layout), members(save(world, "app:1"))
    blobs = {name for name in given if name.startswith("blobs/")}
    assert {name: made[name] for name in blobs} == {name: given[name] for name in blobs}
    assert gzip.decompress(made[json.loads(made["manifest.json"])[0]["Layers"][0]]) == BASE


def test_a_manifest_that_does_not_fit_its_layers_is_made_anew(world: World) -> None:
    load(world, docker_archive([(config_for([BASE]), [BASE], ["app:1"])]))
    load(world, oci_layout(config_for([BASE]), [BASE], "app:1"))
    made = members(save(world, "app:1"))
    (entry,) = json.loads(made["manifest.json"])
    assert made[entry["Layers"][0]] == BASE


def test_by_id_has_no_names(world: World) -> None:
    load(world, docker_archive([(CONFIG, [BASE, TOP], ["app:1"])]))
    files = members(save(world, sha(CONFIG)[7:19]))
    assert json.loads(files["manifest.json"])[0]["RepoTags"] is None
    assert "repositories" not in files


def test_refusals(world: World) -> None:
    load(world, docker_archive([(CONFIG, [BASE, TOP], ["app:1"])]))
    with pytest.raises(NotFound, match=r"^No such image: nope$"):
        save(world, "nope")
    with pytest.raises(NotFound, match="no suitable export target found for platform"):
        save(world, "app:1", wanted=Platform("linux", "arm64"))
    with pytest.raises(InvalidArgument, match="no image names"):
        save(world)


def test_a_reader_that_stops_early_leaves_nothing_running(world: World) -> None:
    big = tar({"big": b"\0" * 5_000_000})
    load(world, docker_archive([(config_for([big]), [big], ["app:1"])]))

    async def run() -> None:
        chunks = world.saver.save(["app:1"])
        async for _ in chunks:
            break
        await chunks.aclose()

    asyncio.run(run())


def test_layers_are_held_while_they_are_sent(world: World) -> None:
    big = tar({"big": b"\0" * 3_000_000})
    load(world, docker_archive([(config_for([big]), [big], ["app:1"])]))

    async def run() -> bytes:
        chunks = world.saver.save(["app:1"])
        first = await anext(chunks)
        await world.remover.remove("app:1")
        assert world.files.has_layer(sha(big))
        return first + b"".join([chunk async for chunk in chunks])

    assert sha(big)[7:] in asyncio.run(run()).decode("latin-1")
    asyncio.run(world.store.collect())
    assert not world.files.has_layer(sha(big))


def test_documents_are_compact() -> None:
    assert document.encode({"a": [1]}) == b'{"a":[1]}'


@pytest.mark.census("image save/load OCI layout")
def test_attestations_go_out_as_they_came(world: World, tmp_path: Any) -> None:
    configs = {each: (config_for([BASE], architecture=each), [BASE]) for each in ("amd64", "arm64")}
    given = multi_platform(configs, "docker.io/library/app:1", attested="amd64")
    load(world, given)
    blobs = {name: data for name, data in members(given).items() if name.startswith("blobs/")}
    made = members(save(world, "app:1"))
    assert {name: made[name] for name in blobs} == blobs
    entries = [each["digest"] for each in json.loads(made["index.json"])["manifests"]]
    assert entries == [each["digest"] for each in json.loads(members(given)["index.json"])["manifests"]]
    asyncio.run(world.remover.remove("app:1"))
    assert list(world.content.digests()) == []


def test_one_platform_alone_takes_what_is_said_about_it(world: World) -> None:
    config = config_for([BASE])
    given = multi_platform({"amd64": (config, [BASE])}, "docker.io/library/app:1", attested="amd64")
    load(world, given)
    made = members(save(world, "app:1", wanted=Platform("linux", "amd64")))
    assert {name for name in members(given) if name.startswith("blobs/")} <= made.keys()


def test_what_is_said_and_damaged_is_left_out(world: World) -> None:
    given = members(
        multi_platform({"amd64": (config_for([BASE]), [BASE])}, "docker.io/library/app:1", attested="amd64")
    )
    statement = f"blobs/sha256/{sha(b'{}')[7:]}"
    load(world, tar({**given, statement: b"{-"}))
    (image,) = list(world.store)
    assert image.extras == ()
    made = members(save(world, "app:1"))
    assert json.loads(made["index.json"])["manifests"][0]["digest"] == image.manifest
