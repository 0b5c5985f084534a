"""Loading: every form of archive, shared layers, and nothing left of a bad one."""

import asyncio
import gzip
import json
from typing import Any

import pytest
import zstandard
from tests.fakes.images import World, config_for, docker_archive, oci_layout, sha, stream, tar

from carrack.errors import InvalidArgument
from carrack.oci.platform import Platform

BASE, TOP = tar({"etc/hosts": b"x" * 20_000}), tar({"bin/app": b"y"})


def load(world: World, data: bytes, **options: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    said: list[dict[str, Any]] = []

    async def emit(message: dict[str, Any]) -> None:
        said.append(message)

    return asyncio.run(world.loader.load(stream(data), emit, **options)), said


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_docker_archive(world: World, wrap: Any) -> None:
    config = config_for([BASE, TOP])
    (image,), said = load(world, wrap(docker_archive([(config, [BASE, TOP], ["app:1", "other/app:2"])])))
    assert image.id == sha(config)
    assert image.diff_ids == (sha(BASE), sha(TOP))
    assert image.tags == ("app:1", "other/app:2")
    assert image.size == len(BASE) + len(TOP)
    assert said[-2:] == [{"stream": "Loaded image: app:1\n"}, {"stream": "Loaded image: other/app:2\n"}]
    assert {message["id"] for message in said[:-2]} == {sha(BASE)[7:19], sha(TOP)[7:19]}
    assert world.told[-1] == ("load", image.id)
    assert world.leavings() == []


def test_oci_layout_keeps_blobs_and_manifest(world: World) -> None:
    config = config_for([BASE])
    (image,), said = load(world, oci_layout(config, [BASE], "app:1"), quiet=True)
    assert (image.id, image.tags) == (sha(config), ("app:1",))
    assert said == [{"stream": "Loaded image: app:1\n"}]
    assert world.layers.get(sha(BASE)).blob == sha(gzip.compress(BASE, mtime=0))
    assert world.content.has(image.manifest)


def test_a_bare_tag_names_nothing(world: World) -> None:
    (image,), said = load(world, oci_layout(config_for([BASE]), [BASE], "latest"))
    assert image.tags == ()
    assert said[-1] == {"stream": f"Loaded image ID: {image.id}\n"}


def test_layers_through_links(world: World) -> None:
    config = config_for([BASE, BASE])
    entries = [{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
    files = {"a/layer.tar": BASE, "b/layer.tar@": b"../a/layer.tar", "c.json": config}
    load(world, tar(files | {"manifest.json": json.dumps(entries).encode()}))
    assert world.files.applied == [sha(BASE)]


def test_names_move(world: World) -> None:
    first, second = config_for([BASE]), config_for([TOP])
    load(world, docker_archive([(first, [BASE], ["app:1"])]))
    _, said = load(world, docker_archive([(second, [TOP], ["app:1"])]))
    text = f"The image app:1 already exists, renaming the old one with ID {sha(first)} to empty string\n"
    assert {"stream": text} in said
    assert asyncio.run(world.store.resolve("app:1")).id == sha(second)
    assert asyncio.run(world.store.resolve(sha(first))).tags == ()


def test_two_loads_share_a_layer(world: World) -> None:
    config = config_for([BASE])
    data = docker_archive([(config, [BASE], ["app:1"])])

    async def both() -> None:
        world.files.gate = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(world.loader.load(stream(data)))
            await world.files.begun.wait()
            world.files.gate.set()

    asyncio.run(both())
    assert world.files.applied == [sha(BASE)]
    assert world.leavings() == []


def test_a_cancelled_load_hands_the_layer_on(world: World) -> None:
    data = docker_archive([(config_for([BASE]), [BASE], ["app:1"])])

    async def run() -> None:
        world.files.gate = asyncio.Event()
        loop = asyncio.get_running_loop()
        first, second = (loop.create_task(world.loader.load(stream(data))) for _ in range(2))
        await world.files.begun.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        world.files.gate.set()
        assert (await second)[0].tags == ("app:1",)

    asyncio.run(run())
    assert world.leavings() == []


def bad_archives() -> list[tuple[str, bytes, str]]:
    config = config_for([BASE])
    good = docker_archive([(config, [BASE], ["app:1"])])
    wrong_layer = docker_archive([(config, [TOP], ["app:1"])])
    missing_layer = tar({"c": config, "manifest.json": json.dumps([{"Config": "c", "Layers": ["l"]}]).encode()})
    escape = tar({"manifest.json": json.dumps([{"Config": "../../etc/passwd", "Layers": []}]).encode()})
    torn_layer = BASE[:1000]
    torn = docker_archive([(config_for([torn_layer]), [torn_layer], ["app:1"])])
    layout = oci_layout(config, [BASE], "app:1")
    swapped = layout.replace(b"y" * 4, b"z" * 4).replace(b'"Cmd": ["sh"]', b'"Cmd": ["sj"]')
    confused = oci_layout(config, [BASE], layers=[])
    return [
        ("torn", good[:9000], "ended|truncated|short|end"),
        ("torn gzip", gzip.compress(good)[:-40], "truncated"),
        ("empty", b"", "."),
        ("noise", b"not a tar at all " * 100, "malformed checksum"),
        ("no documents", tar({"a": b"b"}), "neither a manifest.json nor an index.json"),
        ("version 1", tar({"repositories": b"{}"}), "before version 1.10"),
        ("wrong layer", wrong_layer, "layer is not"),
        ("missing layer", missing_layer, "no file 'l'"),
        ("missing config", escape, "no file"),
        ("too few layers", docker_archive([(config, [], [])]), "length mismatch: expected 1, got 0"),
        ("torn layer", torn, "."),
        ("changed blob", swapped, "is damaged"),
        ("CVE-2021-41190", confused, "both an index and a manifest"),
        ("bad name", docker_archive([(config, [BASE], ["App:1"])]), "must be lowercase"),
        ("no tag", docker_archive([(config, [BASE], ["app"])]), "invalid tag"),
        ("not a list", tar({"manifest.json": b"{}"}), "expected a list"),
        ("dot dot", tar({"../x": b"y", "manifest.json": b"[]"}), r"\.\."),
    ]


@pytest.mark.parametrize(
    ("data", "reason"), [row[1:] for row in bad_archives()], ids=[row[0] for row in bad_archives()]
)
def test_a_bad_archive_leaves_nothing(world: World, data: bytes, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        load(world, data)
    assert world.leavings() == []
    assert list(world.content.digests()) == []
    assert [name for name in world.files.layers() if name != "check"] == []
    assert len(world.store) == 0


def test_a_client_that_goes_away(world: World) -> None:
    async def broken() -> Any:
        yield docker_archive([(config_for([BASE]), [BASE], [])])[:3000]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        asyncio.run(world.loader.load(broken()))
    assert world.leavings() == []


def test_platforms(world: World) -> None:
    arm = config_for([BASE], architecture="arm64")
    data = docker_archive([(arm, [BASE], ["app:arm"])])
    with pytest.raises(InvalidArgument, match="is for linux/arm64, not for the requested platform linux/amd64"):
        load(world, data, platform=Platform("linux", "amd64"))
    (image,), _ = load(world, data, platform=Platform("linux", "arm64"))
    assert image.tags == ("app:arm",)
    with pytest.raises(InvalidArgument, match="no image for linux/s390x"):
        load(world, oci_layout(arm, [BASE]), platform=Platform("linux", "s390x"))


def test_restart_and_crash(world: World) -> None:
    (image,), _ = load(world, oci_layout(config_for([BASE]), [BASE], "app:1"))
    (world.files.folder / ("sha256:" + "0" * 64)).write_bytes(b"a layer without a row")
    world.content.put(b"a blob without a row")
    world.content.ingest().write(b"unfinished")
    asyncio.run(world.reopen())
    again = asyncio.run(world.store.resolve("app:1"))
    assert again == image
    assert world.leavings() == []
    assert set(world.files.layers()) == {sha(BASE)}
    assert len(list(world.content.digests())) == 3


def test_an_unreadable_config_is_no_start_up_failure(world: World) -> None:
    (image,), _ = load(world, docker_archive([(config_for([BASE]), [BASE], ["app:1"])]))
    world.content.path(image.id).write_bytes(b"{}")
    asyncio.run(world.reopen())
    assert asyncio.run(world.store.resolve("app:1")).config["architecture"] == ""
    assert world.layers.has(sha(BASE))
    asyncio.run(world.remover.remove("app:1"))
    assert not world.layers.has(sha(BASE))
    load(world, docker_archive([(config_for([BASE]), [BASE], ["app:1"])]))
    assert world.content.read(image.id, 9999)


def test_a_driver_without_tars_keeps_them_as_blobs(tmp_path: Any) -> None:
    world = World(tmp_path, keeps_tar=False)
    load(world, docker_archive([(config_for([BASE]), [BASE], ["app:1"])]))
    assert world.layers.get(sha(BASE)).blob == sha(BASE)
    file, blob, media_type = world.layers.open(sha(BASE))
    with file:
        assert file.read() == BASE
    assert (blob.digest, media_type) == (sha(BASE), "application/vnd.oci.image.layer.v1.tar")
    world.close()
