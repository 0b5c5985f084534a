"""Making connections: to one of a host's addresses, or through a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from carrack.registry import head as heads
from carrack.registry.channel import Channel, Plain, Tls, TlsFailed
from carrack.registry.exchange import Broken, Connection
from carrack.registry.lookup import look_up
from carrack.registry.origin import Origin
from carrack.registry.proxies import Proxy

PATIENCE = 60.0
"""Seconds in which something must move."""
CONNECT_PATIENCE = 30.0
_NEXT_ADDRESS = 0.3
"""Seconds until the next of a host's addresses is tried beside the one before (RFC 8305)."""

_Address = tuple[socket.AddressFamily, tuple[Any, ...]]


class NotReached(OSError):
    """No connection came about; `refused` is whether somebody said so at once."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(None, text)
        self.refused = refused


async def connect(
    origin: Origin,
    context: ssl.SSLContext | None,
    proxy: Proxy | None,
    proxy_context: ssl.SSLContext | None,
    accepted: Callable[[str], bool] = lambda address: True,
) -> Connection:
    """A connection to `origin`, with TLS when there is a `context`, at an address that is `accepted`.

    Raises NotReached or TlsFailed.
    """
    async with contextlib.AsyncExitStack() as undo:
        there = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
        channel: Channel = Plain(await _socket(*there, accepted))
        undo.callback(channel.close)
        if proxy and proxy_context:
            channel = await _secured(channel, proxy_context, proxy.host, f"proxy {proxy}")
        if proxy and context:
            await _tunnel(channel, origin, proxy)
        if context:
            channel = await _secured(channel, context, origin.host, str(origin))
        undo.pop_all()
        return Connection(channel, PATIENCE)


async def addresses(host: str, port: int) -> list[_Address]:
    """A host's addresses, in the order to try them. Raises NotReached."""
    try:
        async with asyncio.timeout(CONNECT_PATIENCE):
            found = await look_up(host, port)
    except TimeoutError:
        raise NotReached(f"lookup of {host}: no answer") from None
    except (OSError, UnicodeError) as error:
        raise NotReached(f"lookup of {host}: {getattr(error, 'strerror', None) or 'no such host'}") from error
    return [(family, address) for family, _, _, _, address in found]


async def _socket(host: str, port: int, accepted: Callable[[str], bool]) -> socket.socket:
    """A connected socket of the first address that answers."""
    tries = [there for there in await addresses(host, port) if accepted(str(there[1][0]))]
    if not tries:
        raise NotReached(f"{host} is at no address where it may be reached without trusted TLS")
    if len(tries) == 1:
        return await _limited(host, port, *tries[0])
    failures: list[OSError] = []
    won: list[socket.socket] = []
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []

        async def attempt(before: asyncio.Event, failed: asyncio.Event, there: _Address) -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(before.wait(), _NEXT_ADDRESS)
            try:
                won.append(await _limited(host, port, *there))
            except OSError as error:
                failures.append(error)
                failed.set()
            else:
                for task in tasks:
                    if task is not asyncio.current_task():
                        task.cancel()

        before = asyncio.Event()
        before.set()
        for there in tries:
            failed = asyncio.Event()
            tasks.append(group.create_task(attempt(before, failed, there)))
            before = failed
    for sock in won[1:]:
        sock.close()
    if won:
        return won[0]
    raise failures[-1]


async def _limited(host: str, port: int, family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    try:
        async with asyncio.timeout(CONNECT_PATIENCE):
            return await _connected(family, address)
    except TimeoutError:
        raise NotReached(f"{host}:{port} does not answer") from None
    except OSError as error:
        told = os.strerror(error.errno).lower() if error.errno else str(error)
        refused = isinstance(error, ConnectionRefusedError)
        raise NotReached(f"connect to {host}:{port}: {told}", refused=refused) from error


async def _connected(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _secured(below: Channel, context: ssl.SSLContext, host: str, what: str) -> Tls:
    channel = Tls(below, context, host)
    try:
        async with asyncio.timeout(CONNECT_PATIENCE):
            await channel.handshake(CONNECT_PATIENCE)
    except TimeoutError:
        raise TlsFailed(f"{what}: no answer to TLS", plain=True) from None
    except ssl.SSLCertVerificationError as error:
        raise TlsFailed(f"{what}: certificate is not trusted: {error.verify_message}", plain=False) from error
    except ssl.SSLError as error:
        # A server that speaks plain HTTP often hangs up when it reads what is none.
        plain = error.reason in _NO_TLS or isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError)
        raise TlsFailed(f"{what}: {'not TLS' if plain else error.reason or error}", plain=plain) from error
    except ConnectionError as error:
        raise TlsFailed(f"{what}: the connection ended during the handshake of TLS", plain=True) from error
    return channel


_NO_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG",
           "RECORD_LAYER_FAILURE")  # fmt: skip
"""How OpenSSL says that what came back is none of TLS."""


async def _tunnel(channel: Channel, origin: Origin, proxy: Proxy) -> None:
    """Have the proxy connect `channel` to `origin` (RFC 9110 section 9.3.6)."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    there = f"{host}:{origin.port}"
    lines = [f"CONNECT {there} HTTP/1.1", f"Host: {there}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        await channel.send("\r\n".join([*lines, "", ""]).encode(), CONNECT_PATIENCE)
        head = heads.parse(await Connection(channel, CONNECT_PATIENCE).until(b"\r\n\r\n", heads.HEAD_LIMIT))
    except (Broken, heads.Malformed, TimeoutError) as error:
        raise NotReached(f"proxy {proxy}: {getattr(error, 'strerror', None) or 'no answer'}") from error
    if not 200 <= head.status < 300:
        raise NotReached(f"proxy {proxy} refuses to connect to {there}: status {head.status}")
