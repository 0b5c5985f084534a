from __future__ import annotations

import pytest

from carrack.registry import head as heads
from carrack.registry.head import CHUNKED, UNTIL_CLOSE, Malformed


def test_a_head_is_read() -> None:
    head = heads.parse(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain \r\nLink: a\r\nlink: b\r\nEmpty:")
    assert head.status == 200
    assert head.headers.get("content-TYPE") == "text/plain"
    assert head.headers.all("Link") == ["a", "b"]
    assert head.headers.get("empty", "x") == ""
    assert head.headers.get("missing", "x") == "x"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"SSH-2.0-x", b"HTTP/2 200", b"HTTP/1.1 20", b"HTTP/1.1 abc", b"HTTP/1.1 200\r\nno colon",
        b"HTTP/1.1 200\r\nName : x", b"HTTP/1.1 200\r\na: b\r\n folded", b"HTTP/1.1 200\r\n: x",
        b"HTTP/1.1 200\r\na: b\0c", b"HTTP/1.1 200\r\n" + b"a: b\r\n" * 300,
    ],
)  # fmt: skip
def test_what_is_no_head_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        heads.parse(data)


@pytest.mark.parametrize(
    ("method", "data", "length"),
    [
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 12", 12),
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 12\r\nContent-Length: 12", 12),
        ("HEAD", b"HTTP/1.1 200\r\nContent-Length: 12", 0),
        ("GET", b"HTTP/1.1 204\r\nContent-Length: 12", 0),
        ("GET", b"HTTP/1.1 200\r\nTransfer-Encoding: Chunked", CHUNKED),
        ("GET", b"HTTP/1.0 200\r\nx: y", UNTIL_CLOSE),
    ],
)
def test_framing(method: str, data: bytes, length: int) -> None:
    assert heads.body_length(method, heads.parse(data)) == length


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nContent-Length: 2", b"Content-Length: -1", b"Content-Length: 1_0",
        b"Content-Length: 99999999999999999999", b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)  # fmt: skip
def test_ambiguous_framing_is_refused(fields: bytes) -> None:
    with pytest.raises(Malformed, match="ambiguous"):
        heads.body_length("GET", heads.parse(b"HTTP/1.1 200 OK\r\n" + fields))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200\r\na: b", True),
        (b"HTTP/1.1 200\r\nConnection: Close", False),
        (b"HTTP/1.0 200\r\na: b", False),
        (b"HTTP/1.0 200\r\nConnection: keep-alive", True),
    ],
)
def test_persistence(data: bytes, expected: bool) -> None:
    assert heads.parse(data).persistent is expected
