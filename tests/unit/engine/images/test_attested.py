"""What is said about images is kept with them, as it came; what is wrong with it is no harm to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import tar
from tests.fakes.pulling import Pulling, pulling
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_content import sha
from tests.fakes.registry_faults import Fault

from carrack.engine.images import attested
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import attestation, manifest, media_types
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index

STATEMENT = json.dumps({"predicateType": "x", "subject": [], "predicate": {}}).encode()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Pulling, FakeRegistry]]:
    with pulling(tmp_path / "d") as made:
        yield made


def add(registry: FakeRegistry, *statements: bytes) -> tuple[str, dict[str, Any]]:
    """An image with something said about it; the digest of its index, and the entry in it."""
    stored = registry.content.add_image("app", "", [tar({"a": b"x"})])
    entry = registry.content.add_attestation("app", stored.manifest, *statements)
    return registry.content.add_index("app", "1", [(stored, "linux/amd64")], said=[entry]), entry


def index_of(world: Pulling, digest: str) -> Index:
    return manifest.parse_index(world.content.read(digest, 1 << 20))


@pytest.mark.census("image pull*")
def test_it_comes_with_the_image_and_goes_with_it(both: Any) -> None:
    world, registry = both
    index, entry = add(registry, STATEMENT, b"{}")
    (image,) = world.pull(f"{registry.host}/app:1")
    assert image.index == index
    assert {entry["digest"], sha(STATEMENT), sha(b"{}")} < set(image.extras)
    world.reopen()
    (image,) = list(world.store)
    assert world.leavings() == []
    (kept,) = attested.kept(world.content, index_of(world, index))
    assert [world.content.read(blob.digest, 1 << 20) for blob in kept.manifest.layers] == [STATEMENT, b"{}"]
    world.content.path(sha(STATEMENT)).unlink()
    assert attested.kept(world.content, index_of(world, index)) == []


def test_a_second_pull_does_not_fetch_what_is_here(both: Any) -> None:
    world, registry = both
    add(registry, STATEMENT)
    world.pull(f"{registry.host}/app:1")
    stored = registry.content.add_image("app", "", [tar({"a": b"y"})])
    registry.content.add_index(
        "app", "2", [(stored, "linux/amd64")],
        said=[registry.content.add_attestation("app", stored.manifest, STATEMENT)],
    )  # fmt: skip
    registry.requests.clear()
    (image,) = world.pull(f"{registry.host}/app:2")
    assert sha(STATEMENT) in image.extras
    assert not registry.asked("GET", f"/blobs/{sha(STATEMENT)}")


@pytest.mark.parametrize("fault", [{"status": 404}, {"body": b"lie"}, {"status": 403, "code": "DENIED"}])
def test_what_cannot_be_had_is_no_harm(both: Any, fault: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    world, registry = both
    _, entry = add(registry, STATEMENT)
    registry.faults.append(Fault(sha(STATEMENT), times=None, **fault))
    (image,) = world.pull(f"{registry.host}/app:1")
    assert image.extras == ()
    assert f"attestation {entry['digest']}" in caplog.text
    assert world.leavings() == []


def about(*layers: Descriptor, config: str = sha(b"{}")) -> tuple[Descriptor, bytes]:
    made = manifest.Manifest(media_types.OCI_MANIFEST, Descriptor(media_types.OCI_CONFIG, config, 2), layers, {})
    data = json.dumps(made.document()).encode()
    return Descriptor(media_types.OCI_MANIFEST, sha(data), len(data)), data


def test_what_is_here_is_not_larger_than_it_is_said_to_be(both: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Layers, of which many would fill the memory."""
    world, registry = both
    large = b"x" * 100_000
    world.content.put(large)
    config, layer = (
        {"mediaType": attestation.STATEMENT, "digest": sha(data), "size": min(2, len(data))} for data in (b"{}", large)
    )
    data = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config, "layers": [layer]})
    stored = registry.content.add_image("app", "", [tar({"a": b"x"})])
    about = {attestation.TYPE: attestation.KIND, attestation.OF: stored.manifest}
    entry = {"mediaType": media_types.OCI_MANIFEST, "digest": sha(data.encode()), "size": len(data)}
    registry.content.put_manifest("app", data.encode(), media_types.OCI_MANIFEST)
    registry.content.put_blob("app", b"{}")
    registry.content.add_index("app", "1", [(stored, "linux/amd64")], said=[{**entry, "annotations": about}] * 3)
    (image,) = world.pull(f"{registry.host}/app:1")
    assert image.extras == ()
    assert len(registry.asked("GET", f"/manifests/{sha(data.encode())}")) == 1
    assert "100000 bytes are more than the limit of 2" in caplog.text


def test_limits() -> None:
    small = [Descriptor(attestation.STATEMENT, sha(str(n).encode()), 1) for n in range(80)]
    for layers in (small, [Descriptor(attestation.STATEMENT, sha(b"big"), 1 << 40)]):
        with pytest.raises(InvalidArgument, match="more than"):
            attested.parse(*about(*layers))
    with pytest.raises(InvalidArgument, match="only sha256"):
        attested.parse(*about(Descriptor(attestation.STATEMENT, "sha512:" + "0" * 128, 1)))
    index = json.dumps(Index(media_types.OCI_INDEX, (), {}).document()).encode()
    with pytest.raises(InvalidArgument, match="found an index"):
        attested.parse(Descriptor(media_types.OCI_INDEX, sha(index), len(index)), index)


def test_an_index_of_other_manifests() -> None:
    old, new = (Descriptor(media_types.OCI_MANIFEST, sha(each), 3, {"of": "all"}) for each in (b"old", b"new"))
    (said,) = attestation.attach(old.digest, []).entries
    rest = Descriptor(media_types.OCI_MANIFEST, sha(b"rest"), 4)
    index = Index(media_types.OCI_INDEX, (old, rest, said), {"a": "b"})
    made = manifest.parse_index(attested.moved_index(index, {old.digest: new}, []))
    assert [each.digest for each in made.manifests] == [new.digest, rest.digest]
    assert (made.manifests[0].annotations, made.annotations) == ({"of": "all"}, {"a": "b"})


def test_nothing_is_said_anew_of_what_is_not_there(both: Any) -> None:
    world, registry = both
    index, _ = add(registry, STATEMENT)
    world.pull(f"{registry.host}/app:1")
    (kept,) = attested.kept(world.content, index_of(world, index))
    with pytest.raises(NotFound, match="about none of the manifests"):
        attested.moved(world.content, kept, {})
