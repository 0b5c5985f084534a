"""Attaching: detach keys, sockets that wait for a start, and the pump with its half-closes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import FakeShim, container, run, settle

from carrack.engine.containers.attach import Attachments, DetachKeys, pump
from carrack.errors import Conflict, InvalidArgument


@pytest.mark.parametrize("text", ["", "ctrl-p,ctrl-q", "a,b", "A", "ctrl-@", "ctrl-[", "ctrl-^,ctrl-_", "DEL"])
def test_keys_that_docker_takes(text: str) -> None:
    DetachKeys(text)


@pytest.mark.parametrize(
    "text", ["foo", "ctrl-", "ctrl-p,", "ctrl-P", "ctrl-?", "é", ",", ",,", "a, b", "ctrl-1", "ctrl-é", "\udc80"]
)
def test_keys_that_docker_refuses(text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        DetachKeys(text)
    assert str(failure.value) == f"Invalid detach keys ({text}) provided"


def test_a_broken_sequence_is_passed_on() -> None:
    keys = DetachKeys("ctrl-p,ctrl-q")
    assert keys.feed(b"ls\x10") == (b"ls", False)
    assert keys.feed(b"x") == (b"\x10x", False)
    assert keys.feed(b"\x10\x10") == (b"\x10", False)
    assert keys.feed(b"\x11rest") == (b"", True)


def test_a_sequence_that_repeats_itself_is_found() -> None:
    assert DetachKeys("a,a,b").feed(b"aaab") == (b"a", True)
    assert DetachKeys("a,b,a,c").feed(b"ababac") == (b"ab", True)


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=4), st.lists(st.binary(max_size=6), max_size=6), st.data())
def test_nothing_is_lost_and_the_first_occurrence_detaches(
    sequence: list[str], pieces: list[bytes], data: st.DataObject
) -> None:
    pieces = [*pieces, data.draw(st.text("ab", max_size=12)).encode()]
    keys, wanted, typed = DetachKeys(",".join(sequence)), "".join(sequence).encode(), b"".join(pieces)
    passed, detached = b"", False
    for piece in pieces:
        out, detached = keys.feed(piece)
        passed += out
        if detached:
            break
    before, found, _ = typed.partition(wanted)
    assert detached == bool(found)
    if detached:
        assert passed == before
    else:
        assert typed.startswith(passed)
        assert len(typed) - len(passed) < len(wanted)


def test_a_client_waits_for_the_start() -> None:
    async def main() -> None:
        c, attachments = container(1, {"OpenStdin": True}), Attachments()
        ours = await attachments.attach(c, stdin=True, stdout=True, stderr=False)
        [(theirs, wanted)] = attachments.pending(c)
        assert wanted == (True, True, False)
        theirs.send(b"x")
        assert ours.recv(1) == b"x"
        attachments.handed_over(c)
        assert ours.recv(1) == b""
        assert attachments.pending(c) == []
        ours.close()

    run(main)


def test_a_client_that_goes_waits_no_longer_but_what_a_start_sends_stays() -> None:
    async def main() -> None:
        c, attachments = container(), Attachments()
        ours = [await attachments.attach(c, stdin=False, stdout=True, stderr=True) for _ in range(2)]
        (theirs, _), kept = attachments.pending(c)
        async with c.lock:
            attachments.gone(c, ours[0])
        assert len(attachments.pending(c)) == 2
        attachments.gone(c, ours[0])
        assert theirs.fileno() < 0
        assert attachments.pending(c) == [kept]
        attachments.handed_over(c)
        attachments.gone(c, ours[1])
        for sock in ours:
            sock.close()

    run(main)


def test_a_running_container_gets_the_socket_at_once_and_stdin_only_if_it_is_open() -> None:
    async def main() -> None:
        c, attachments = container(1, status="running"), Attachments()
        shim: Any = FakeShim()
        c.shim = shim
        ours = await attachments.attach(c, stdin=True, stdout=True, stderr=True)
        assert shim.calls == [("attach", False, True, True)]
        await shim.close()
        assert ours.recv(1) == b""
        ours.close()
        shim.refusal = Conflict("no")
        with pytest.raises(Conflict):
            await attachments.attach(c, stdin=False, stdout=True, stderr=True)

    run(main)


@pytest.mark.parametrize("status", ["paused", "restarting"])
def test_not_now(status: str) -> None:
    async def main() -> None:
        with pytest.raises(Conflict, match=f"container {'01' * 32} is {status}, "):
            await Attachments().attach(container(1, status=status), stdin=False, stdout=True, stderr=True)

    run(main)


class Client:
    """A hijacked connection by queue."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.typed: asyncio.Queue[bytes] = asyncio.Queue()
        self.seen = b""

    async def read(self) -> bytes:
        return await self.typed.get()

    def write(self, data: bytes) -> None:
        self.seen += data

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(5)
    return ours, theirs


def test_the_pump_carries_both_ways_and_half_closes() -> None:
    async def main() -> None:
        client, (ours, program) = Client(), pair()
        pumping = asyncio.get_running_loop().create_task(pump(client, ours, None))
        client.typed.put_nowait(b"question")
        client.typed.put_nowait(b"")
        await settle()
        assert program.recv(100) == b"question"
        assert program.recv(100) == b""  # the client's half-close is the program's end of input only
        program.send(b"answer")
        await asyncio.sleep(0.01)
        assert not pumping.done()
        program.close()
        assert await pumping is False
        assert client.seen == b"answer"
        assert ours.fileno() == -1

    run(main)


def test_the_pump_ends_when_the_client_detaches_or_goes() -> None:
    async def main() -> None:
        client, (ours, program) = Client(), pair()
        client.typed.put_nowait(b"a\x10\x11b")
        assert await pump(client, ours, DetachKeys("")) is True
        program.close()
        gone, (ours, program) = Client(), pair()
        gone.typed.put_nowait(b"")
        gone.close()
        assert await pump(gone, ours, None) is False
        assert program.recv(1) == b""
        program.close()

    run(main)
