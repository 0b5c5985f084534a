"""Bodies that a thread reads from the socket, over real sockets and through the whole face."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.fakes.http_peer import exchange, parse, run, run_with, serving

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, text
from carrack.engine import pump
from carrack.errors import InvalidArgument
from carrack.http import lent
from carrack.http.framing import RequestFramer

HEAD = b"PUT /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def route(read: Callable[[io.RawIOBase], str]) -> list[Route]:
    async def answer(request: Request) -> Response:
        said = await pump.consume(request.source(), read)
        return text(f"{said} lent={request.lent}")

    return [Route("PUT", "/sum", answer)]


def total(file: io.RawIOBase) -> str:
    return str(sum(file.readall() or b""))


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


@pytest.mark.parametrize("size", [1, 7, 32768, 1_000_000])
def test_the_whole_body_arrives_and_the_connection_ends(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (8 if size < 10 else 20_000)
    wire = HEAD + chunked(*(content[at : at + size] for at in range(0, len(content), size)))

    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(wire)  # all but the end, so that there is something to lend
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        status, headers, body = parse(await reader.read())
        assert (status, body, headers["connection"]) == (200, b"%d lent=True" % sum(content), "close")
        writer.close()

    run_with(tmp_path, route(total), client)


def test_a_body_that_is_there_or_has_a_length_goes_the_usual_way(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        close = b"Connection: close\r\n"
        short = b"PUT /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" + close + b"\r\n\1\2"
        assert parse(await exchange(address, short))[2] == b"3 lent=False"
        there = HEAD.replace(b"\r\n\r\n", b"\r\n" + close + b"\r\n") + chunked(b"\1\2") + b"0\r\n\r\n"
        assert parse(await exchange(address, there))[2] == b"3 lent=False"

    run_with(tmp_path, route(total), client)


def test_a_client_that_waits_for_our_word_gets_it(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(chunked(b"\5") + b"0\r\n\r\n")
        assert parse(await reader.read())[2] == b"5 lent=True"
        writer.close()

    run_with(tmp_path, route(total), client)


def test_a_client_that_goes_away_is_told_to_the_reader(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def read(file: io.RawIOBase) -> str:
        try:
            return total(file)
        except OSError as error:
            failures.append(error)
            raise ValueError("a short file") from error

    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(HEAD + chunked(b"abc"))
        await asyncio.sleep(0.05)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert isinstance(failures[0], ConnectionResetError)

    run_with(tmp_path, route(read), client)


def test_what_is_no_chunk_is_refused(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(HEAD + chunked(b"abc"))
        await asyncio.sleep(0.05)
        writer.write(b"no size\r\n")
        status, _, body = parse(await reader.read())
        assert (status, b"malformed body" in body) == (400, True)
        writer.close()

    run_with(tmp_path, route(total), client)


def test_a_reader_that_fails_early_is_told_while_the_client_still_sends(tmp_path: Path) -> None:
    def read(file: io.RawIOBase) -> str:
        file.read(3)
        raise InvalidArgument("no archive")

    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(HEAD + chunked(b"abcdef", b"x" * 2_000_000))
        status, headers, body = parse(await reader.readuntil(b"}\n"))
        assert (status, headers["connection"], b"no archive" in body) == (400, "close", True)
        writer.write(chunked(b"x" * 100_000))  # and is not cut off before it could read that
        writer.write(b"0\r\n\r\n")
        assert await reader.read() == b""
        writer.close()

    run_with(tmp_path, route(read), client)


def test_a_server_that_stops_does_not_wait_for_a_slow_client(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, route(total)) as address:
            _, writer = await asyncio.open_unix_connection(address)
            writer.write(HEAD + chunked(b"abc"))
            await asyncio.sleep(0.1)
        writer.close()

    run(main)


def inside(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_stopping_wakes_the_thread_and_giving_back_closes() -> None:
    async def test() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        framer = RequestFramer()
        back: list[bool] = []
        framer.feed(HEAD)
        body = lent.LentBody(ours, framer, [b"be", b"", b"gun"], back.append)
        assert body.read(3) == b"beg"
        assert body.read(5) == b"un"
        waiting = asyncio.get_running_loop().run_in_executor(None, lambda: body.read(1))
        await asyncio.sleep(0.05)
        body.stop()
        with pytest.raises(ConnectionResetError):
            await waiting
        body.give_back()
        assert back == [True]
        ours.close()
        theirs.close()

    inside(test)
