"""Data frames past h2: what comes out is what h2 would have made of them, however the bytes are cut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.http.test_grpc import METHODS, TEXT, pipes

from carrack.http import grpc, h2data
from carrack.http.grpc import Caller


async def talk(cut: int, count: int) -> list[str]:
    client, server = pipes()
    whole = client.other.write

    def write(data: bytes) -> None:
        for at in range(0, len(data), cut):
            whole(data[at : at + cut])

    server.write = write  # what the server sends comes to the client in such pieces
    serving = asyncio.get_running_loop().create_task(grpc.Service(METHODS).serve(server))
    got = []
    async with Caller(client) as caller:
        async with caller.open("/t.T/Echo", TEXT, TEXT) as call:
            for number in range(count):
                await call.send_message({"text": f"{number} " * (number + 1)})
            await call.end()
            while (message := await call.recv_message()) is not None:
                got.append(message["text"])
        assert await caller.ask("/t.T/Hello", TEXT, {"text": "you"}, TEXT) == {"text": "hello you"}
    await asyncio.wait_for(serving, 5)
    return got


@pytest.mark.parametrize("cut", [1, 7, 1000, 1 << 20])
def test_messages_cut_anywhere(cut: int) -> None:
    assert asyncio.run(talk(cut, 40)) == [f"{number} " * (number + 1) for number in range(40)]


def test_most_of_them_do_go_past(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[int] = []
    find = h2data.Feeder._find

    def counted(self: Any, number: int) -> Any:
        found = find(self, number)
        passed.append(found[0] is not None)
        return found

    monkeypatch.setattr(h2data.Feeder, "_find", counted)
    asyncio.run(talk(1 << 20, 40))
    assert sum(passed) > len(passed) // 2


class Windowless:
    """A protocol of grpclib of which one window is too small for what comes."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.given.append(data)


def frame(kind: int, flags: int, stream: int, data: bytes) -> bytes:
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data


def test_what_h2_must_see(monkeypatch: pytest.MonkeyPatch) -> None:
    class Window:
        current_window_size = 3

    protocol = Windowless()
    feeder = h2data.Feeder(protocol)
    monkeypatch.setattr(feeder, "_find", lambda number: (object() if number == 1 else None, [Window()]))
    pieces = [
        frame(0, 0, 1, b"four"),  # more than the window
        frame(0, 0, 3, b"x"),  # no such stream
        frame(0, 1, 1, b"x"),  # the last
        frame(0, 8, 1, b"\0x"),  # padded
        frame(4, 0, 0, b""),
    ]
    feeder.feed(b"".join(pieces))
    assert b"".join(protocol.given) == b"".join(pieces)
    feeder.feed(b"\xff\xff\xff\0\0\0\0\0\1")
    feeder.feed(b"more")
    assert protocol.given[-2:] == [b"\xff\xff\xff\0\0\0\0\0\1", b"more"]
