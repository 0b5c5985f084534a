"""Collection of garbage from a registry at work."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.own_registry import Client, OwnRegistry, digest_of, image

from carrack.oci import media_types as types
from carrack.registry_server.collector import Collector
from carrack.registry_server.repositories import Tags
from carrack.registry_server.retention import Retention


def _age(root: Path) -> None:
    """Let everything be old."""
    for folder, _, names in os.walk(root):
        for name in names:
            os.utime(f"{folder}/{name}", (1000, 1000))


def _collector(registry: OwnRegistry, *rules: Retention, grace: float = 3600.0) -> Collector:
    return Collector(registry.repositories, registry.uploads, rules, grace)


@pytest.mark.census("registry registry server: garbage-collect")
def test_what_nothing_leads_to_goes_and_all_else_stays(registry: OwnRegistry, client: Client) -> None:
    kept = client.push_image("a", "v1", b"kept")
    shared = client.push_blob("b", b"kept")
    gone = client.push_image("a", "v2", b"gone")
    stray = client.push_blob("c", b"stray")
    assert client("DELETE", f"/v2/a/manifests/{gone}").status == 202
    assert _collector(registry).collect().blobs == 0, "all of it is young"
    _age(registry.root)
    found = _collector(registry).collect()
    assert found.blobs == 4  # the manifest, its config, its layer and the stray
    assert client("GET", "/v2/a/manifests/v1").status == 200
    assert client("GET", f"/v2/a/blobs/{digest_of(b'kept')}").body == b"kept"
    assert client("GET", f"/v2/b/blobs/{shared}").status == 404, "its repository does not need it"
    for name, digest in (("a", gone), ("a", digest_of(b"gone")), ("c", stray)):
        assert client("GET", f"/v2/{name}/blobs/{digest}").status == 404
        assert not registry.repositories.content.has(digest)
    assert registry.repositories.content.has(kept)
    assert _collector(registry).collect() == type(found)()


def test_rules_are_followed(registry: OwnRegistry, client: Client) -> None:
    signed = client.push_image("ci/app", "v1", b"signed")
    subject = {"mediaType": types.OCI_MANIFEST, "digest": signed, "size": 1}
    client.push_blob("ci/app", b"{}")
    signature = client.push_manifest("ci/app", "", image(b"{}", subject=subject))
    for number in range(4):
        client.push_image("ci/app", f"build-{number}", b"%d" % number)
    client.push_image("other", "build-1")
    _age(registry.root)
    for number, tag in enumerate(("build-0", "build-3", "build-1", "build-2")):
        os.utime(registry.root / "repositories" / "ci" / "app" / "_tags" / tag, (2000 + number, 2000 + number))
    rule = Retention(("ci/**",), keep_tags=("v*",), keep_last=2, untagged_after=60.0)
    _backdate(registry)
    found = _collector(registry, rule).collect()
    assert (found.tags, found.manifests) == (2, 2)
    assert Tags(registry.repositories.get("ci/app")).names() == ["build-1", "build-2", "v1"]
    assert [each["digest"] for each in client("GET", f"/v2/ci/app/referrers/{signed}").json["manifests"]] == [signature]
    assert Tags(registry.repositories.get("other")).names() == ["build-1"]
    assert client("GET", "/v2/ci/app/manifests/build-1").status == 200


def _backdate(registry: OwnRegistry) -> None:
    """Let every manifest have been pushed long ago."""
    for repository in registry.repositories.everywhere():
        for path in (repository.path / "_manifests").iterdir():
            text = path.read_text()
            place = text.index('"pushed":') + len('"pushed":')
            path.write_text(text[:place] + "1000.0}")
            os.utime(path, (1000, 1000))


def test_a_blob_asked_for_meanwhile_stays(registry: OwnRegistry, client: Client) -> None:
    digest = client.push_blob("a", b"layer")
    _age(registry.root)
    assert client("HEAD", f"/v2/a/blobs/{digest}").status == 200, "and so it is young again"
    assert _collector(registry).collect().blobs == 0
    assert client("HEAD", f"/v2/a/blobs/{digest}").status == 200


def test_a_manifest_that_cannot_be_read_keeps_its_repository(
    registry: OwnRegistry, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    digest = client.push_image("a", "v1")
    registry.repositories.content.path(digest).write_bytes(b"damaged")
    _age(registry.root)
    assert _collector(registry).collect().blobs == 0
    assert "repository a is left alone" in caplog.text
    assert client("GET", f"/v2/a/blobs/{digest_of(b'layer')}").status == 200


def test_forsaken_uploads_go(registry: OwnRegistry, client: Client) -> None:
    place = client("POST", "/v2/a/blobs/uploads/").headers["location"]
    _age(registry.root)
    assert _collector(registry).collect().uploads == 1
    assert client("GET", place).code == "BLOB_UPLOAD_UNKNOWN"


def test_pushes_and_pulls_go_on_meanwhile(registry: OwnRegistry) -> None:
    """Images are pushed, pulled and deleted while garbage is collected without any grace."""
    stop, failures = threading.Event(), list[Any]()

    def work(name: str) -> None:
        client = registry.client()
        try:
            for number in range(12):
                digest = client.push_image(name, "v", b"%s %d" % (b"shared" if number % 2 else name.encode(), number))
                document = client("GET", f"/v2/{name}/manifests/{digest}").json
                for each in (document["config"], *document["layers"]):
                    reply = client("GET", f"/v2/{name}/blobs/{each['digest']}")
                    assert digest_of(reply.body) == each["digest"]
                if number % 3 == 0:
                    assert client("DELETE", f"/v2/{name}/manifests/{digest}").status == 202
        except BaseException as error:
            failures.append(error)
        client.http.close()

    def collect() -> None:
        collector = _collector(registry, grace=1.0)
        while not stop.is_set():
            for path in (registry.root / "content" / "blobs" / "sha256").iterdir():
                try:
                    os.utime(path, (1000, 1000))
                except FileNotFoundError:
                    pass
            collector.collect()

    sweeper = threading.Thread(target=collect)
    sweeper.start()
    workers = [threading.Thread(target=work, args=(f"r{number}",)) for number in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(30)
    stop.set()
    sweeper.join(30)
    assert not failures


def test_blobs_that_an_index_names_stay(registry: OwnRegistry, client: Client) -> None:
    """Build caches are kept so, for readers of old."""
    blob = client.push_blob("a", b"of a cache")
    entry = {"mediaType": types.OCI_LAYER_GZIP, "digest": blob, "size": 10}
    client.push_manifest("a", "cache", {"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [entry]})
    _age(registry.root)
    assert _collector(registry).collect().blobs == 0
    assert client("GET", f"/v2/a/blobs/{blob}").body == b"of a cache"
