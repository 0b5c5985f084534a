"""Images made to mislead: each test is named after the attack it repeats."""

import asyncio
import io
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, oci_layout, sha, stream, tar

from carrack.errors import InvalidArgument
from carrack.oci import manifest

LAYER = tar({"bin/sh": b"#!"})
HOSTILE_DIGESTS = ("sha256:../../../../etc/passwd", "../../x", "sha256:" + "A" * 64, "", "sha256:" + "/" * 64)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def refused(world: World, data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        asyncio.run(world.loader.load(stream(data, 1 << 20)))
    assert world.leavings() == []
    assert list(world.content.digests()) == []
    assert len(world.store) == 0


def changed(data: bytes, name: str, change: Any) -> bytes:
    """The archive with one JSON document changed by a function."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {m.name: f.read() for m in archive if (f := archive.extractfile(m)) is not None}
    value = json.loads(files[name])
    change(value)
    files[name] = json.dumps(value).encode()
    return tar(files)


@pytest.mark.parametrize("digest", HOSTILE_DIGESTS)
def test_cve_2024_3727_paths_in_place_of_digests(world: World, digest: str) -> None:
    layout = oci_layout(config_for([LAYER]), [LAYER], "app:1")
    refused(world, changed(layout, "index.json", lambda v: v["manifests"][0].update(digest=digest)))
    config = json.loads(config_for([LAYER])) | {"rootfs": {"type": "layers", "diff_ids": [digest]}}
    refused(world, docker_archive([(json.dumps(config).encode(), [LAYER], ["app:1"])]))


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../../etc/passwd", "/proc/self/environ"])
def test_cve_2024_3727_paths_in_a_docker_archive(world: World, name: str) -> None:
    entries = [{"Config": name, "RepoTags": ["app:1"], "Layers": []}]
    refused(world, tar({"manifest.json": json.dumps(entries).encode()}))
    links = {"c.json@": name.encode(), "manifest.json": json.dumps([{"Config": "c.json", "Layers": []}]).encode()}
    refused(world, tar(links))


def test_cve_2021_41190_a_manifest_that_is_an_index_too(world: World) -> None:
    layout = oci_layout(config_for([LAYER]), [LAYER], "app:1")
    refused(world, changed(layout, "index.json", lambda v: v.update(layers=[], config=v["manifests"][0])))
    refused(
        world, changed(layout, "index.json", lambda v: v.update(mediaType="application/vnd.oci.image.manifest.v1+json"))
    )
    refused(world, changed(layout, "index.json", lambda v: v.update(Manifests=[])))


def test_cve_2023_25153_documents_without_end(world: World) -> None:
    huge = b" " * (manifest.SIZE_LIMIT + 1)
    refused(world, tar({"oci-layout": b" " * 5000 + b"{}", "index.json": b"{}"}))
    refused(world, tar({"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": huge}))
    refused(world, tar({"manifest.json": b"[" * 100_000}))
    refused(world, docker_archive([(b" " * ((8 << 20) + 1), [LAYER], ["app:1"])]))


def _set(document: dict[str, Any], key: str, value: object) -> None:
    document[key] = value


def test_cve_2021_21285_manifests_that_crash_readers(world: World) -> None:
    layout = oci_layout(config_for([LAYER]), [LAYER], "app:1")
    values: list[Any] = [None, 1, "x", [], {}, [None], [{}], [{"digest": None}], [{"size": -1}]]
    for wrong in values:
        refused(world, changed(layout, "index.json", partial(_set, key="manifests", value=wrong)))
        refused(world, tar({"manifest.json": json.dumps(wrong).encode()}))
        refused(world, tar({"manifest.json": json.dumps([{"Config": wrong, "Layers": wrong}]).encode()}))


def test_cve_2026_53488_labels_are_inert(world: World) -> None:
    """Whatever labels an image has, they are shown, and nothing else differs."""
    labels = {
        "io.containerd.runc.v2.log": "binary:///bin/sh?-c=touch%20/tmp/pwned",
        "com.docker.compose.project": "x",
        "org.opencontainers.image.ref.name": "stolen:name",
        "io.containerd.image.name": "docker.io/library/stolen:name",
        "name": "other",
    }
    plain = config_for([LAYER], config={"Cmd": ["sh"]})
    labelled = config_for([LAYER], config={"Cmd": ["sh"], "Labels": labels})
    for config, name in ((plain, "plain:1"), (labelled, "labelled:1")):
        asyncio.run(world.loader.load(stream(docker_archive([(config, [LAYER], [name])]))))
    shown = [asyncio.run(world.lister.inspect(name)) for name in ("plain:1", "labelled:1")]
    assert [document["Config"].pop("Labels", None) for document in shown] == [None, labels]
    for document in shown:
        for key in ("Id", "RepoTags", "Metadata"):
            document.pop(key)
    assert shown[0] == shown[1]
    assert asyncio.run(world.store.resolve("labelled:1")).tags == ("labelled:1",)
    assert world.told[-1] == ("load", sha(labelled))
