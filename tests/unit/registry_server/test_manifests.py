"""Manifests over HTTP: by tag and digest, what they need, and what becomes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.fakes.own_registry import Client, OwnRegistry, digest_of, image

from carrack.errors import Internal
from carrack.oci import media_types as types
from carrack.oci.manifest import Manifest
from carrack.registry_server.manifests import read


def _index(*digests: str, **more: Any) -> dict[str, Any]:
    entries = [{"mediaType": types.OCI_MANIFEST, "digest": digest, "size": 2} for digest in digests]
    return {"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": entries, **more}


def test_a_manifest_by_tag_and_by_digest(client: Client) -> None:
    digest = client.push_image("a/b", "v1")
    by_tag, by_digest = client("GET", "/v2/a/b/manifests/v1"), client("GET", f"/v2/a/b/manifests/{digest}")
    assert by_tag.status == by_digest.status == 200
    assert by_tag.body == by_digest.body
    assert digest_of(by_tag.body) == digest == by_tag.headers["docker-content-digest"]
    assert by_tag.headers["content-type"] == types.OCI_MANIFEST
    assert by_tag.headers["cache-control"] == "no-cache"
    head = client("HEAD", "/v2/a/b/manifests/v1")
    assert (head.status, int(head.headers["content-length"]), head.body) == (200, len(by_tag.body), b"")
    assert client("GET", "/v2/a/b/manifests/v1", If_None_Match=f'"{digest}"').status == 304


def test_a_tag_moves(client: Client) -> None:
    old = client.push_image("a", "v1", b"old")
    new = client.push_image("a", "v1", b"new")
    assert client("HEAD", "/v2/a/manifests/v1").headers["docker-content-digest"] == new
    assert client("HEAD", f"/v2/a/manifests/{old}").status == 200


def test_what_a_manifest_needs_must_be_there(client: Client) -> None:
    document = image(b"{}", b"layer")
    for missing in (b"{}", b"layer"):
        data = json.dumps(document).encode()
        reply = client("PUT", "/v2/a/manifests/v1", data, Content_Type=types.OCI_MANIFEST)
        assert (reply.status, reply.code) == (400, "MANIFEST_BLOB_UNKNOWN")
        assert digest_of(missing) in reply.json["errors"][0]["message"]
        client.push_blob("a", missing)
    assert client("HEAD", "/v2/a/manifests/v1").status == 404
    client.push_manifest("a", "v1", document)


def test_layers_that_lie_elsewhere_are_not_needed(client: Client) -> None:
    document = image(b"{}", b"foreign")
    document["layers"][0]["urls"] = ["https://example.com/layer"]
    client.push_blob("a", b"{}")
    client.push_manifest("a", "v1", document)


def test_an_index(client: Client) -> None:
    digest = client.push_image("a", "one")
    other = digest_of(b"not here")
    data = json.dumps(_index(digest, other)).encode()
    assert client("PUT", "/v2/a/manifests/all", data, Content_Type=types.OCI_INDEX).code == "MANIFEST_BLOB_UNKNOWN"
    client.push_manifest("a", "all", _index(digest))
    assert client("GET", "/v2/a/manifests/all").headers["content-type"] == types.OCI_INDEX


@pytest.mark.parametrize(
    ("reference", "data", "kind", "code"),
    [
        ("v1", b"{", types.OCI_MANIFEST, "MANIFEST_INVALID"),
        ("v1", b"{}", types.OCI_MANIFEST, "MANIFEST_INVALID"),
        ("v1", json.dumps(_index()).encode(), types.OCI_MANIFEST, "MANIFEST_INVALID"),
        ("v1", json.dumps(_index()).encode(), "text/plain", "MANIFEST_INVALID"),
        ("v1", json.dumps(_index(layers=[])).encode(), types.OCI_INDEX, "MANIFEST_INVALID"),
        (".v1", json.dumps(_index()).encode(), types.OCI_INDEX, "TAG_INVALID"),
        ("sha256:" + "0" * 64, json.dumps(_index()).encode(), types.OCI_INDEX, "DIGEST_INVALID"),
        ("sha256:0", json.dumps(_index()).encode(), types.OCI_INDEX, "DIGEST_INVALID"),
        ("v1", bytes((4 << 20) + 1), types.OCI_INDEX, "SIZE_INVALID"),
    ],
)
def test_refusals(client: Client, reference: str, data: bytes, kind: str, code: str) -> None:
    try:
        reply = client("PUT", f"/v2/a/manifests/{reference}", data, Content_Type=kind)
    except (BrokenPipeError, ConnectionResetError):  # it was refused before all was sent
        assert code == "SIZE_INVALID"
        return
    assert reply.code == code


def test_unknown(client: Client) -> None:
    assert client("GET", "/v2/a/manifests/v1").code == "NAME_UNKNOWN"
    client.push_image("a", "v1")
    assert client("GET", "/v2/a/manifests/v2").code == "MANIFEST_UNKNOWN"
    assert client("GET", "/v2/a/manifests/..").code == "MANIFEST_UNKNOWN"
    assert client("GET", f"/v2/a/manifests/{digest_of(b'x')}").code == "MANIFEST_UNKNOWN"


def test_a_tag_and_a_manifest_are_deleted(client: Client) -> None:
    digest = client.push_image("a", "v1")
    client.push_image("a", "v2")
    assert client("DELETE", "/v2/a/manifests/v1").status == 202
    assert client("DELETE", "/v2/a/manifests/v1").code == "MANIFEST_UNKNOWN"
    assert client("HEAD", f"/v2/a/manifests/{digest}").status == 200
    assert client("DELETE", f"/v2/a/manifests/{digest}").status == 202
    assert client("HEAD", "/v2/a/manifests/v2").status == 404
    assert client("DELETE", f"/v2/a/manifests/{digest}").status == 404
    assert client("GET", "/v2/a/tags/list").json["tags"] == []


def test_subjects(registry: OwnRegistry, client: Client) -> None:
    subject = client.push_image("a", "v1")
    pointer = {"mediaType": types.OCI_MANIFEST, "digest": subject, "size": 9}
    config, layer = b"{}", b"signature"
    client.push_blob("a", config)
    client.push_blob("a", layer)
    document = image(config, layer, subject=pointer, artifactType="application/x-sig", annotations={"by": "me"})
    data = json.dumps(document).encode()
    reply = client("PUT", f"/v2/a/manifests/{digest_of(data)}", data, Content_Type=types.OCI_MANIFEST)
    assert (reply.status, reply.headers["oci-subject"]) == (201, subject)
    (entry,) = client("GET", f"/v2/a/referrers/{subject}").json["manifests"]
    assert entry == {
        "mediaType": types.OCI_MANIFEST,
        "digest": digest_of(data),
        "size": len(data),
        "annotations": {"by": "me"},
        "artifactType": "application/x-sig",
    }
    index = _index(subject, subject=pointer)
    of_index = client.push_manifest("a", "", index)
    listed = client("GET", f"/v2/a/referrers/{subject}").json["manifests"]
    assert {each["digest"] for each in listed} == {digest_of(data), of_index}
    assert client("DELETE", f"/v2/a/manifests/{digest_of(data)}").status == 202
    assert [each["digest"] for each in client("GET", f"/v2/a/referrers/{subject}").json["manifests"]] == [of_index]


def test_a_damaged_one_is_noticed_and_can_be_removed(registry: OwnRegistry, client: Client) -> None:
    repository = registry.repositories.get("a")
    digest = client.push_image("a", "v1")
    record = repository.record(digest)
    assert record is not None
    assert isinstance(read(repository, record), Manifest)
    registry.repositories.content.path(digest).write_bytes(b"damaged")
    with pytest.raises(Internal):
        read(repository, record)
    assert client("DELETE", f"/v2/a/manifests/{digest}").status == 202
    assert client("HEAD", "/v2/a/manifests/v1").status == 404
