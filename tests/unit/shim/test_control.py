import os
import socket
from typing import Any

from carrack.runtime import channel
from carrack.shim.control import Control
from carrack.shim.loop import Loop


class Desk:
    def __init__(self) -> None:
        self.loop = Loop()
        self.daemon, ours = channel.pair()
        self.seen: list[dict[str, Any]] = []
        self.closed: list[Control] = []
        self.control = Control(self.loop, ours, self.handle, self.closed.append)

    def handle(self, control: Control, message: dict[str, Any], fds: list[int]) -> None:
        for fd in fds:
            os.close(fd)
        self.seen.append(message)

    def end(self) -> None:
        self.control.close()
        self.daemon.close()
        self.loop.close()


def test_requests_arrive_and_answers_leave() -> None:
    desk = Desk()
    channel.send(desk.daemon, {"id": 1}, [0])
    desk.loop.turn()
    desk.control.send({"ok": 1}, (1,))
    message, fds = channel.receive(desk.daemon)
    assert (desk.seen, message, len(fds)) == ([{"id": 1}], {"ok": 1}, 1)
    os.close(fds[0])
    desk.end()


def test_a_daemon_that_does_not_read_never_blocks_and_is_dropped_in_the_end() -> None:
    desk = Desk()
    for number in range(5000):
        desk.control.send({"event": number, "padding": "x" * 500})
    assert desk.closed == [desk.control]
    desk.end()


def test_notices_that_waited_come_in_order() -> None:
    desk = Desk()
    count = 600
    for number in range(count):
        desk.control.send({"n": number, "padding": "x" * 500})
    got: list[int] = []
    while len(got) < count:
        message, _ = channel.receive(desk.daemon)
        assert message is not None
        got.append(message["n"])
        if len(got) % 50 == 0:
            desk.loop.after(0, lambda: None)
            desk.loop.turn()
    assert got == list(range(count))
    assert desk.closed == []
    desk.end()


def test_an_end_or_nonsense_closes_it() -> None:
    for nonsense in (b"", b"not json", b"[1]"):
        desk = Desk()
        if nonsense:
            desk.daemon.send(nonsense)
        else:
            desk.daemon.close()
        desk.loop.turn()
        assert desk.closed == [desk.control]
        desk.control.send({"after": "close"})
        desk.end()


def test_a_killed_daemon_is_noticed_while_sending() -> None:
    desk = Desk()
    desk.daemon.shutdown(socket.SHUT_RDWR)
    desk.daemon.close()
    desk.control.send({"x": 1})
    assert desk.closed == [desk.control]
    desk.end()
