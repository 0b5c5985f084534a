"""What a registry offers is judged before it is believed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import tar
from tests.fakes.pulling import Pulling, document, pulling
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_content import descriptor
from tests.fakes.registry_faults import Fault

from carrack.errors import CarrackError, InvalidArgument, NotFound, NotSupported
from carrack.oci import media_types as types

BASE = tar({"etc/hosts": b"x" * 3000})


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Pulling, FakeRegistry]]:
    with pulling(tmp_path / "d") as made:
        yield made


def refused(both: Any, error: type[CarrackError], match: str) -> None:
    world, registry = both
    with pytest.raises(error, match=match):
        world.pull(f"{registry.host}/app:1")
    assert len(world.store) == 0
    assert world.leavings() == []
    assert not registry.asked("GET", "/blobs/.*layer")


def test_schema_1(both: Any) -> None:
    data = document({"schemaVersion": 1, "name": "app", "tag": "1", "fsLayers": [], "history": [], "signatures": []})
    both[1].content.put_manifest("app", data, types.DOCKER_SCHEMA_1_SIGNED, "1")
    refused(both, NotSupported, "schema 1.*push the image again")


def test_an_artifact(both: Any) -> None:
    registry = both[1]
    config = registry.content.put_blob("app", b"{}") and descriptor("application/vnd.cncf.helm.config.v1+json", b"{}")
    data = document({"schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "config": config, "layers": []})
    registry.content.put_manifest("app", data, types.OCI_MANIFEST, "1")
    refused(both, NotSupported, "is no image but an artifact of type application/vnd.cncf.helm.config")


def test_layers_of_unknown_kinds(both: Any) -> None:
    kind = "application/vnd.oci.image.layer.v1.tar+encrypted"
    content = both[1].content
    content.add_image("app", "1", [BASE])
    data = json.loads(content.manifest("app", "1")[2])
    content.put_manifest("app", document(data | {"layers": [descriptor(kind, b"x")]}), types.OCI_MANIFEST, "1")
    refused(both, NotSupported, r"media type application/vnd\.oci\.image\.layer\.v1\.tar\+encrypted is not supported")


def test_another_system(both: Any) -> None:
    both[1].content.add_image("app", "1", [BASE], config={"os": "windows"})
    refused(both, NotSupported, 'image operating system "windows" cannot be used on this platform')


def test_more_layers_than_the_config_knows(both: Any) -> None:
    both[1].content.add_image("app", "1", [BASE], config={"rootfs": {"type": "layers", "diff_ids": []}, "history": []})
    refused(both, InvalidArgument, "layers length mismatch: expected 0, got 1")


def test_a_layer_that_is_not_what_the_config_says(both: Any) -> None:
    wrong = "sha256:" + "1" * 64
    both[1].content.add_image("app", "1", [BASE], config={"rootfs": {"type": "layers", "diff_ids": [wrong]}})
    refused(both, InvalidArgument, f"unpacks to diff id .*expected {wrong}")


def test_a_config_with_other_bytes(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "1", [BASE])
    registry.faults.append(Fault(f"/blobs/{stored.config}", times=None, corrupt=10))
    refused(both, InvalidArgument, f"instead of {stored.config}")
    registry.faults.clear()
    assert len(world.pull(f"{registry.host}/app:1")) == 1


def test_a_config_over_a_broken_connection(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "1", [BASE])
    registry.faults.append(Fault(f"/blobs/{stored.config}", cut=10))
    assert len(world.pull(f"{registry.host}/app:1")) == 1


def test_a_config_too_large(both: Any) -> None:
    large = descriptor(types.OCI_CONFIG, b"{}") | {"size": 1 << 40}
    registry = both[1]
    data = document({"schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "config": large, "layers": []})
    registry.content.put_manifest("app", data, types.OCI_MANIFEST, "1")
    refused(both, InvalidArgument, "more than the limit")


def test_an_index_entry_of_another_size_or_type(both: Any) -> None:
    registry = both[1]
    stored = registry.content.add_image("app", "", [BASE])
    kind, data = registry.content.manifests["app"][stored.manifest]
    where = {"platform": {"os": "linux", "architecture": "amd64"}}
    for change, match in (({"size": 5}, "instead of 5"), ({"mediaType": types.DOCKER_MANIFEST}, "promised")):
        entry = descriptor(kind, data) | where | change
        index = document({"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [entry]})
        registry.content.put_manifest("app", index, types.OCI_INDEX, "1")
        refused(both, InvalidArgument, match)


def test_nested_indexes_and_what_says_no_platform(both: Any) -> None:
    world, registry = both
    content = registry.content
    stored = content.add_image("app", "", [BASE])
    other = content.add_image("app", "", [tar({"x": os.urandom(9)})], architecture="arm64")
    entries = [descriptor(types.OCI_MANIFEST, content.manifests["app"][s.manifest][1]) for s in (other, stored)]
    inner = document({"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": entries})
    outer = inner
    for _ in range(2):
        content.put_manifest("app", outer, types.OCI_INDEX, "1")
        entry = descriptor(types.OCI_INDEX, outer)
        outer = document({"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [entry]})
    content.put_manifest("app", outer, types.OCI_INDEX, "1")
    (image,) = world.pull(f"{registry.host}/app:1")
    assert (image.id, image.index) == (stored.config, content.tags["app"]["1"])
    for _ in range(3):
        entry = descriptor(types.OCI_INDEX, outer)
        outer = document({"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [entry]})
        content.put_manifest("app", outer, types.OCI_INDEX, "2")
    with pytest.raises(InvalidArgument, match="nested deeper"):
        world.pull(f"{registry.host}/app:2")


def test_an_index_with_nothing_to_run(both: Any) -> None:
    registry = both[1]
    data = document({"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": []})
    registry.content.put_manifest("app", data, types.OCI_INDEX, "1")
    refused(both, NotFound, "no matching manifest for linux/amd64")
