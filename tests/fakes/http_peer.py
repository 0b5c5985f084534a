"""Clients with raw sockets for the API's tests, and a server to point them at."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from carrack.api.app import Application, Route
from carrack.api.auth import Door
from carrack.engine.authorization import Authorizer
from carrack.http.server import Server

Answer = tuple[int, dict[str, str], bytes]


@asynccontextmanager
async def serving(
    path: Path,
    routes: list[Route],
    head_timeout: float = 10,
    most: int | None = None,
    authorizer: Authorizer | None = None,
    native: str = "",
) -> AsyncIterator[str]:
    """Serve `routes` on a unix socket below `path`; yields its address."""
    address = str(path / "api.sock")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(address)
    server = Server(Application(routes, None, authorizer), head_timeout=head_timeout, most=most, native=native)
    await server.listen(sock)
    try:
        yield address
    finally:
        await server.close(0.5)


@asynccontextmanager
async def serving_tcp(
    routes: list[Route],
    tls: ssl.SSLContext | None = None,
    names: Collection[str] = (),
    authorizer: Authorizer | None = None,
    native: str = "",
) -> AsyncIterator[int]:
    """Serve `routes` on a loopback port of the kernel's choice, under `names`; yields the port."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port: int = sock.getsockname()[1]
    server = Server(Application(routes, Door(names), authorizer), native=native)
    await server.listen(sock, tls)
    try:
        yield port
    finally:
        await server.close(0.5)


def run(main: Callable[[], Awaitable[None]], limit: float = 20) -> None:
    """Run a test's coroutine, with a limit against hanging."""

    async def limited() -> None:
        async with asyncio.timeout(limit):
            await main()

    asyncio.run(limited())


def run_with(path: Path, routes: list[Route], client: Callable[[str], Awaitable[None]]) -> None:
    """Run `client` on the address of a server for `routes`."""

    async def main() -> None:
        async with serving(path, routes) as address:
            await client(address)

    run(main)


async def exchange(address: str, request: bytes, *, eof: bool = False) -> bytes:
    """Send bytes, optionally end our side, and read until the server closes."""
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(request)
    if eof:
        writer.write_eof()
    data = await reader.read()
    writer.close()
    return data


async def ask(address: str, target: str, method: str = "GET", body: bytes = b"", headers: str = "") -> Answer:
    """One request on a connection of its own."""
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    return parse(await exchange(address, head.encode() + b"\r\n" + body))


def parse(data: bytes) -> Answer:
    """(status, header fields, body) of an answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if fields.get("transfer-encoding") == "chunked":
        body = unchunk(body)
    return int(lines[0].split()[1]), fields, body


def unchunk(data: bytes) -> bytes:
    """The body of a chunked message."""
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        out += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return out
