"""Heads that are plain HTTP/1.1 are read; everything that parsers read differently is refused, in Go's words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.http.head import MAX_FIELDS, FramingError, read

LINE = b"GET /a?b HTTP/1.1\r\n"
HOST = b"Host: d\r\n"


def test_what_frames_the_message_is_found() -> None:
    fields = b"CONTENT-LENGTH:\t5 \r\nX: \xe9\r\nexpect: 100-Continue\r\nUpgrade: tcp\r\nUpgrade: h2c\r\n"
    assert read(LINE + HOST + fields + b"\r\n") == {
        b"host": [b"d"], b"content-length": [b"5"], b"expect": [b"100-Continue"], b"upgrade": [b"tcp", b"h2c"],
    }  # fmt: skip
    assert read(b"OPTIONS * HTTP/1.0\r\n\r\n") == {}


@pytest.mark.parametrize(
    ("head", "status", "body"),
    [
        (LINE, 400, b"400 Bad Request: missing required Host header"),
        (LINE + HOST + HOST, 400, b"400 Bad Request"),
        (LINE + b"Host: a b\r\n", 400, b"400 Bad Request: malformed Host header"),
        (LINE + HOST + b"A : 1\r\n", 400, b"400 Bad Request: invalid header name"),
        (LINE + HOST + b"A B: 1\r\n", 400, b"400 Bad Request: invalid header name"),
        (LINE + HOST + b": 1\r\n", 400, b"400 Bad Request"),
        (LINE + HOST + b"A\r\n", 400, b"400 Bad Request"),
        (LINE + HOST + b"A: 1\r\n 2\r\n", 400, b"400 Bad Request"),
        (LINE + HOST + b"A: a\0\r\n", 400, b"400 Bad Request"),
        (LINE + HOST + b"A: a\rb\r\n", 400, b"400 Bad Request"),
        (LINE + HOST + b"A: a\nb\r\n", 400, b"400 Bad Request"),
        (LINE + HOST + b"A: 1\r\n" * (MAX_FIELDS + 1), 431, b"431 Request Header Fields Too Large"),
        (LINE + HOST + b"Expect: more\r\n", 417, b""),
        (b"GET /a HTTP/2.0\r\n", 505, b"505 HTTP Version Not Supported: unsupported protocol version"),
        (b"GET  /a HTTP/1.1\r\n", 400, b"400 Bad Request"),
        (b"GET /a b HTTP/1.1\r\n", 400, b"400 Bad Request"),
        (b"GET a HTTP/1.1\r\n", 400, b"400 Bad Request"),
        (b"GET /%zz HTTP/1.1\r\n", 400, b"400 Bad Request"),
        (b"GET /a\r\n", 400, b"400 Bad Request"),
        (b"EAT /a HTTP/1.1\r\n", 404, b'{"message":"page not found"}\n'),
    ],
)
def test_refusals(head: bytes, status: int, body: bytes) -> None:
    with pytest.raises(FramingError) as refused:
        read(head + b"\r\n")
    assert refused.value.status == status
    answer = refused.value.answer()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.partition(b"\r\n\r\n")[2] == body


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 40))
def test_any_bytes_are_read_or_refused(noise: bytes, position: int) -> None:
    head = LINE + HOST + b"A: b\r\n\r\n"
    try:
        found = read(head[:position] + noise + head[position:])
    except FramingError:
        return
    assert set(found) <= {b"host", b"content-length", b"transfer-encoding", b"upgrade", b"expect"}
