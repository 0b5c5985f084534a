"""Connections that stop being HTTP: attach, exec, and protocols spoken after an upgrade.

The answer's head is written by hand and the transport is given to a `HijackedStream`, which keeps half-close in
both directions: the client's end of input is an empty read while output goes on, and our end of output leaves time
for the client to read it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from aiohttp import web_request

from carrack.http.answers import Unanswered
from carrack.http.server import Connection

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

LINGER = 2.0
"""Seconds we go on reading (and discarding) after our last byte, so that closing does not reset the connection
and take unread output with it."""

_HIGH = 256 * 1024


class HijackedStream(asyncio.Protocol):
    """A byte stream to the client. One reader and any number of writers."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the connection is gone, whoever closed it."""
        self._transport = transport
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._closing = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def read(self) -> bytes:
        """The next bytes from the client; empty at its half-close or when the connection is gone."""
        await self._readable.wait()
        if not self._chunks:
            return b""
        data = self._chunks.popleft()
        self._held -= len(data)
        if not self._chunks and not self._ended:
            self._readable.clear()
        if self._held < _HIGH // 2 and not self._transport.is_closing():
            self._transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Queue bytes for the client; `drain` waits for room. Bytes for a client that has gone are dropped."""
        if not self._closing and not self.closed.done():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken enough of what was written. Raises ConnectionResetError when it is gone."""
        if self._transport.is_closing():
            # A failed write is told to us by the loop only, which must run for that.
            await asyncio.shield(self.closed)
        await self._writable.wait()
        if self.closed.done():
            raise ConnectionResetError("the client has closed the connection")

    def close(self) -> None:
        """Send what was written, end our side, and close soon after."""
        if self._closing or self.closed.done():
            return
        self._closing = True
        self._chunks.clear()
        try:
            self._transport.write_eof()
        except OSError:
            self._ended = True  # the peer is gone already
        self._transport.resume_reading()
        if self._ended:
            self._transport.close()
        else:
            asyncio.get_running_loop().call_later(LINGER, self._transport.close)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol."""
        if self._closing:
            return
        self._chunks.append(data)
        self._held += len(data)
        self._readable.set()
        if self._held >= _HIGH:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """asyncio.Protocol."""
        self._ended = True
        self._readable.set()
        return not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol."""
        self._ended = True
        self._readable.set()
        self._writable.set()
        if not self.closed.done():
            self.closed.set_result(None)
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """asyncio.Protocol."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio.Protocol."""
        self._writable.set()


class Hijacked(Unanswered):
    """Tells aiohttp that there is nothing left to answer; keeps its connection open until the stream is closed."""

    def __init__(self, stream: HijackedStream) -> None:
        super().__init__()
        self._stream = stream

    async def write_eof(self, data: bytes = b"") -> None:
        """aiohttp: wait for the stream's end."""
        await asyncio.shield(self._stream.closed)


def hijack(
    request: web_request.BaseRequest, *, upgrade: str, content_type: str = RAW, headers: Mapping[str, str] | None = None
) -> HijackedStream:
    """Answer `request` with the head of a raw stream and take its connection over.

    `upgrade` is the protocol for a 101 answer; empty gives the older 200 form, for clients that asked for no upgrade.
    The request's body must have been read. Raises ConnectionError when the client has gone.
    """
    connection: Connection = request.protocol.connection  # type: ignore[attr-defined]
    transport = connection.transport
    stream = HijackedStream(transport, connection)
    half_closed = connection.half_closed
    rest = connection.take_over(stream)
    if not connection.native:
        transport.write(_head(upgrade, content_type, headers or {}))
    if rest:
        stream.data_received(rest)
    if half_closed:
        stream.eof_received()
    return stream


def _head(upgrade: str, content_type: str, headers: Mapping[str, str]) -> bytes:
    lines = ["HTTP/1.1 101 UPGRADED" if upgrade else "HTTP/1.1 200 OK", f"Content-Type: {content_type}"]
    if upgrade:
        lines += ["Connection: Upgrade", f"Upgrade: {upgrade}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
