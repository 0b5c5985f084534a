from __future__ import annotations

import json

import pytest
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault
from tests.fakes.registry_use import with_repository

from carrack.errors import InvalidArgument
from carrack.oci import manifest as manifests
from carrack.oci.manifest import Manifest
from carrack.registry import configs
from carrack.registry.failures import Untrue
from carrack.registry.repository import Repository


async def config(repository: Repository) -> bytes:
    parsed = manifests.parse((await repository.manifest("1")).data)
    assert isinstance(parsed, Manifest)
    return await configs.read(repository, parsed)


def test_a_config_comes_whole_or_not_at_all() -> None:
    with FakeRegistry() as registry:
        stored = registry.content.add_image("app", "1", [tar({"a": b"1"})])
        name = f"{registry.host}/app"
        assert with_repository(name, config) == registry.content.blobs[stored.config]
        registry.faults.append(Fault("/blobs/", times=None, corrupt=5))
        with pytest.raises(Untrue, match=r"config [0-9a-f]{12} of .*: the registry sent other content"):
            with_repository(name, config)
        pointer = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": stored.config, "size": 1 << 30}
        data = {"schemaVersion": 2, "config": pointer, "layers": []}
        kind = "application/vnd.oci.image.manifest.v1+json"
        registry.content.put_manifest("app", json.dumps(data).encode(), kind, "1")
        with pytest.raises(InvalidArgument, match="more than the limit"):
            with_repository(name, config)
