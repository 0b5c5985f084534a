"""Many messages at once, against our own server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.http.test_grpc import METHODS, TEXT, pipes, talk

from carrack.errors import InvalidArgument, Unavailable
from carrack.http import grpc, protobuf
from carrack.http.bulk import Bulk
from carrack.http.grpc import Caller, Failed


def test_messages_there_and_back() -> None:
    sent = [protobuf.encode({"text": f"{number}" * 50}, TEXT) for number in range(3000)]

    async def act(caller: Caller) -> None:
        async with caller.bulk("/t.T/Echo") as call:
            await call.begin()
            await call.send(sent[:2000])
            await call.send(sent[2000:], end=True)
            got: list[bytes] = []
            while found := await call.receive():
                got += found
        assert got == sent

    talk(act)


async def _ask(caller: Caller, path: str, then: Callable[[], None] = lambda: None) -> None:
    async with caller.bulk(path) as call:
        await call.begin()
        await call.send([b""])
        assert await call.receive() == [b""]
        then()
        await call.receive()


def test_a_call_that_is_refused() -> None:
    async def act(caller: Caller) -> None:
        with pytest.raises(Failed):
            await _ask(caller, "/t.T/None")

    talk(act)


def test_a_connection_that_goes() -> None:
    async def run() -> None:
        client, server = pipes()
        serving = asyncio.get_running_loop().create_task(grpc.Service(METHODS).serve(server))
        async with Caller(client) as caller:
            with pytest.raises(Unavailable):
                await _ask(caller, "/t.T/Echo", server.close)
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())


@pytest.mark.parametrize("head", [b"\1\0\0\0\0", b"\0\xff\xff\xff\xff"])
def test_what_is_no_message(head: bytes) -> None:
    call: Any = None
    bulk = Bulk(call)
    bulk._rest += head
    with pytest.raises(InvalidArgument, match="the client sent a message"):
        bulk._whole()
