"""A registry of ours before another one of ours."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.own_registry import Client, OwnRegistry, digest_of, image

from carrack.oci import media_types as types
from carrack.registry_server.config import Proxy, Settings
from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.registry import Registry

LAYER = bytes(range(256)) * 8000


class _Front:
    """A mirror of `behind`, which counts what reaches it."""

    def __init__(self, root: Path, behind: OwnRegistry, fresh: float) -> None:
        self.seen: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        behind.handler = self._pass
        self.behind = behind
        settings = Settings(root=root, proxy=Proxy(f"http://127.0.0.1:{behind.port}", fresh=fresh))
        self.registry = Registry(settings)
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        self.registry.listen(sock)
        self.client = Client(self.port)

    def _pass(self, request: Request) -> Answer:
        self.seen.append(f"{request.method} {request.path.partition('/v2/')[2]}")
        answer = self.behind.app(request)
        if "/blobs/" in request.path and request.method == "GET":
            assert self.gate.wait(10)
        return answer

    def close(self) -> None:
        self.client.http.close()
        self.registry.close()


@pytest.fixture
def front(tmp_path: Path, registry: OwnRegistry) -> Iterator[_Front]:
    made = _Front(tmp_path / "front", registry, fresh=300.0)
    yield made
    made.close()


@pytest.mark.census("registry registry server: pull-through proxy")
def test_an_image_is_fetched_once(front: _Front, client: Client) -> None:
    digest = client.push_image("a", "v1", LAYER)
    front.seen.clear()
    for _ in range(3):
        assert front.client("GET", "/v2/a/manifests/v1").headers["docker-content-digest"] == digest
        assert front.client("HEAD", f"/v2/a/manifests/{digest}").status == 200
        assert front.client("GET", f"/v2/a/blobs/{digest_of(LAYER)}").body == LAYER
        assert front.client("GET", f"/v2/a/blobs/{digest_of(LAYER)}", Range="bytes=3-5").body == LAYER[3:6]
    assert front.seen.count("GET a/manifests/v1") == 1
    assert front.seen.count(f"GET a/blobs/{digest_of(LAYER)}") == 1
    assert front.client("GET", "/v2/a/tags/list").json["tags"] == ["v1"]


def test_many_readers_share_one_fetch(front: _Front, client: Client) -> None:
    digest = client.push_blob("a", LAYER)
    front.gate.clear()
    found: list[bytes] = []

    def pull() -> None:
        own = Client(front.port)
        found.append(own("GET", f"/v2/a/blobs/{digest}").body)
        own.http.close()

    threads = [threading.Thread(target=pull) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    front.gate.set()
    for thread in threads:
        thread.join(10)
    assert found == [LAYER] * 6
    assert front.seen.count(f"GET a/blobs/{digest}") == 1


def test_a_range_and_a_head_of_what_is_not_here(front: _Front, client: Client) -> None:
    digest = client.push_blob("a", LAYER)
    head = front.client("HEAD", f"/v2/a/blobs/{digest}")
    assert (head.status, head.headers["content-length"]) == (200, str(len(LAYER)))
    assert front.client("GET", f"/v2/a/blobs/{digest}", Range="bytes=10-19").body == LAYER[10:20]
    empty = client.push_blob("a", b"")
    assert front.client("GET", f"/v2/a/blobs/{empty}").body == b""


def test_wrong_content_is_not_kept_nor_given_whole(front: _Front, registry: OwnRegistry, client: Client) -> None:
    digest = client.push_blob("a", LAYER)
    registry.repositories.content.path(digest).write_bytes(LAYER[:-1] + b"!")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        front.client("GET", f"/v2/a/blobs/{digest}")
    front.client.http.close()
    assert not front.registry.repositories.content.has(digest)
    assert not list((front.registry.repositories.content.root / "ingest").iterdir())
    registry.repositories.content.path(digest).write_bytes(LAYER)
    assert front.client("GET", f"/v2/a/blobs/{digest}").body == LAYER


def test_what_is_unknown_there_is_unknown_here(front: _Front, client: Client) -> None:
    client.push_image("a", "v1")
    assert front.client("GET", "/v2/a/manifests/v2").status == 404
    assert front.client("GET", f"/v2/a/blobs/{digest_of(b'none')}").code == "BLOB_UNKNOWN"
    assert front.client("GET", "/v2/none/manifests/v1").status == 404


def test_pushes_are_refused_with_a_reason(front: _Front) -> None:
    reply = front.client("POST", "/v2/a/blobs/uploads/")
    assert reply.status == 405
    assert "push there" in reply.json["errors"][0]["message"]


def test_tags_are_asked_for_again_and_served_when_the_other_is_gone(
    tmp_path: Path, registry: OwnRegistry, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    front = _Front(tmp_path / "front", registry, fresh=0.0)
    old = client.push_image("a", "v1", b"old")
    assert front.client("HEAD", "/v2/a/manifests/v1").headers["docker-content-digest"] == old
    new = client.push_image("a", "v1", b"new")
    assert front.client("HEAD", "/v2/a/manifests/v1").headers["docker-content-digest"] == new
    registry.close()
    assert front.client("HEAD", "/v2/a/manifests/v1").headers["docker-content-digest"] == new
    assert "is served as it was" in caplog.text
    assert front.client("GET", "/v2/a/tags/list").json["tags"] == ["v1"]
    assert front.client("GET", "/v2/a/manifests/v2").status == 503
    front.close()


def test_referrers(front: _Front, client: Client) -> None:
    subject = client.push_image("a", "v1")
    client.push_blob("a", b"{}")
    pointer = {"mediaType": types.OCI_MANIFEST, "digest": subject, "size": 3}
    signature = client.push_manifest("a", "", image(b"{}", subject=pointer))
    listed = front.client("GET", f"/v2/a/referrers/{subject}").json["manifests"]
    assert [each["digest"] for each in listed] == [signature]


def test_another_that_has_had_enough(tmp_path: Path, registry: OwnRegistry) -> None:
    front = _Front(tmp_path / "front", registry, fresh=0.0)
    client = registry.client()
    client.push_image("a", "v1")
    client.http.close()
    assert front.client("HEAD", "/v2/a/manifests/v1").status == 200

    def enough(request: Request) -> Answer:
        return Problem("TOOMANYREQUESTS", "enough", headers={"Retry-After": "77"}).answer()

    front.behind.app = enough  # type: ignore[assignment]
    assert front.client("HEAD", "/v2/a/manifests/v1").status == 200, "as it was"
    reply = front.client("GET", "/v2/a/manifests/v2")
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "TOOMANYREQUESTS", "77")
    front.close()
