"""Between the event loop and blocking code."""

import asyncio
import io
import itertools
import time
from collections.abc import AsyncIterator, Callable

import pytest

from carrack.engine import pump

Write = Callable[[bytes | memoryview], object]


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 100_000


def test_consume_reads_all() -> None:
    assert asyncio.run(pump.consume(pieces(50), lambda file: len(file.readall() or b""))) == 5_000_000


def test_a_reader_may_stop_early() -> None:
    assert asyncio.run(pump.consume(pieces(500), lambda file: file.read(3))) == b"xxx"


def test_a_reader_that_fails() -> None:
    def fail(file: io.RawIOBase) -> None:
        file.read(10)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(pump.consume(pieces(500), fail))


def test_the_sources_failure_goes_first() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError("gone")

    def read(file: io.RawIOBase) -> None:
        file.readall()
        raise ValueError("short")

    with pytest.raises(ConnectionResetError, match="gone"):
        asyncio.run(pump.consume(broken(), read))


def test_cancelling_ends_the_reader() -> None:
    ended: list[bool] = []

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    def read(file: io.RawIOBase) -> None:
        file.readall()
        ended.append(True)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pump.consume(endless(), read), 0.05)

    asyncio.run(run())
    assert ended == [True]


def test_produce() -> None:
    def write(out: Write) -> None:
        for _ in range(50):
            out(b"y" * 100_000)

    async def run() -> int:
        return sum([len(chunk) async for chunk in pump.produce(write)])

    assert asyncio.run(run()) == 5_000_000


def test_a_writers_failure_comes_after_what_it_wrote() -> None:
    def write(out: Write) -> None:
        out(b"some")
        raise ValueError("bad")

    got: list[bytes] = []

    async def run() -> None:
        async for chunk in pump.produce(write):
            got.append(chunk)

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(run())
    assert got == [b"some"]


def test_closing_ends_the_writer() -> None:
    ended: list[type[BaseException]] = []

    def write(out: Write) -> None:
        try:
            while True:
                out(b"y" * 100_000)
        except OSError as error:
            ended.append(type(error))
            raise

    async def run() -> None:
        chunks = pump.produce(write)
        await anext(chunks)
        await chunks.aclose()

    asyncio.run(run())
    assert ended in ([BrokenPipeError], [ConnectionResetError])


def test_many_that_wait_for_their_clients_hold_up_nobody_else() -> None:
    async def stalled(go_on: asyncio.Event) -> AsyncIterator[bytes]:
        yield b"x"
        await go_on.wait()

    async def run() -> None:
        go_on = asyncio.Event()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(pump.consume(stalled(go_on), lambda file: file.readall()))
            await asyncio.sleep(0.05)
            assert await asyncio.to_thread(lambda: 7) == 7
            go_on.set()

    asyncio.run(run())


def test_a_slow_reader_holds_back_the_source() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100_000

    def read(file: io.RawIOBase) -> tuple[bytes | None, int]:
        first = file.read(5)
        time.sleep(0.1)
        return first, taken

    first, before_it_went_on = asyncio.run(pump.consume(endless(), read))
    assert first == b"xxxxx"
    assert before_it_went_on <= 6


def test_bytes_come_in_order_whatever_is_asked_for() -> None:
    data = bytes(range(256)) * 4000

    async def source() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 3333):
            yield data[start : start + 3333]
            yield b""

    def read(file: io.RawIOBase) -> bytes:
        pieces: list[bytes] = []
        for size in itertools.cycle((1, 4096, 100_000, 17)):
            piece = file.read(size)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
        raise AssertionError

    assert asyncio.run(pump.consume(source(), read)) == data


def test_a_slow_client_holds_back_the_writer() -> None:
    written: list[int] = []

    def write(out: Write) -> None:
        for number in range(50):
            out(memoryview(b"y" * 100_000))
            written.append(number)

    async def run() -> int:
        chunks = pump.produce(write)
        size = len(await anext(chunks))
        await asyncio.sleep(0.1)
        assert len(written) <= 8
        return size + sum([len(chunk) async for chunk in chunks])

    assert asyncio.run(run()) == 5_000_000


def test_small_pieces_go_out_together_and_as_they_were_written() -> None:
    buffer = bytearray(512)

    def write(out: Write) -> None:
        for number in range(5000):
            buffer[:] = number.to_bytes(2, "big") * 256
            out(memoryview(buffer))

    async def run() -> list[bytes]:
        return [chunk async for chunk in pump.produce(write)]

    chunks = asyncio.run(run())
    assert b"".join(chunks) == b"".join(number.to_bytes(2, "big") * 256 for number in range(5000))


def test_small_pieces_cost_one_turn_together() -> None:
    def write_many(write: Write) -> None:
        for number in range(20_000):
            write(memoryview(b"%05d" % number))
        write(b"x" * 200_000)

    async def sizes() -> list[int]:
        return [len(chunk) async for chunk in pump.produce(write_many)]

    found = asyncio.run(sizes())
    assert sum(found) == 300_000
    assert len(found) <= 3
