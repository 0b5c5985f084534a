"""Bytes from the event loop into a worker: back pressure, failures of either side, cancellation."""

import asyncio
import contextlib
import os
from typing import Any, cast

import pytest

from carrack.errors import InvalidArgument, Unavailable
from carrack.storage.apply import Applied, Expected
from carrack.storage.feed import Write, receive
from carrack.storage.jobs import Workers

APPLIED = Applied("", 0, "", 0, "plain")


class Reader:
    """Plays the workers: reads slowly; `fails` after so many bytes."""

    def __init__(self, fails: int = 1 << 40) -> None:
        self.got = b""
        self.fails = fails
        self.stopped = False

    async def apply(self, fd: int, expected: Expected, *, resume: int) -> Applied:
        assert resume == 7
        try:
            while piece := await asyncio.to_thread(os.read, fd, 1 << 20):
                self.got += piece
                if len(self.got) > self.fails:
                    raise InvalidArgument("bad layer")
        except asyncio.CancelledError:
            self.stopped = True
            raise
        if len(self.got) < 5:
            raise Unavailable("too short")
        return APPLIED


def feed(reader: Reader, fill: Any) -> Applied:
    return asyncio.run(receive(cast("Workers", reader), Expected(), 7, fill))


def test_all_arrives_however_slow_the_reader() -> None:
    data = os.urandom(3 << 20)
    reader = Reader()

    async def fill(write: Write) -> None:
        await write(data[:5])
        await write(data[5:])

    assert feed(reader, fill) == APPLIED
    assert reader.got == data


def test_the_readers_failure_ends_the_writing() -> None:
    async def fill(write: Write) -> None:
        while True:
            await write(bytes(100_000))

    with pytest.raises(InvalidArgument, match="bad layer"):
        feed(Reader(fails=1 << 20), fill)


def test_the_sources_failure_goes_before_the_readers() -> None:
    async def fill(write: Write) -> None:
        await write(b"abc")
        raise ConnectionResetError("source broke")

    reader = Reader()
    with pytest.raises(ConnectionResetError, match="source broke"):
        feed(reader, fill)
    assert reader.got == b"abc"


def test_cancelled_while_the_source_is_silent() -> None:
    reader = Reader()

    async def fill(write: Write) -> None:
        await write(b"abc")
        await asyncio.sleep(60)

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await receive(cast("Workers", reader), Expected(), 7, fill)

    asyncio.run(run())
    assert reader.got == b"abc"
