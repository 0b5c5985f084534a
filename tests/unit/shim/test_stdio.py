import os
import socket
import time
from pathlib import Path

import pytest

from carrack.shim.logfile import LogFile
from carrack.shim.loop import Loop
from carrack.shim.stdio import Stdio


class Desk:
    """The streams of an imagined program whose ends we hold."""

    def __init__(self, *, stdin: bool = False, stdin_once: bool = False, log: LogFile | None = None) -> None:
        self.loop = Loop()
        self.stdio = Stdio(self.loop, stdin=stdin, stdin_once=stdin_once)
        null = os.open("/dev/null", os.O_RDONLY)
        self.input, self.output, self.error = self.stdio.open_pipes(null)
        os.close(null)
        self.clients: list[socket.socket] = []
        self.log = log

    def attach(self, *, stdin: bool = False, stdout: bool = False, stderr: bool = False) -> socket.socket:
        client, ours = socket.socketpair()
        client.setblocking(False)
        self.stdio.attach(ours, stdin=stdin, stdout=stdout, stderr=stderr, terminal=False)
        self.clients.append(client)
        return client

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.loop.after(0, lambda: None)
            self.loop.turn()

    def end(self) -> None:
        for fd in (self.input, self.output, self.error):
            os.close(fd)
        self.stdio.ended()
        for client in self.clients:
            client.close()
        self.turn(3)
        assert self.stdio.done
        self.loop.close()


def test_output_goes_to_the_log_and_to_who_wants_it(tmp_path: Path) -> None:
    log = LogFile(os.open(tmp_path, os.O_PATH), "log")
    desk = Desk()
    both, errors = desk.attach(stdout=True, stderr=True), desk.attach(stderr=True)
    desk.stdio.start(log)
    os.write(desk.output, b"out\n")
    os.write(desk.error, b"err\n")
    desk.turn(2)
    assert sorted(both.recv(99)) == sorted(b"\x01\0\0\0\0\0\0\x04out\n" + b"\x02\0\0\0\0\0\0\x04err\n")
    assert errors.recv(99) == b"\x02\0\0\0\0\0\0\x04err\n"
    with pytest.raises(BlockingIOError):
        errors.recv(1)
    os.write(desk.output, b"tail")
    desk.end()
    assert (tmp_path / "log").read_text().count('"stream":"stdout"') == 2


def test_a_slow_client_holds_up_only_the_streams_it_wants() -> None:
    desk = Desk()
    desk.attach(stdout=True)
    fast = desk.attach(stderr=True)
    desk.stdio.start(None)
    os.set_blocking(desk.output, False)
    written = 0
    for _ in range(200):
        try:
            written += os.write(desk.output, b"x" * 65536)
        except BlockingIOError:
            desk.turn()
    assert written < 4 << 20  # what a socket and a pipe hold, and one piece
    os.write(desk.error, b"still")
    desk.turn()
    assert fast.recv(99).endswith(b"still")
    desk.clients[0].close()
    desk.turn(2)
    assert os.write(desk.output, b"flows again")
    desk.end()


def test_a_program_that_does_not_read_stops_its_clients() -> None:
    desk = Desk(stdin=True, stdin_once=True)
    client = desk.attach(stdin=True)
    desk.stdio.start(None)
    sent = 0
    for _ in range(100):
        try:
            sent += client.send(b"y" * 65536)
        except BlockingIOError:
            desk.turn()
    assert sent < 4 << 20
    client.shutdown(socket.SHUT_WR)
    got = 0
    while data := os.read(desk.input, 1 << 20):
        got += len(data)
        desk.turn()
    assert got == sent
    desk.end()


def test_all_input_of_a_client_that_closed_reaches_a_program_that_reads_late() -> None:
    desk = Desk(stdin=True, stdin_once=True)
    client = desk.attach(stdin=True, stdout=True)
    desk.stdio.start(None)
    sent = 0
    for _ in range(100):
        try:
            sent += client.send(b"y" * 65536)
        except BlockingIOError:
            desk.turn()
    client.close()
    for _ in range(20):  # a hang-up that nobody can take yet must not keep the loop busy
        desk.turn()
    assert desk.loop._epoll.poll(0) == []
    got = 0
    while data := os.read(desk.input, 1 << 20):
        got += len(data)
        desk.turn(2)
    assert got == sent
    desk.end()


def test_a_closed_input_swallows_what_comes() -> None:
    desk = Desk(stdin=True)
    client = desk.attach(stdin=True, stdout=True)
    desk.stdio.start(None)
    os.close(desk.input)
    desk.input = os.dup(desk.output)
    for _ in range(50):
        client.send(b"z" * 1000)
        desk.turn()
    os.write(desk.output, b"alive")
    desk.turn()
    assert client.recv(99).endswith(b"alive")
    desk.end()


def test_what_a_descendant_writes_after_the_end_is_awaited_for_a_while() -> None:
    desk = Desk()
    client = desk.attach(stdout=True)
    desk.stdio.start(None)
    desk.stdio.ended(linger=0.2)
    assert not desk.stdio.done
    os.write(desk.output, b"late")
    desk.turn(2)
    assert client.recv(99).endswith(b"late")
    end = time.monotonic() + 5
    while not desk.stdio.done and time.monotonic() < end:
        desk.loop.turn()
    assert client.recv(99) == b""
    desk.end()


def test_a_terminal_is_resized_and_ends_with_its_program() -> None:
    loop = Loop()
    stdio = Stdio(loop, stdin=True)
    with pytest.raises(OSError, match="no terminal"):
        stdio.resize(1, 1)
    master, slave = os.openpty()
    stdio.use_terminal(master)
    client, ours = socket.socketpair()
    stdio.attach(ours, stdin=True, stdout=True, stderr=True, terminal=True)
    stdio.start(None)
    stdio.resize(33, 44)
    assert os.get_terminal_size(slave) == os.terminal_size((44, 33))
    os.write(slave, b"seen")
    os.close(slave)
    loop.turn()
    assert client.recv(99) == b"seen"
    client.send(b"typed\n")
    loop.turn()
    loop.turn()
    assert client.recv(99) == b"typed\r\n"  # the echo: the slave is held open for the program
    stdio.ended()
    assert client.recv(99) == b""
    client.close()
    loop.close()


def test_a_log_that_takes_no_more_holds_up_the_program() -> None:
    class Full:
        blocked = True

        def __init__(self) -> None:
            self.taken: list[bytes] = []

        def write(self, stream: str, data: bytes) -> None:
            self.taken.append(data)

        def close(self) -> None:
            self.taken.append(b"end")

    log, desk = Full(), Desk()
    desk.stdio.start(log)  # type: ignore[arg-type]
    os.write(desk.output, b"waits\n")
    desk.turn(2)
    assert log.taken == []
    log.blocked = False
    desk.stdio.balance()
    desk.turn(2)
    assert log.taken == [b"waits\n"]
    log.blocked = True
    desk.stdio.balance()
    os.write(desk.output, b"last words\n")
    desk.end()
    assert log.taken == [b"waits\n", b"last words\n", b"end"]
