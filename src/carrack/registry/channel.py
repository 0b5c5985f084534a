"""Bytes to and from one server, plain or within TLS, pulled by whoever reads.

Reading takes what the kernel has in one call of up to a megabyte, without a callback or a copy in between: asyncio's
own transports push, so that each byte is buffered, handed on and paced once more. TLS goes through memory buffers, so
that it can be had over any channel, such as a tunnel through a proxy.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import Protocol

READ_SIZE = 1024 * 1024
FAIR = 4 * 1024 * 1024
"""Bytes after which a reader that never waits lets others of the loop have their turn."""
_SEND_SIZE = 256 * 1024
_FAST = 16 * 1024 * 1024
"""Bytes a second from which on bytes are gathered before anybody is woken."""
_GATHERING = 0.05
_MUCH = 32 * 1024


class TlsFailed(OSError):
    """The other side speaks no TLS that can be trusted, or trusts ours not. `plain` is whether it speaks something
    else, `alert` what it says by TLS itself (`certificate required`)."""

    def __init__(self, text: str, *, plain: bool = False, alert: str = "") -> None:
        super().__init__(None, text)
        self.plain = plain
        self.alert = alert


class Channel(Protocol):
    """A stream of bytes. Of `receive` and `send` each is used by one task at a time; both raise OSError, and
    TimeoutError when nothing moves for `patience` seconds."""

    async def receive(self, patience: float, want: int = 1) -> bytes:
        """What comes next; b"" at the end. `want` is how many bytes are sure to come if all goes well."""

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
        self._fast = False
        self._mark = 1

    async def receive(self, patience: float, want: int = 1) -> bytes:
        """See Channel."""
        if self._fast and want > 1:
            return await self._gather(patience, min(want, READ_SIZE))
        data = self.ready()
        if data is None:
            data = await self._wait(patience)
        else:
            self._fast = len(data) >= _MUCH
            if self._unfair > FAIR:
                self._unfair = 0
                await asyncio.sleep(0)
        self._unfair += len(data)
        return data

    async def _gather(self, patience: float, want: int) -> bytes:
        """On a fast connection, wait for many bytes at once: that saves most of the waking up."""
        self._await_bytes(want)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(_GATHERING):
                await self._readable()
        except TimeoutError:
            self._fast = False
        data = self.ready()
        if data is None:
            return await self._wait(patience)
        self._fast = self._fast and len(data) > (time.monotonic() - begun) * _FAST
        return data

    async def _wait(self, patience: float) -> bytes:
        self._await_bytes(1)
        begun = time.monotonic()
        while True:
            async with asyncio.timeout(patience):
                await self._readable()
            if (data := self.ready()) is not None:
                self._unfair = 0
                self._fast = len(data) > (time.monotonic() - begun) * _FAST
                return data

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._socket, _wake, woken)
        try:
            await woken
        finally:
            loop.remove_reader(self._socket)

    def _await_bytes(self, number: int) -> None:
        """Have the kernel wake us when so many bytes have come, or the end (socket(7), SO_RCVLOWAT)."""
        if number != self._mark:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, number)
            self._mark = number

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


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


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

    async def receive(self, patience: float, want: int = 1) -> bytes:
        """See Channel."""
        while True:
            data = self._read()
            if data is not None:
                return data
            await self._flush(patience)
            self._feed(await self._below.receive(patience, want))  # of what is encrypted still more will come

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
        except ssl.SSLError as error:
            if alert := (error.reason or "").partition("_ALERT_")[2].replace("_", " ").lower():
                raise TlsFailed(f"the other side ends TLS: {alert}", alert=alert) from error
            raise
        return bytes(view[:filled])

    def _feed(self, data: bytes) -> None:
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    async def _flush(self, patience: float) -> None:
        if self._out.pending:
            await self._below.send(self._out.read(), patience)
