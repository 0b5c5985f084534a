"""A stream of bytes inside a call of messages that carry bytes: sessions of clients that speak HTTP/2 throughout."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class Tunnel:
    """See Stream of carrack.http.grpc; its messages are ``{"data": bytes}``."""

    def __init__(self, call: Any) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the call is over, whoever ended it."""
        self._call = call
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._written = asyncio.Event()
        self._written.set()

    async def read(self) -> bytes:
        """The next bytes; empty when the other side has ended."""
        while not self.closed.done():
            message = await self._call.recv_message()
            if message is None:
                self.close()
            elif message["data"]:
                return bytes(message["data"])
        return b""

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if not self.closed.done() and data:
            self._written.clear()
            self._waiting.put_nowait(data)

    async def drain(self) -> None:
        """Wait until all that was written has been sent. Raises ConnectionResetError when the call is over."""
        if not self.closed.done():
            await self._written.wait()
        if self.closed.done():
            raise ConnectionResetError("the client has ended its session")

    def close(self) -> None:
        """End it."""
        if not self.closed.done():
            self.closed.set_result(None)
            self._written.set()

    abort = close

    async def _send(self) -> None:
        while True:
            data = await self._waiting.get()
            await self._call.send_message({"data": data})
            if self._waiting.empty():
                self._written.set()


@asynccontextmanager
async def opened(call: Any) -> AsyncIterator[Tunnel]:
    """A tunnel for as long as this context lasts."""
    tunnel = Tunnel(call)
    sending = asyncio.get_running_loop().create_task(tunnel._send(), name="tunnel")
    sending.add_done_callback(lambda _: tunnel.close())
    try:
        yield tunnel
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await sending
        tunnel.close()
