"""Images read again: what is damaged or missing is found and put aside, and made again where that can be."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from tests.fakes.images import World, config_for, docker_archive, multi_platform, oci_layout, sha, stream, tar

from carrack.engine.images import checks
from carrack.engine.images.checks import Finding, How, ImageChecks

PLAIN, ZIPPED = tar({"etc/hosts": b"x"}), tar({"bin/app": b"y" * 3000})
OLD, NEW = config_for([PLAIN]), config_for([ZIPPED])
BLOB = sha(gzip.compress(ZIPPED, mtime=0))


@pytest.fixture
def loaded(world: World) -> World:
    asyncio.run(world.loader.load(stream(docker_archive([(OLD, [PLAIN], ["old:1"])]))))
    asyncio.run(world.loader.load(stream(oci_layout(NEW, [ZIPPED], "new:1"))))
    return world


def check(world: World, how: How | None = None) -> list[Finding]:
    made = ImageChecks(world.store, world.layers, world.content, world.files, world.judging)

    async def run() -> list[Finding]:
        return [finding async for finding in made.run(how or How())]

    return asyncio.run(run())


def mended(world: World) -> list[str]:
    return [finding.mended for finding in check(world, How(mend=True))]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def quarantined(world: World) -> list[str]:
    return sorted(path.name[:64] for path in (world.content.root / "quarantine").glob("*"))


def test_all_is_well_and_all_was_read(loaded: World) -> None:
    how = How()
    assert check(loaded, how) == []
    blobs = sum(loaded.content.size(digest) for digest in loaded.content.digests())
    assert how.seen == blobs + len(PLAIN) + len(ZIPPED)


def test_a_damaged_layer_is_made_again_of_its_blob(loaded: World) -> None:
    damage(loaded.files.folder / sha(ZIPPED))
    (found,) = check(loaded)
    assert (found.level, found.check, found.subject, found.mended) == ("problem", "layers", sha(ZIPPED), "")
    assert "image new:1 is damaged: its content has another digest" in found.text
    assert mended(loaded) == [f"put into quarantine, made again of {BLOB}"]
    assert quarantined(loaded) == [sha(ZIPPED)[7:]]
    assert check(loaded) == []
    assert loaded.layers.has(sha(ZIPPED))


def test_a_missing_layer_is_made_again_of_its_blob(loaded: World) -> None:
    (loaded.files.folder / sha(ZIPPED)).unlink()
    (found,) = check(loaded, How(read=False))
    assert "is missing" in found.text
    assert mended(loaded) == [f"made again of {BLOB}"]
    assert check(loaded) == []


def test_a_layer_without_a_blob_has_to_come_again(loaded: World) -> None:
    damage(loaded.files.folder / sha(PLAIN))
    (found,) = check(loaded, How(mend=True))
    assert found.mended == "put into quarantine"
    assert "cannot be made again here: remove what needs it, and pull, load or build it again" in found.text
    assert not loaded.layers.has(sha(PLAIN))
    asyncio.run(loaded.loader.load(stream(docker_archive([(OLD, [PLAIN], ["old:1"])]))))
    assert check(loaded) == []


def test_a_layer_whose_tar_is_whole_is_made_again_of_that(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded.files, "damage", lambda diff_id: "its metadata" if diff_id == sha(PLAIN) else "")
    assert mended(loaded) == ["put into quarantine, made again of its own tar"]
    monkeypatch.undo()
    assert check(loaded) == []
    assert loaded.leavings() == []


def test_a_layer_is_not_made_of_a_damaged_blob(loaded: World) -> None:
    damage(loaded.files.folder / sha(ZIPPED))
    damage(loaded.content.path(BLOB))
    assert mended(loaded) == ["put into quarantine", "put into quarantine"]
    assert quarantined(loaded) == sorted([sha(ZIPPED)[7:], BLOB[7:]])
    assert [finding.text.partition("; ")[0].rpartition(" ")[2] for finding in check(loaded)] == ["came", "missing"]


def test_documents(loaded: World) -> None:
    damage(loaded.content.path(sha(NEW)))
    loaded.content.delete(BLOB)
    found = {finding.subject: finding for finding in check(loaded)}
    assert found.keys() == {sha(NEW), BLOB}
    assert "has changed: its digest is another one: the image is lost; remove it" in found[sha(NEW)].text
    assert "is missing: it cannot be pushed or saved as it came; remove it" in found[BLOB].text


def test_without_reading_only_what_is_missing_is_seen(loaded: World) -> None:
    damage(loaded.content.path(sha(NEW)))
    how = How(read=False)
    assert check(loaded, how) == []
    assert how.seen == 0


def test_what_containers_stand_on_is_looked_at_too(loaded: World) -> None:
    loaded.held = [sha(PLAIN)]
    asyncio.run(loaded.remover.remove("old:1"))
    damage(loaded.files.folder / sha(PLAIN))
    (found,) = check(loaded)
    assert "of a container of a removed image, or of the build cache is damaged" in found.text


def test_garbage(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PAUSE", 0)
    stray = loaded.content.put(b"nobody's")
    (found,) = check(loaded)
    assert (found.level, found.text) == ("garbage", f"nothing needs the blob {stray}")
    assert loaded.content.has(stray)
    assert mended(loaded) == ["removed"]
    assert not loaded.content.has(stray)


def test_platforms_of_one_image_have_its_name(world: World) -> None:
    layers = {name: tar({name: name.encode() * 9}) for name in ("amd64", "arm64")}
    configs = {name: config_for([layer], architecture=name) for name, layer in layers.items()}
    archive = multi_platform({name: (configs[name], [layers[name]]) for name in layers}, "docker.io/library/app:1")
    asyncio.run(world.loader.load(stream(archive)))
    damage(world.content.path(sha(configs["arm64"])))
    (found,) = check(world)
    assert "of image app:1 (linux/arm64) has changed" in found.text


def test_what_is_just_being_removed_is_not_told(loaded: World) -> None:
    async def all_of(made: ImageChecks) -> list[Finding]:
        return [finding async for finding in made.run(How())]

    async def run() -> list[Finding]:
        made = ImageChecks(loaded.store, loaded.layers, loaded.content, loaded.files, loaded.judging)
        await loaded.store.remove(await loaded.store.resolve("old:1"))
        told, _ = await asyncio.gather(all_of(made), collect())
        return told

    async def collect() -> None:
        await asyncio.sleep(checks.PAUSE / 5)
        await loaded.store.collect()

    assert asyncio.run(run()) == []
