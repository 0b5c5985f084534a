"""Streaming answers over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.fakes.http_peer import ask, exchange, parse, run_with

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, stream
from carrack.api.stream import StreamWriter
from carrack.errors import NotFound


def test_a_stream_flushes_each_write_and_fails_properly_before_the_first(tmp_path: Path) -> None:
    async def early(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            raise NotFound("nothing to stream")

        return stream(produce)

    async def ticking(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            await writer.json({"n": 1})
            await step.wait()
            await writer.write(b"end")

        return stream(produce, content_type="text/plain")

    step = asyncio.Event()

    async def client(address: str) -> None:
        assert (await ask(address, "/early"))[0] == 404
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"GET /ticking HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = await reader.readuntil(b'{"n":1}\n')
        step.set()
        status, headers, body = parse(head + await reader.read())
        assert (status, headers["content-type"], body) == (200, "text/plain", b'{"n":1}\nend')
        writer.close()

    run_with(tmp_path, [Route("GET", "/early", early), Route("GET", "/ticking", ticking)], client)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_a_stream_is_cancelled_when_its_client_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, started: bool, half: bool
) -> None:
    seen: list[str] = []

    async def wait(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            if started:
                await writer.start()
            running.set()
            try:
                await asyncio.sleep(60)
            finally:
                seen.append("cancelled")
                done.set()

        return stream(produce)

    running, done = asyncio.Event(), asyncio.Event()

    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await running.wait()
        if started:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        if half:
            writer.write_eof()
            assert await reader.read() == b""
        writer.close()
        await done.wait()
        assert seen == ["cancelled"]
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    run_with(tmp_path, [Route("GET", "/wait", wait)], client)


def test_a_failure_after_the_first_write_cuts_the_stream_short(tmp_path: Path) -> None:
    async def broken(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            await writer.write(b"some")
            raise RuntimeError("disk on fire")

        return stream(produce)

    async def client(address: str) -> None:
        try:
            data = await exchange(address, b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
        except ConnectionResetError:
            return
        assert not data.endswith(b"0\r\n\r\n")

    run_with(tmp_path, [Route("GET", "/broken", broken)], client)


def test_an_end_goes_out_before_what_is_cleared_away(tmp_path: Path) -> None:
    cleared = asyncio.Event()

    async def ending(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            if request.query.flag("begun"):
                await writer.json({"n": 1})
            await writer.end({"n": 2})
            await gone.wait()
            await asyncio.sleep(0.05)  # nobody ends this
            cleared.set()

        return stream(produce)

    gone = asyncio.Event()

    async def client(address: str) -> None:
        for begun in (b"0", b"1"):
            gone.clear()
            cleared.clear()
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(b"GET /ending?begun=%b HTTP/1.1\r\nHost: x\r\n\r\n" % begun)
            data = await reader.readuntil(b"0\r\n\r\n")
            assert data.endswith(b'{"n":2}\n\r\n0\r\n\r\n')
            assert (b'{"n":1}' in data) is (begun == b"1")
            assert not cleared.is_set()
            writer.close()
            gone.set()
            await cleared.wait()

    run_with(tmp_path, [Route("GET", "/ending", ending)], client)


def test_the_next_request_waits_until_all_is_cleared_away(tmp_path: Path) -> None:
    async def ending(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            await writer.end({"n": 1})
            await asyncio.sleep(0.05)
            order.append("cleared")

        order.append("asked")
        return stream(produce)

    order: list[str] = []

    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        for _ in range(2):
            writer.write(b"GET /ending HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b'{"n":1}' in await reader.readuntil(b"0\r\n\r\n")
        while len(order) < 4:  # noqa: ASYNC110 - of something that tells nobody
            await asyncio.sleep(0.01)
        writer.close()
        assert order == ["asked", "cleared"] * 2

    run_with(tmp_path, [Route("GET", "/ending", ending)], client)
