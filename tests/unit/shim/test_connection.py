import asyncio
import os
from collections.abc import Awaitable, Callable
from socket import socket
from typing import Any

import pytest

from carrack.errors import NotFound, Unavailable
from carrack.runtime import channel
from carrack.shim.connection import Connection, StartFailed


def play(scene: Callable[[Connection, socket, list[Any]], Awaitable[None]]) -> None:
    async def run() -> None:
        ours, theirs = channel.pair()
        notices: list[Any] = []

        def notice(message: dict[str, Any], fds: list[int]) -> None:
            for fd in fds:
                os.close(fd)
            notices.append(message)

        connection = Connection(ours, notice, lambda: notices.append("lost"))
        try:
            await asyncio.wait_for(scene(connection, theirs, notices), 10)
        finally:
            connection.close()
            theirs.close()

    asyncio.run(run())


async def respond(theirs: socket, make: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    message, fds = await loop.run_in_executor(None, channel.receive, theirs)
    assert message is not None
    for fd in fds:
        os.close(fd)
    channel.send(theirs, {"id": message["id"], **make(message)})
    return message


def test_answers_find_their_requests_in_any_order() -> None:
    async def scene(connection: Connection, theirs: socket, notices: list[Any]) -> None:
        first = asyncio.gather(connection.request("a", x=1), connection.request("b"))
        await asyncio.sleep(0)
        messages = [channel.receive(theirs)[0] for _ in range(2)]
        for message in reversed(messages):
            assert message is not None
            channel.send(theirs, {"id": message["id"], "ok": message["op"]})
        channel.send(theirs, {"event": "e"})
        assert list(await first) == ["a", "b"]
        await asyncio.sleep(0)
        assert notices == [{"event": "e"}]

    play(scene)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"stage": "init", "message": "m", "exit_code": 127}, StartFailed),
        ({"kind": "missing", "message": "m", "errno": None}, NotFound),
        ({"kind": "failed", "message": "m", "errno": 16, "op": "update"}, OSError),
    ],
)
def test_errors_keep_their_meaning(error: dict[str, Any], kind: type[Exception]) -> None:
    async def scene(connection: Connection, theirs: socket, notices: list[Any]) -> None:
        answer = asyncio.gather(respond(theirs, lambda _: {"error": error}), connection.request("x"))
        with pytest.raises(kind, match="m"):
            await answer

    play(scene)


def test_descriptors_come_with_an_answer_to_who_wants_them() -> None:
    async def scene(daemon: Connection, shim: socket, notices: list[Any]) -> None:
        for wanted in (True, False):
            asking: Any = asyncio.gather(daemon.exchange("held") if wanted else daemon.request("held"))
            await asyncio.sleep(0)
            message, _ = channel.receive(shim)
            assert message is not None
            channel.send(shim, {"id": message["id"], "ok": 1}, [0])
            [answer] = await asking
            if wanted:
                assert answer[0] == 1
                os.close(answer[1][0])
            else:
                assert answer == 1

    play(scene)


def test_the_end_of_the_shim_fails_what_is_asked_and_is_told() -> None:
    async def scene(connection: Connection, theirs: socket, notices: list[Any]) -> None:
        pending = asyncio.gather(connection.request("x"), return_exceptions=True)
        await asyncio.sleep(0)
        theirs.close()
        assert isinstance((await pending)[0], Unavailable)
        assert notices == ["lost"]
        with pytest.raises(Unavailable):
            await connection.request("y")

    play(scene)


def test_while_paused_nothing_is_heard_and_nothing_is_lost() -> None:
    async def scene(connection: Connection, theirs: socket, notices: list[Any]) -> None:
        connection.pause()
        channel.send(theirs, {"event": 1})
        theirs.close()
        await asyncio.sleep(0.01)
        assert notices == []
        connection.resume()
        await asyncio.sleep(0.01)
        assert notices == [{"event": 1}, "lost"]

    play(scene)


def test_requests_wait_for_room_in_a_full_socket() -> None:
    async def scene(connection: Connection, theirs: socket, notices: list[Any]) -> None:
        requests = asyncio.gather(*(connection.request("x", padding="p" * 4000) for _ in range(200)))
        await asyncio.sleep(0.01)
        for _ in range(200):
            await respond(theirs, lambda _: {"ok": True})
        assert await requests == [True] * 200

    play(scene)
