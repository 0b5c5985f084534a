"""The verbs that need no daemon, against a registry that asks for the user's account."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth

from carrack.cli import manifest_lists
from carrack.cli.command import Session
from carrack.cli.registry_access import Registries
from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.oci import reference


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(auth=Auth("bearer", {"me": "canary"})) as running:
        one = running.content.add_image("app", "1", [tar({"a": b"1"})], docker=True)
        two = running.content.add_image("app", "2", [tar({"a": b"2"})], architecture="arm64", variant="v8", docker=True)
        running.content.add_index("app", "all", [(one, "linux/amd64"), (two, "linux/arm64/v8")], docker=True)
        yield running


@pytest.fixture
def registries(registry: FakeRegistry, tmp_path: Path) -> Registries:
    auth = base64.b64encode(b"me:canary").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    return Registries(Session({"DOCKER_CONFIG": str(tmp_path)}), insecure=True)


def test_manifests_are_read_with_the_users_account(registry: FakeRegistry, registries: Registries) -> None:
    name = reference.parse(f"{registry.host}/app:2")
    kept = registries.fetch(name)
    assert isinstance(kept, dict)
    assert (kept["Ref"], kept["Descriptor"]["digest"]) == (str(name), registry.content.tags["app"]["2"])
    assert kept["Descriptor"]["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    whole = registries.fetch(reference.parse(f"{registry.host}/app:all"))
    assert isinstance(whole, list)
    assert [each["Descriptor"]["platform"]["architecture"] for each in whole] == ["amd64", "arm64"]
    assert whole[1]["Ref"] == f"{registry.host}/app:all@{kept['Descriptor']['digest']}"
    assert len(registries.document(reference.parse(f"{registry.host}/app:all"))["manifests"]) == 2
    with pytest.raises(NotFound, match=f"^no such manifest: {registry.host}/app:3$"):
        registries.fetch(reference.parse(f"{registry.host}/app:3"))


def test_a_list_of_another_repository_s_manifests(registry: FakeRegistry, registries: Registries) -> None:
    sources = [registries.fetch(reference.parse(f"{registry.host}/app:{tag}")) for tag in "12"]
    entries = [each for each in sources if isinstance(each, dict)]
    data = manifest_lists.index([each["Descriptor"] for each in entries])
    told: list[str] = []
    digest = registries.push(reference.parse(f"{registry.host}/other:1"), entries, data, told.append)
    assert registry.content.tags["other"] == {"1": digest}
    assert told == [
        f"Pushed ref {registry.host}/other@{d} with digest: {d}" for d in (e["Descriptor"]["digest"] for e in entries)
    ]
    assert not registry.asked("PUT", "/blobs/")
    told.clear()
    registries.push(reference.parse(f"{registry.host}/app:both"), entries, data, told.append)
    assert told == []
    registry.knobs.mounts = False
    with pytest.raises(CarrackError, match="push the image to third first"):
        registries.push(reference.parse(f"{registry.host}/third:1"), entries, data, told.append)
    entries[0]["Ref"] = "elsewhere.example/app:1"
    with pytest.raises(InvalidArgument, match="from a different registry than the target image"):
        registries.push(reference.parse(f"{registry.host}/app:both"), entries, data, told.append)
