"""gRPC over streams: our server and our client against each other."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
from typing import Any

import pytest
from grpclib.const import Status

from carrack.errors import InvalidArgument, NotFound, Unavailable
from carrack.http import grpc, protobuf
from carrack.http.grpc import ANSWERS, STREAM, UNARY, Caller, Failed, Method, Refused
from carrack.http.protobuf import table

TEXT = table(text=(1, "text"))


class Pipe:
    """One end of a connection in memory, as a HijackedStream is one."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.other: Pipe
        self.written = 0
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self._queue.get()

    def write(self, data: bytes) -> None:
        self.written += 1
        self.other._queue.put_nowait(data)

    async def drain(self) -> None:
        if self.closed.done():
            raise ConnectionResetError

    def close(self) -> None:
        for end in (self, self.other):
            if not end.closed.done():
                end.closed.set_result(None)
                end._queue.put_nowait(b"")

    abort = close


def pipes() -> tuple[Any, Any]:
    one, two = Pipe(), Pipe()
    one.other, two.other = two, one
    return one, two


async def _hello(call: Any) -> None:
    message = await call.recv_message()
    if message["text"] == "gone":
        raise NotFound("no such thing")
    if message["text"] == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "/srv")
    if message["text"] == "detailed":
        raise Refused("see below", [{"type_url": "t/Detail", "value": b"why"}])
    if message["text"] == "named":
        raise InvalidArgument("named f\udcff\n\u00fc")
    if message["text"] == "bad":
        raise InvalidArgument("bad thing")
    await call.send_message({"text": f"hello {message['text']} {call.metadata.get('who', '')}".strip()})


async def _count(call: Any) -> None:
    await call.recv_message()
    for number in range(3):
        await call.send_message({"text": str(number)})


async def _echo(call: Any) -> None:
    while (message := await call.recv_message()) is not None:
        await call.send_message(message)


METHODS = {
    "/t.T/Hello": Method(_hello, UNARY, TEXT, TEXT),
    "/t.T/Count": Method(_count, ANSWERS, TEXT, TEXT),
    "/t.T/Echo": Method(_echo, STREAM, TEXT, TEXT),
}


def talk(act: Any) -> None:
    async def run() -> None:
        client, server = pipes()
        serving = asyncio.get_running_loop().create_task(grpc.Service(METHODS).serve(server))
        async with Caller(client) as caller:
            await act(caller)
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())


def test_calls_of_each_kind() -> None:
    async def act(caller: Caller) -> None:
        assert await caller.ask("/t.T/Hello", TEXT, {"text": "you"}, TEXT) == {"text": "hello you"}
        async with caller.open("/t.T/Count", TEXT, TEXT) as call:
            await call.send_message({"text": ""}, end=True)
            assert [message["text"] async for message in call] == ["0", "1", "2"]
        async with caller.open("/t.T/Echo", TEXT, TEXT, [("who", "me")]) as call:
            for text in ("a", "b" * 300_000):
                await call.send_message({"text": text})
                assert await call.recv_message() == {"text": text}

    talk(act)


def test_a_short_answer_is_one_write() -> None:
    async def run() -> None:
        client, server = pipes()
        serving = asyncio.get_running_loop().create_task(grpc.Service(METHODS).serve(server))
        async with Caller(client) as caller:
            await caller.ask("/t.T/Count", TEXT, {"text": ""}, TEXT)
            before = client.written, server.written
            async with caller.open("/t.T/Count", TEXT, TEXT) as call:
                await call.send_message({"text": ""}, end=True)
                assert [message["text"] async for message in call] == ["0", "1", "2"]
            assert (client.written - before[0], server.written - before[1]) == (1, 1)
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())


async def _silent(caller: Caller, metadata: Any = None) -> None:
    async with caller.open("/t.T/Hello", TEXT, TEXT, metadata) as call:
        await call.send_request()
        await call.end()
        await call.recv_message()


def test_refusals() -> None:
    async def act(caller: Caller) -> None:
        for text, code, said in (
            ("gone", 5, "no such thing"), ("bad", 2, "bad thing"), ("full", 2, "/srv: no space left on device"),
            ("detailed", 2, "see below"), ("named", 2, "named f\\?\n\u00fc"), ("\udcff", 2, "not UTF-8"),
        ):  # fmt: skip
            with pytest.raises(Failed, match=said) as caught:
                await caller.ask("/t.T/Hello", TEXT, {"text": text}, TEXT)
            assert caught.value.code == code
        with pytest.raises(Failed):
            await caller.ask("/t.T/Nothing", TEXT, {}, TEXT)
        with pytest.raises(Failed, match="without its message"):
            await _silent(caller)
        with pytest.raises(InvalidArgument, match="ASCII"):
            await _silent(caller, [("who", "ü")])

    talk(act)


def test_details_of_a_refusal() -> None:
    codec = grpc._details_codec()
    details = [{"type_url": "t/Detail", "value": b"why"}]
    status = protobuf.decode(codec.encode(Status.UNKNOWN, "see below", details), grpc.STATUS)
    assert status == {"code": 2, "message": "see below", "details": details}


@pytest.mark.parametrize("failure", [InvalidArgument("it was in the middle of something"), KeyError("a bug")])
def test_a_failure_that_nobody_hears_of(caplog: pytest.LogCaptureFixture, failure: Exception) -> None:
    async def run() -> None:
        client, server = pipes()
        begun = asyncio.Event()

        async def fails(call: Any) -> None:
            await call.recv_message()
            try:
                begun.set()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise failure from None

        methods = {"/t.T/Fails": Method(fails, UNARY, TEXT, TEXT)}
        serving = asyncio.get_running_loop().create_task(grpc.Service(methods).serve(server))
        async with Caller(client) as caller:
            asking = asyncio.get_running_loop().create_task(caller.ask("/t.T/Fails", TEXT, {"text": ""}, TEXT))
            await begun.wait()
            server.close()
            with pytest.raises((Unavailable, Failed)):
                await asking
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_methods_that_are_not_there() -> None:
    async def run() -> None:
        client, server = pipes()
        serving = asyncio.get_running_loop().create_task(grpc.Service(METHODS).serve(server))
        async with Caller(client) as caller:
            with pytest.raises(Failed, match="unknown method /t") as caught:
                await caller.ask("/t.T/None", TEXT, {"text": ""}, TEXT)
            assert caught.value.code == 12
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())


def test_a_client_that_goes() -> None:
    async def run() -> None:
        client, server = pipes()
        async with Caller(client) as caller:
            serving = asyncio.get_running_loop().create_task(grpc.Service(METHODS).serve(server))

            async def echo() -> None:
                async with caller.open("/t.T/Echo", TEXT, TEXT) as call:
                    await call.send_message({"text": "a"})
                    server.close()
                    while True:
                        await call.recv_message()

            with pytest.raises((Unavailable, Failed)):
                await echo()
            await asyncio.wait_for(serving, 5)

    asyncio.run(run())


def test_nothing_of_it_is_imported_at_the_start() -> None:
    code = "import carrack.daemon.wiring, sys; print([n for n in sys.modules if n.split('.')[0] in ('grpclib', 'h2')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
