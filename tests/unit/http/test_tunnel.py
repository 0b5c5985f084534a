"""Bytes in the messages of a call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carrack.http.tunnel import Tunnel, opened


class FakeCall:
    def __init__(self) -> None:
        self.coming: asyncio.Queue[dict[str, bytes] | None] = asyncio.Queue()
        self.sent: list[bytes] = []
        self.failure: Exception | None = None

    async def recv_message(self) -> Any:
        return await self.coming.get()

    async def send_message(self, message: dict[str, bytes]) -> None:
        if self.failure:
            raise self.failure
        self.sent.append(message["data"])


def test_both_ways() -> None:
    async def run() -> None:
        call = FakeCall()
        async with opened(call) as tunnel:
            for data in (b"", b"one", b"two"):
                call.coming.put_nowait({"data": data})
            assert [await tunnel.read(), await tunnel.read()] == [b"one", b"two"]
            tunnel.write(b"a")
            tunnel.write(b"b")
            tunnel.write(b"")
            await tunnel.drain()
            assert call.sent == [b"a", b"b"]
            call.coming.put_nowait(None)
            assert await tunnel.read() == b""
            assert tunnel.closed.done()
            tunnel.write(b"late")
            with pytest.raises(ConnectionResetError):
                await tunnel.drain()
            assert await tunnel.read() == b""
        assert call.sent == [b"a", b"b"]

    asyncio.run(run())


def test_a_call_that_takes_nothing_more() -> None:
    async def run() -> None:
        call = FakeCall()
        call.failure = ConnectionResetError()
        async with opened(call) as tunnel:
            tunnel.write(b"a")
            with pytest.raises(ConnectionResetError):
                await tunnel.drain()

    asyncio.run(run())


def test_its_end() -> None:
    async def run() -> None:
        found: Tunnel
        async with opened(FakeCall()) as found:
            pass
        assert found.closed.done()

    asyncio.run(run())
