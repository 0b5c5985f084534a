"""Hijacked connections on unix sockets: half-close, leftovers, backpressure, endings."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fakes.http_peer import exchange, run, run_with, serving

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response
from carrack.errors import NotFound


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


async def upgraded(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    return reader, writer


def test_a_client_that_sends_faster_than_it_is_read_waits(tmp_path: Path) -> None:
    go = asyncio.Event()
    total = 0

    async def attach(request: Request) -> Response:
        nonlocal total
        peer = await request.hijack()
        await go.wait()
        while data := await peer.read():
            total += len(data)
        peer.write(b"done")
        return HIJACKED

    async def client(address: str) -> None:
        reader, writer = await upgraded(address)
        writer.write(bytes(8_000_000))
        writer.write_eof()
        await asyncio.sleep(0.05)
        assert writer.transport.get_write_buffer_size() > 6_000_000
        go.set()
        assert await reader.read() == b"done"
        assert total == 8_000_000
        writer.close()

    run_with(tmp_path, [Route("POST", "/attach", attach)], client)


def test_a_client_that_reads_slowly_holds_the_writer(tmp_path: Path) -> None:
    written = 0

    async def attach(request: Request) -> Response:
        nonlocal written
        peer = await request.hijack()
        for _ in range(100):
            peer.write(bytes(100_000))
            await peer.drain()
            written += 1
        return HIJACKED

    async def client(address: str) -> None:
        reader, writer = await upgraded(address)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
        assert written < 20
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await reader.read()) == 10_000_000
        writer.close()

    run_with(tmp_path, [Route("POST", "/attach", attach)], client)


def test_a_client_that_vanishes_ends_reading_and_draining(tmp_path: Path) -> None:
    seen: list[str] = []
    over = asyncio.Event()

    async def attach(request: Request) -> Response:
        peer = await request.hijack()
        try:
            assert await peer.read() == b""
            seen.append("end of input")
            while True:
                peer.write(bytes(100_000))
                await peer.drain()
        except ConnectionResetError:
            seen.append("gone")
            assert peer.closed.done()
            peer.write(b"into the void")
            raise
        finally:
            over.set()

    async def client(address: str) -> None:
        _, writer = await upgraded(address)
        writer.close()
        await over.wait()
        assert seen == ["end of input", "gone"]

    run_with(tmp_path, [Route("POST", "/attach", attach)], client)


def test_our_end_is_no_reset_though_input_was_left_unread(tmp_path: Path) -> None:
    async def attach(request: Request) -> Response:
        peer = await request.hijack()
        peer.write(b"x" * 500_000)
        return HIJACKED

    async def client(address: str) -> None:
        reader, writer = await upgraded(address)
        writer.write(bytes(1_000_000))
        assert await reader.read() == b"x" * 500_000
        writer.close()

    run_with(tmp_path, [Route("POST", "/attach", attach)], client)


def test_a_failure_before_the_hijack_is_an_ordinary_answer_and_after_it_an_end(tmp_path: Path) -> None:
    async def attach(request: Request) -> Response:
        if request.query.flag("early"):
            raise NotFound("no such container")
        peer = await request.hijack()
        peer.write(b"some")
        raise RuntimeError("the shim is gone")

    async def client(address: str) -> None:
        upgrade = b"HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: tcp\r\n\r\n"
        answer = await exchange(address, b"POST /attach?early=1 " + upgrade)
        assert answer.startswith(b"HTTP/1.1 404")
        answer = await exchange(address, b"POST /attach " + upgrade)
        assert answer.endswith(b"\r\n\r\nsome")

    run_with(tmp_path, [Route("POST", "/attach", attach)], client)


def test_the_head_carries_the_api_s_headers_and_h2c_where_asked(tmp_path: Path) -> None:
    async def session(request: Request) -> Response:
        peer = await request.hijack(upgrade="h2c", named=True)
        peer.close()
        return HIJACKED

    async def client(address: str) -> None:
        head = await exchange(address, b"POST /s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert b"\r\nUpgrade: h2c\r\n" in head
        assert b"\r\nApi-Version: 1.51\r\n" in head
        assert b"\r\nOstype: linux\r\n" in head

    run_with(tmp_path, [Route("POST", "/s", session)], client)


def test_stopping_the_server_ends_hijacked_connections(tmp_path: Path) -> None:
    async def attach(request: Request) -> Response:
        peer = await request.hijack()
        await peer.closed
        return HIJACKED

    async def main() -> None:
        async with serving(tmp_path, [Route("POST", "/attach", attach)]) as address:
            reader, writer = await upgraded(address)
        assert await reader.read() == b""
        writer.close()

    run(main)
