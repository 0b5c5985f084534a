"""The registry behind: what is asked of it, and how its failures are told. It is another one of ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.own_registry import Client, OwnRegistry, digest_of

from carrack.errors import InvalidArgument
from carrack.oci import media_types as types
from carrack.oci.descriptor import Descriptor
from carrack.registry_server import passwords as passwords_module
from carrack.registry_server.app import Policy
from carrack.registry_server.config import Proxy
from carrack.registry_server.gatekeepers import SERVICE, ByToken
from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.passwords import Passwords, line
from carrack.registry_server.rights import Rights
from carrack.registry_server.tokens import Tokens
from carrack.registry_server.upstream import Upstream

BLOB = bytes(range(256)) * 4000


@pytest.fixture
def upstream(registry: OwnRegistry) -> Iterator[Upstream]:
    made = Upstream(Proxy(f"http://127.0.0.1:{registry.port}"))
    yield made
    made.close()


def test_everything_of_it(upstream: Upstream, client: Client) -> None:
    digest = client.push_image("a/b", "v1")
    assert upstream.head("a/b", "v1") == digest
    data, media_type = upstream.manifest("a/b", digest)
    assert (digest_of(data), media_type) == (digest, types.OCI_MANIFEST)
    assert upstream.size("a/b", digest_of(b"layer")) == 5
    assert upstream.size("a/b", digest_of(b"none")) is None
    assert upstream.tags("a/b") == ["v1"]
    assert upstream.referrers("a/b", digest).manifests == ()
    for ask in (lambda: upstream.head("a/b", "v2"), lambda: upstream.manifest("none", "v1")):
        with pytest.raises(Problem) as caught:
            ask()
        assert caught.value.code == "MANIFEST_UNKNOWN"


def test_a_broken_blob_is_gone_on_with(registry: OwnRegistry, upstream: Upstream) -> None:
    cuts = [10_000, 500_000]
    ranges: list[str] = []

    def handler(request: Request) -> Answer:
        answer = registry.app(request)
        if "/blobs/sha256" in request.path and request.method == "GET":
            ranges.append(request.headers.get("range", ""))
            if cuts and answer.content is not None:
                content, cut = answer.content, cuts.pop(0)
                whole = content.size
                real = content.send

                def send(wire: object) -> None:
                    content.size = cut
                    real(wire)  # type: ignore[arg-type]
                    raise ConnectionAbortedError(f"cut of {whole}")

                content.send = send  # type: ignore[method-assign]
        return answer

    registry.handler = handler
    registry._server._handler = handler  # type: ignore[union-attr]
    client = registry.client()
    digest = client.push_blob("a", BLOB)
    client.http.close()
    found = bytearray()
    upstream.blob("a", Descriptor("a/b", digest, len(BLOB)), found.extend)
    assert bytes(found) == BLOB
    assert ranges == ["", "bytes=10000-", "bytes=510000-"]


def test_one_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    upstream = Upstream(Proxy(f"http://127.0.0.1:{port}"))
    with pytest.raises(Problem) as caught:
        upstream.head("a", "v1")
    upstream.close()
    assert caught.value.code == "UNAVAILABLE"
    assert "behind this one" in str(caught.value)


@pytest.mark.parametrize("good", [True, False])
def test_its_password(tmp_path: Path, good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_module, "COST", 4)
    (tmp_path / "users").write_text(line("robot", "secret"))
    rights = Rights(closed=True)
    keeper = ByToken(Passwords(tmp_path / "users"), Tokens(b"k" * 32, SERVICE), rights)
    behind = OwnRegistry(tmp_path / "behind", keeper, Policy(rights))
    digest = behind.repositories.content.put(b"blob")
    behind.repositories.get("a").link(digest)
    (tmp_path / "password").write_text("secret\n" if good else "wrong\n")
    upstream = Upstream(Proxy(f"http://127.0.0.1:{behind.port}", "robot", str(tmp_path / "password")))
    if good:
        assert upstream.size("a", digest) == 4
    else:
        with pytest.raises(Problem) as caught:
            upstream.size("a", digest)
        assert caught.value.code == "DENIED"
        assert "wrong\n" not in str(caught.value)
    upstream.close()
    behind.close()


@pytest.mark.parametrize("remote", ["x", "ftp://x", "https://", "https://u:p@x", "https://x/path"])
def test_remotes_that_are_none(remote: str) -> None:
    with pytest.raises(InvalidArgument, match=r"proxy\.remote"):
        Upstream(Proxy(remote))
