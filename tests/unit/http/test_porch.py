"""Connections before the server is there, over real sockets, and handed over to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes.http_peer import run

from carrack.api.app import Application, Route
from carrack.api.request import Request
from carrack.api.response import Response, text
from carrack.http.porch import Porch
from carrack.http.server import Server

EARLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly"


def answer(head: bytes) -> bytes | None:
    return EARLY if head.startswith(b"GET /early ") else None


async def echo(request: Request) -> Response:
    return text((await request.body()).decode() or "late")


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[tuple[str, Porch, Server, socket.socket]]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(folder / "api.sock"))
    sock.listen()
    porch = Porch(answer)
    await porch.listen(sock)
    server = Server(
        Application([Route("GET", "/late", echo), Route("GET", "/early", echo), Route("PUT", "/late", echo)])
    )
    yield str(folder / "api.sock"), porch, server, sock
    await server.close(0.1)


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def test_what_can_be_is_answered_and_the_rest_waits_for_the_server(tmp_path: Path) -> None:
    async def main() -> None:
        async with standing(tmp_path) as (address, porch, server, sock):
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(get("/early"))
            assert await reader.readexactly(len(EARLY)) == EARLY
            writer.write(get("/early") + get("/late") + get("/early", "Connection: close"))
            assert await reader.readexactly(len(EARLY)) == EARLY
            idle, idler = await asyncio.open_unix_connection(address)
            await asyncio.sleep(0.05)
            porch.move(server)
            await server.listen(sock)
            rest = await reader.read()
            assert rest.count(b"HTTP/1.1 200 OK") == 2  # in their order, both by the server
            assert rest.count(b"late") == 2
            idler.write(get("/late", "Connection: close"))
            assert (await idle.read()).endswith(b"late")
            third, writer3 = await asyncio.open_unix_connection(address)
            writer3.write(get("/early", "Connection: close"))
            assert (await third.read()).endswith(b"late")
            for each in (writer, idler, writer3):
                each.close()

    run(main)


def test_a_body_that_begins_on_the_porch_goes_on_at_the_server(tmp_path: Path) -> None:
    async def main() -> None:
        async with standing(tmp_path) as (address, porch, server, sock):
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(b"PUT /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n")
            writer.write(b"x" * 200_000)  # more than is taken in before the server is there
            await asyncio.sleep(0.05)
            porch.move(server)
            await server.listen(sock)
            writer.write(b"y" * 100_000)
            assert (await reader.read()).endswith(b"x" * 200_000 + b"y" * 100_000)
            writer.close()

    run(main)


def test_clients_that_end_their_side_or_go(tmp_path: Path) -> None:
    async def main() -> None:
        async with standing(tmp_path) as (address, porch, server, sock):
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(get("/late"))
            writer.write_eof()
            gone, goer = await asyncio.open_unix_connection(address)
            goer.write(get("/late"))
            await asyncio.sleep(0.05)
            goer.close()
            silent, ender = await asyncio.open_unix_connection(address)
            ender.write_eof()
            assert await silent.read() == b""  # nothing is owed
            await asyncio.sleep(0.05)
            porch.move(server)
            await server.listen(sock)
            assert (await reader.read()).endswith(b"late")
            assert await gone.read() == b""
            for each in (writer, ender):
                each.close()

    run(main)
