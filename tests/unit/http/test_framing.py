"""Where requests end, however their bytes are cut; ambiguous framing is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.http.framing import RequestFramer
from carrack.http.head import MAX_HEAD, FramingError

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\ncontent-length:  5 \r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n",
    b"POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\nGET / HTTP/1.1\r\nHost: y\r\n\r\n..",
    b"POST /e HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n",
]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def requests_in(parts: list[bytes]) -> tuple[list[bytes], bytes]:
    """The requests that a framer finds in a stream cut into `parts`, and what is left over."""
    framer = RequestFramer()
    found, current = [], b""
    for part in parts:
        current += framer.feed(part)
        while framer.complete:
            found.append(current)
            framer.next()
            current = framer.feed(b"")
    return found, current


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(REQUESTS), max_size=5), st.lists(st.integers(0, 10_000), max_size=12))
def test_requests_are_told_apart_however_they_are_cut(requests: list[bytes], cuts: list[int]) -> None:
    assert requests_in(pieces(b"".join(requests), cuts)) == (requests, b"")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(REQUESTS), st.binary(max_size=60), st.lists(st.integers(0, 10_000), max_size=6))
def test_what_follows_a_request_is_kept_and_never_looked_at(request: bytes, tail: bytes, cuts: list[int]) -> None:
    framer = RequestFramer()
    taken = b"".join(framer.feed(part) for part in pieces(request + tail, cuts))
    assert (taken, framer.rest, framer.complete) == (request, tail, True)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_framed_or_refused(data: bytes) -> None:
    try:
        taken = RequestFramer().feed(data)
    except FramingError:
        return
    assert data.lstrip(b"\r\n").startswith(taken)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Content-Length: 5, 5",
        b"Content-Length: ",
        b"Content-Length: 1" + b"0" * 18,
        b"Content-Length : 5",
        b" Content-Length: 5",
        b"X: a\nContent-Length: 5",
        b"X: a\r\n folded: 5",
        b"X: \0",
        b"no colon",
    ],
)
def test_ambiguous_or_malformed_heads_are_refused(fields: bytes) -> None:
    with pytest.raises(FramingError):
        RequestFramer().feed(b"POST / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\nhello")


@pytest.mark.parametrize("chunk", [b"x\r\n", b"\r\n", b"-1\r\n", b"5\nhello", b"0x5\r\n", b"1" * 16 + b"\r\n"])
def test_malformed_chunks_are_refused(chunk: bytes) -> None:
    framer = RequestFramer()
    framer.feed(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(FramingError):
        framer.feed(chunk)


def test_heads_chunk_lines_and_trailers_have_limits() -> None:
    framer = RequestFramer()
    for _ in range(MAX_HEAD // 1024):
        framer.feed(b"a" * 1024)
    with pytest.raises(FramingError) as refused:
        framer.feed(b"a")
    assert refused.value.status == 431
    with pytest.raises(FramingError):
        RequestFramer().feed(b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    start = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(FramingError, match="chunk line"):
        RequestFramer().feed(start + b"5;" + b"x" * 5000)
    with pytest.raises(FramingError, match="trailers"):
        RequestFramer().feed(start + b"0\r\n" + b"T: x\r\n" * 4000)


def test_a_websocket_takes_the_whole_connection() -> None:
    framer = RequestFramer()
    request = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    assert framer.feed(request + b"\x81\x00") == request + b"\x81\x00"
    assert framer.endless
    assert not framer.complete
    assert framer.feed(b"more") == b"more"


def test_chunks_passed_over_at_once_end_where_those_cut_up_do() -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (size, b"x" * size) for size in (1, 15, 16, 300, 5)) + b"0\r\nT: 1\r\n\r\n"
    request = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    for cut in range(1, len(request)):
        framer = RequestFramer()
        handed = framer.feed(request[:cut]) + framer.feed(request[cut:] + b"GET")
        assert handed == request
        assert framer.complete
        assert framer.rest == b"GET"


@pytest.mark.parametrize("size", [b"", b"-1", b"0x5", b"5 x", b"1" * 16, b"5_0", b"\xb2"])
def test_sizes_that_are_none_are_refused_after_a_chunk_too(size: bytes) -> None:
    framer = RequestFramer()
    framer.feed(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    with pytest.raises(FramingError):
        framer.feed(size + b"\r\nxxxxx\r\n")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.sampled_from([b"", b";a=b"]),
    st.sampled_from([b"", b"Trailer: a\r\n"]),
    st.binary(max_size=20),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_the_bytes_of_a_body_in_chunks(
    chunks: list[bytes], extension: bytes, trailer: bytes, tail: bytes, cuts: list[int]
) -> None:
    framer = RequestFramer()
    framer.feed(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert framer.in_chunks
    wire = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    wire += b"0\r\n" + trailer + b"\r\n"
    found, rest = b"", b""
    for part in pieces(wire + tail, cuts):
        if framer.complete:
            rest += part
            continue
        buffer = bytearray(part + b"old bytes\n")
        found += b"".join(framer.payload(buffer, len(part)))
        rest = framer.rest
    assert (found, framer.complete, rest) == (b"".join(chunks), True, tail)
    assert not framer.in_chunks


@pytest.mark.parametrize("wire", [b"5\r\nhelloX\n", b"5\r\nhello\rX", b"x\r\n", b"\r\n", b"1" * 5000])
def test_what_is_no_chunk_is_refused(wire: bytes) -> None:
    framer = RequestFramer()
    framer.feed(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(FramingError):
        framer.payload(bytearray(wire), len(wire))
