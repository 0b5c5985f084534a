"""Hijacked connections on unix sockets: half-close, leftovers, backpressure, endings."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fakes.http_peer import exchange, run_with

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response


def test_hijack_hands_on_the_bytes_that_followed_and_keeps_half_close(tmp_path: Path) -> None:
    async def attach(request: Request) -> Response:
        body = await request.json_object()
        peer = await request.hijack(multiplexed=True)
        got = b""
        while data := await peer.read():
            got += data
        peer.write(b"%s:%s" % (body["x"].encode(), got))
        await asyncio.sleep(0.02)
        peer.write(b":late")
        return HIJACKED

    async def client(address: str) -> None:
        for headers, line in [
            (b"Connection: Upgrade\r\nUpgrade: tcp\r\n", b"HTTP/1.1 101 UPGRADED\r\n"),
            (b"", b"HTTP/1.1 200 OK\r\n"),
        ]:
            request = b"POST /v1.44/attach HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            request += b'Content-Length: 9\r\n%s\r\n{"x":"y"}GET / HTTP/1.1\r\n\r\n' % headers
            data = await exchange(address, request, eof=True)
            head, _, body = data.partition(b"\r\n\r\n")
            assert head.startswith(line)
            assert (b"Upgrade: tcp" in head) == bool(headers)
            kind = b"multiplexed" if headers else b"raw"
            assert b"Content-Type: application/vnd.docker.%s-stream" % kind in head
            assert body == b"y:GET / HTTP/1.1\r\n\r\n:late"

    run_with(tmp_path, [Route("POST", "/attach", attach)], client)
