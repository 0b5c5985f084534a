"""What may stand after -H."""

from __future__ import annotations

import pytest

from carrack.daemon.address import parse_host, parse_metrics
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("unix:///a/b.sock", "unix", "/a/b.sock"),
        ("unix://", "unix", "/run/carrack.sock"),
        ("/a/b.sock", "unix", "/a/b.sock"),
        ("tcp://", "tcp", "127.0.0.1:2376"),
        ("tcp://:99", "tcp", "127.0.0.1:99"),
        ("tcp://1.2.3.4", "tcp", "1.2.3.4:2376"),
        ("tcp://[::1]:5", "tcp", "[::1]:5"),
        ("tcp://[::1]", "tcp", "[::1]:2376"),
        ("host:5", "tcp", "host:5"),
        ("fd://", "fd", ""),
        ("fd://*", "fd", ""),
        ("fd://3", "fd", "3"),
    ],
)
def test_addresses(text: str, kind: str, name: str) -> None:
    address = parse_host(text)
    assert (address.kind, address.name) == (kind, name)


def test_without_tls_the_usual_port_is_another() -> None:
    assert parse_host("tcp://h", tls=False).name == "h:2375"


@pytest.mark.parametrize(
    ("text", "name"),
    [("127.0.0.1:9323", "127.0.0.1:9323"), (":9323", "127.0.0.1:9323"), ("[::1]:1", "[::1]:1"), ("h:1", "h:1")],
)
def test_where_metrics_are(text: str, name: str) -> None:
    assert parse_metrics(text).name == name


@pytest.mark.parametrize("text", ["9323", "127.0.0.1", "::1:5", "h:99999", "h:1/metrics", "http://h:1/x"])
def test_where_metrics_cannot_be(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_metrics(text)


def test_halves_of_a_tcp_address() -> None:
    assert parse_host("tcp://[::1]:5").host_and_port == ("::1", 5)
    assert parse_host("tcp://h:5").host_and_port == ("h", 5)


@pytest.mark.parametrize(
    "text",
    [
        "unix://a",
        "unix:///" + "x" * 200,
        "tcp://h:x",
        "tcp://h:99999",
        "tcp://::1:5",
        "tcp://h:1/p",
        "fd://x",
        "ssh://h",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid bind address"):
        parse_host(text)
