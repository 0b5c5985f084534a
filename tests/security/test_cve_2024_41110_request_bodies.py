"""CVE-2024-41110 and CVE-2026-34040: what one layer takes for the body must be what the handler parses.

There a request with `Content-Length: 0`, or a body above a limit, reached the authorisation hook without its body and
the handler with it. Here every framing of a body must arrive whole or be refused, and what follows a request must
never become part of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from tests.fakes.http_peer import exchange, parse, run_with

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, text

MIB = 1024 * 1024


async def digest(request: Request) -> Response:
    return text(hashlib.sha256(await request.body()).hexdigest())


ROUTES = [Route("POST", "/digest", digest)]


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n" % len(part) + part + b"\r\n" for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_the_handler_sees_every_byte(tmp_path: Path, size: int, framing: str) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    head = b"POST /digest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    if framing == "length":
        request = head + b"Content-Length: %d\r\n\r\n" % size + body
    else:
        request = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, 70_000)

    async def client(address: str) -> None:
        assert parse(await exchange(address, request))[2].decode() == hashlib.sha256(body).hexdigest()

    run_with(tmp_path, ROUTES, client)


def test_bytes_behind_a_length_of_zero_are_another_request(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        request = b'POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n{"Image":"evil"}\r\n\r\n'
        first, _, second = (await exchange(address, request)).partition(b"HTTP/1.1 400")
        assert parse(first)[2].decode() == hashlib.sha256(b"").hexdigest()
        assert second.startswith(b" Bad Request")

    run_with(tmp_path, ROUTES, client)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 0\r\nContent-Length: 5",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding:\tchunked\r\nTransfer-Encoding: identity",
        b"Content-Length: 5\r\nContent-Length : 0",
        b"Content-Length: 0\r\n\tContent-Length: 5",
    ],
)
def test_two_ways_to_read_a_length_are_refused(tmp_path: Path, fields: bytes) -> None:
    seen: list[bytes] = []

    async def spy(request: Request) -> Response:
        seen.append(await request.body())
        return text("seen")

    async def client(address: str) -> None:
        request = b"POST /digest HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        assert parse(await exchange(address, request))[0] in (400, 501)
        await asyncio.sleep(0)
        assert seen == []

    run_with(tmp_path, [Route("POST", "/digest", spy)], client)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/digest", 200),
        ("http://x/digest", 200),
        ("/%64igest", 200),
        ("//digest", 301),
        ("/x/../digest", 301),
        ("/DIGEST", 404),
        ("/digest%2f", 404),
        ("/digest;x", 404),
        ("gopher://x/digest", 400),
        ("digest", 400),
    ],
)
def test_a_handler_has_one_path(tmp_path: Path, target: str, status: int) -> None:
    async def client(address: str) -> None:
        request = f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        assert parse(await exchange(address, request.encode()))[0] == status

    run_with(tmp_path, ROUTES, client)
