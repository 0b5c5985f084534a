from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.api_server import serving

from carrack.client import images
from carrack.client.account import Account
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a", ("a", "")),
        ("a:b", ("a", "b")),
        ("host:5000/a", ("host:5000/a", "")),
        ("host:5000/a:b", ("host:5000/a", "b")),
        ("a@sha256:00", ("a", "sha256:00")),
    ],
)
def test_references(name: str, parts: tuple[str, str]) -> None:
    assert images.split_reference(name) == parts


def test_platforms() -> None:
    assert images.platform_document("") is None
    assert images.platform_document("linux/arm64/v8") == {"os": "linux", "architecture": "arm64", "variant": "v8"}
    for text in ("a/b/c/d", "linux/", "/"):
        with pytest.raises(InvalidArgument):
            images.platform_document(text)


def test_requests(tmp_path: Path) -> None:
    answers = {
        "GET /images/json": (200, []),
        "GET /images/h:1/a:b/json": (200, {"Id": "1"}),
        "GET /images/a/history": (200, []),
        "POST /images/a/tag": (201, None),
        "DELETE /images/a": (200, [{"Untagged": "a"}]),
        "GET /images/get": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntar",
        "HEAD /_ping": (200, None),
        "POST /images/load": (200, {"stream": "Loaded"}),
        "POST /images/create": (200, {"status": "sha256:1"}),
        "POST /carrack/images/bootstrap": (200, {"stream": "done"}),
        "POST /images/prune": (200, {}),
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        images.listing(daemon, {"all": True})
        assert images.inspect(daemon, "h:1/a:b", "linux") == {"Id": "1"}
        images.history(daemon, "a")
        images.tag(daemon, "a", "r", "t")
        assert images.remove(daemon, "a", force=True, prune=False) == [{"Untagged": "a"}]
        assert images.save(daemon, ["a", "b"]).read() == b"tar"
        assert list(images.load(daemon, iter([b"x"]), quiet=True)) == [{"stream": "Loaded"}]
        assert list(images.import_(daemon, {"fromSrc": "-"}, iter([b"y"]))) == [{"status": "sha256:1"}]
        assert list(images.import_(daemon, {"fromSrc": "http://x"}, None)) == [{"status": "sha256:1"}]
        assert list(images.pull(daemon, "h:1/a", "1", "linux/arm64", Account("h:1"))) == [{"status": "sha256:1"}]
        assert list(images.bootstrap(daemon, "busybox")) == [{"stream": "done"}]
        images.prune(daemon, {"dangling": {"false": True}})
        daemon.close()
    assert server.requests[1].query == "platform=%7B%22os%22%3A%22linux%22%7D"
    lines = {str(request).replace("/v1.51", "") for request in server.requests}
    assert {
        "POST /images/a/tag?repo=r&tag=t",
        "DELETE /images/a?force=1&noprune=1",
        "GET /images/get?names=a&names=b",
        "POST /images/load?quiet=1",
        "POST /images/create?fromImage=h%3A1%2Fa&tag=1&platform=linux%2Farm64",
        "POST /carrack/images/bootstrap?name=busybox",
    } <= lines
