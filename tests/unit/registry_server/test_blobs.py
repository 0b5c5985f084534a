"""Blobs over HTTP: every way to bring one, ranges, mounts and the refusals of the specification."""

from __future__ import annotations

import threading

import pytest
from tests.fakes.own_registry import Client, OwnRegistry, digest_of

BLOB = b"0123456789" * 1000
DIGEST = digest_of(BLOB)


def _begin(client: Client, name: str = "a") -> str:
    reply = client("POST", f"/v2/{name}/blobs/uploads/")
    assert reply.status == 202
    assert reply.headers["range"] == "0-0"
    return reply.headers["location"]


def test_a_stream_and_then_its_digest(client: Client) -> None:
    place = _begin(client)
    chunks = (BLOB[start : start + 999] for start in range(0, len(BLOB), 999))
    reply = client("PATCH", place, chunks)
    assert (reply.status, reply.headers["range"]) == (202, f"0-{len(BLOB) - 1}")
    done = client("PUT", f"{place}?digest={DIGEST}")
    assert (done.status, done.headers["location"]) == (201, f"/v2/a/blobs/{DIGEST}")
    got = client("GET", done.headers["location"])
    assert (got.status, got.body, got.headers["docker-content-digest"]) == (200, BLOB, DIGEST)
    head = client("HEAD", done.headers["location"])
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(BLOB)), b"")


def test_chunks_in_order(client: Client) -> None:
    place = _begin(client)
    first = client("PATCH", place, BLOB[:100], Content_Range="0-99")
    assert (first.status, first.headers["range"]) == (202, "0-99")
    for wrong, body in (("0-99", BLOB[:100]), ("200-299", BLOB[200:300])):
        reply = client("PATCH", place, body, Content_Range=wrong)
        assert (reply.status, reply.code, reply.headers["range"]) == (416, "RANGE_INVALID", "0-99")
        client.http.close()
    told = client("GET", place)
    assert (told.status, told.headers["range"], told.headers["location"]) == (204, "0-99", place)
    done = client("PUT", f"{place}?digest={DIGEST}", BLOB[100:], Content_Range=f"100-{len(BLOB) - 1}")
    assert done.status == 201
    assert client("GET", place).code == "BLOB_UPLOAD_UNKNOWN"


@pytest.mark.parametrize("text", ["x", "5-2", "0-50", "bytes 0-1/2"])
def test_a_range_that_does_not_fit(client: Client, text: str) -> None:
    assert client("PATCH", _begin(client), b"abc", Content_Range=text).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_all_at_once(client: Client, method: str) -> None:
    place = "/v2/a/blobs/uploads/" if method == "POST" else _begin(client)
    assert client(method, f"{place}?digest={DIGEST}", BLOB).status == 201
    assert client("GET", f"/v2/a/blobs/{DIGEST}", Range="bytes=5-9").body == b"56789"


def test_another_digest(client: Client) -> None:
    place = _begin(client)
    reply = client("PUT", f"{place}?digest={digest_of(b'x')}", BLOB)
    assert (reply.status, reply.code) == (400, "DIGEST_INVALID")
    assert client("GET", f"/v2/a/blobs/{DIGEST}").code == "BLOB_UNKNOWN"


@pytest.mark.parametrize("digest", ["x", "sha256:ab", "sha256:../../x", "md5:00", "sha512:" + "0" * 128])
def test_what_is_no_digest(client: Client, digest: str) -> None:
    assert client("GET", f"/v2/a/blobs/{digest.replace('/', '%2F')}").status in (400, 404)
    assert client("PUT", f"{_begin(client)}?digest={digest}").code == "DIGEST_INVALID"
    assert client("PUT", _begin(client)).code == "DIGEST_INVALID"


def test_uploads_of_one_repository_are_not_anothers(client: Client) -> None:
    place = _begin(client)
    assert client("PATCH", place.replace("/a/", "/b/"), b"x").code == "BLOB_UPLOAD_UNKNOWN"
    assert client("DELETE", place).status == 204
    assert client("DELETE", place).code == "BLOB_UPLOAD_UNKNOWN"


def test_mounts(client: Client) -> None:
    client.push_blob("source", BLOB)
    assert client("GET", f"/v2/target/blobs/{DIGEST}").code == "BLOB_UNKNOWN"
    reply = client("POST", f"/v2/target/blobs/uploads/?mount={DIGEST}&from=source")
    assert (reply.status, reply.headers["location"]) == (201, f"/v2/target/blobs/{DIGEST}")
    assert client("GET", f"/v2/target/blobs/{DIGEST}").body == BLOB
    for query in (f"mount={DIGEST}", f"mount={DIGEST}&from=nowhere", f"mount={digest_of(b'')}&from=source"):
        assert client("POST", f"/v2/target/blobs/uploads/?{query}").status == 202


def test_delete(client: Client) -> None:
    client.push_blob("a", BLOB)
    client.push_blob("b", BLOB)
    assert client("DELETE", f"/v2/a/blobs/{DIGEST}").status == 202
    assert client("DELETE", f"/v2/a/blobs/{DIGEST}").status == 404
    assert client("GET", f"/v2/a/blobs/{DIGEST}").status == 404
    assert client("GET", f"/v2/b/blobs/{DIGEST}").status == 200


def test_an_interrupted_upload_goes_on(registry: OwnRegistry, client: Client) -> None:
    place = _begin(client)
    client.http.putrequest("PATCH", place)
    client.http.putheader("Content-Length", str(len(BLOB)))
    client.http.endheaders()
    client.http.send(BLOB[:5000])
    client.http.close()
    again = registry.client()
    for _ in range(100):  # until the server has seen that the client is gone
        told = again("GET", place)
        if told.headers["range"] == "0-4999":
            break
    assert told.headers["range"] == "0-4999"
    assert again("PATCH", place, BLOB[5000:], Content_Range=f"5000-{len(BLOB) - 1}").status == 202
    assert again("PUT", f"{place}?digest={DIGEST}").status == 201
    again.http.close()


def test_the_same_blob_from_many_at_once(registry: OwnRegistry) -> None:
    failures: list[object] = []

    def push(name: str) -> None:
        client = registry.client()
        try:
            client.push_blob(name, BLOB)
            assert client("GET", f"/v2/{name}/blobs/{DIGEST}").body == BLOB
        except Exception as error:
            failures.append(error)
        client.http.close()

    threads = [threading.Thread(target=push, args=(f"r{number % 3}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert list(registry.repositories.content.digests()) == [DIGEST]
