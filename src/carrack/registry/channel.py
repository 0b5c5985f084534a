"""Bytes to and from one server, plain or within TLS, pulled by whoever reads.

Reading takes what the kernel has in one call of up to a megabyte, without a callback or a copy in between: asyncio's
own transports push, so that each byte is buffered, handed on and paced once more. TLS goes through memory buffers, so
that it can be had over any channel, such as a tunnel through a proxy.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol

READ_SIZE = 256 * 1024
FAIR = 4 * 1024 * 1024
"""Bytes after which a reader that never waits lets others of the loop have their turn."""
_SEND_SIZE = 256 * 1024


class Channel(Protocol):
    """A stream of bytes. Of `receive` and `send` each is used by one task at a time; both raise OSError, and
    TimeoutError when nothing moves for `patience` seconds."""

    async def receive(self, patience: float) -> bytes:
        """What comes next; b"" at the end."""

    def ready(self) -> bytes | None:
        """What has come already, None when that is nothing; b"" at the end. Never waits."""

    async def send(self, data: bytes | memoryview, patience: float) -> None:
        """Write all of it."""

    def close(self) -> None:
        """End it at once; more than once is fine."""


class Plain:
    """A connected socket that does not block, and is owned."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._unfair = 0

    async def receive(self, patience: float) -> bytes:
        """See Channel."""
        data = self.ready()
        if data is None:
            async with asyncio.timeout(patience):
                data = await asyncio.get_running_loop().sock_recv(self._socket, READ_SIZE)
            self._unfair = 0
        elif self._unfair > FAIR:
            self._unfair = 0
            await asyncio.sleep(0)
        self._unfair += len(data)
        return data

    def ready(self) -> bytes | None:
        """See Channel."""
        try:
            return self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return None

    async def send(self, data: bytes | memoryview, patience: float) -> None:
        """See Channel; patience is for each piece that the kernel takes."""
        view = memoryview(data)
        while view:
            try:
                sent = self._socket.send(view[:_SEND_SIZE])
            except (BlockingIOError, InterruptedError):
                async with asyncio.timeout(patience):
                    await asyncio.get_running_loop().sock_sendall(self._socket, view[:_SEND_SIZE])
                sent = min(len(view), _SEND_SIZE)
            view = view[sent:]

    def close(self) -> None:
        """See Channel."""
        self._socket.close()


class Tls:
    """TLS over another channel."""

    def __init__(self, below: Channel, context: ssl.SSLContext, host: str) -> None:
        self._below = below
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._buffer = bytearray(READ_SIZE)

    async def handshake(self, patience: float) -> None:
        """Begin. Raises ssl.SSLError (an OSError) when the other side cannot be trusted or speaks no TLS."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush(patience)
                self._feed(await self._below.receive(patience))
            except ssl.SSLError:
                await self._flush(patience)  # the alert says to the other side why
                raise
        await self._flush(patience)

    async def receive(self, patience: float) -> bytes:
        """See Channel."""
        while True:
            data = self._read()
            if data is not None:
                return data
            await self._flush(patience)
            self._feed(await self._below.receive(patience))

    def ready(self) -> bytes | None:
        """See Channel."""
        data = self._read()
        if data is None and (more := self._below.ready()) is not None:
            self._feed(more)
            data = self._read()
        return data

    async def send(self, data: bytes | memoryview, patience: float) -> None:
        """See Channel."""
        view = memoryview(data)
        while view:
            sent = self._tls.write(view[:_SEND_SIZE])
            view = view[sent:]
            await self._flush(patience)

    def close(self) -> None:
        """See Channel. Without a farewell: the framing of HTTP tells whether a body was whole."""
        self._below.close()

    def _read(self) -> bytes | None:
        """All records that are whole, up to a buffer full."""
        filled = 0
        view = memoryview(self._buffer)
        try:
            while filled < READ_SIZE:
                count: int = self._tls.read(READ_SIZE - filled, view[filled:])  # type: ignore[assignment]
                if not count:
                    break
                filled += count
        except ssl.SSLWantReadError:
            return bytes(view[:filled]) if filled else None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        return bytes(view[:filled])

    def _feed(self, data: bytes) -> None:
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    async def _flush(self, patience: float) -> None:
        if self._out.pending:
            await self._below.send(self._out.read(), patience)
