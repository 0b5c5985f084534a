"""Attach over WebSocket, with aiohttp's client on the other side."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from tests.fakes.http_peer import ask, run_with

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response
from carrack.http.stdcopy import STDERR, STDOUT, frame


@pytest.mark.parametrize("framed", [False, True])
def test_bytes_pass_in_both_directions_without_frames(tmp_path: Path, framed: bool) -> None:
    async def attach(request: Request) -> Response:
        peer = await request.websocket(framed=framed)
        while data := await peer.read():
            out = b"<" + data + b">"
            peer.write(frame(STDOUT, out[:2]) + frame(STDERR, out[2:]) if framed else out)
            await peer.drain()
            if data == b"bye":
                peer.write(frame(STDOUT, b"last") if framed else b"last")
                peer.close()
                break
        return HIJACKED

    async def client(address: str) -> None:
        connector = aiohttp.UnixConnector(address)
        async with aiohttp.ClientSession(connector=connector) as session, session.ws_connect("http://x/ws") as socket:
            await socket.send_bytes(b"\x00\xff")
            assert await socket.receive_bytes() == b"<\x00\xff>"
            await socket.send_str("bye")
            assert await socket.receive_bytes() == b"<bye>"
            assert await socket.receive_bytes() == b"last"
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE

    run_with(tmp_path, [Route("GET", "/ws", attach)], client)


def test_a_client_that_closes_ends_the_stream(tmp_path: Path) -> None:
    over = asyncio.Event()

    async def attach(request: Request) -> Response:
        peer = await request.websocket(framed=False)
        assert await peer.read() == b""
        assert peer.closed.done()
        peer.write(b"into the void")
        with pytest.raises(ConnectionResetError):
            await peer.drain()
        over.set()
        return HIJACKED

    async def client(address: str) -> None:
        connector = aiohttp.UnixConnector(address)
        async with aiohttp.ClientSession(connector=connector) as session, session.ws_connect("http://x/ws"):
            pass
        await over.wait()

    run_with(tmp_path, [Route("GET", "/ws", attach)], client)


def test_an_ordinary_request_is_told_what_is_needed(tmp_path: Path) -> None:
    async def attach(request: Request) -> Response:
        await request.websocket(framed=False)
        return HIJACKED

    async def client(address: str) -> None:
        status, _, body = await ask(address, "/ws")
        assert (status, b"WebSocket handshake" in body) == (400, True)

    run_with(tmp_path, [Route("GET", "/ws", attach)], client)
