from __future__ import annotations

import os
import posix
import signal
import socket
import threading

import pytest
from tests.fakes.api_server import frame

from carrack.cli import streams
from carrack.errors import Unavailable
from carrack.http.client import Stream


@pytest.mark.parametrize("size", [1, 3, 8, 1000])
def test_frames_however_they_are_cut(size: int) -> None:
    data = frame(1, b"out") + frame(2, b"err") + frame(0, b"in") + frame(1, b"")
    cut = iter([data[i : i + size] for i in range(0, len(data), size)])
    got: dict[int, bytes] = {1: b"", 2: b""}

    def write(fd: int, part: bytes) -> None:
        got[fd] += part

    streams.demultiplex(lambda: next(cut, b""), write)
    assert got == {1: b"outin", 2: b"err"}


@pytest.mark.parametrize("data", [b"\x04\0\0\0\0\0\0\x01x", b"\x01\x01\0\0\0\0\0\x01x", b"\x03\0\0\0\0\0\0\x04oops"])
def test_what_is_not_framed(data: bytes) -> None:
    parts = iter([data])
    with pytest.raises(Unavailable):
        streams.demultiplex(lambda: next(parts, b""), lambda _fd, _data: None)


def test_input_that_ends_is_told_and_output_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    written: list[tuple[int, bytes]] = []
    typed = iter([b"typed", b""])
    monkeypatch.setattr(posix, "read", lambda fd, size: next(typed))
    monkeypatch.setattr(streams, "write_all", lambda fd, data: written.append((fd, data)))

    def serve() -> None:
        received = b""
        while data := theirs.recv(100):
            received += data
        theirs.sendall(received.upper())
        theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert streams.exchange(Stream(ours), stdin=True, raw=True) is False
    thread.join()
    assert written == [(1, b"TYPED")]
    for fd in (read, write):
        os.close(fd)
    ours.close()


def test_detaching(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    typed = iter([b"ls\x10", b"\x11"])
    monkeypatch.setattr(posix, "read", lambda fd, size: next(typed))
    assert streams.exchange(Stream(ours), stdin=True, raw=True, detach_keys=b"\x10\x11") is True
    assert theirs.recv(100) == b"ls"
    ours.close()
    theirs.close()


def test_writing_all_through_a_full_pipe() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    got = bytearray()

    def drain() -> None:
        while data := os.read(read, 65536):
            got.extend(data)

    thread = threading.Thread(target=drain)
    thread.start()
    streams.write_all(write, bytes(300_000))
    os.close(write)
    thread.join()
    os.close(read)
    assert len(got) == 300_000


def test_signals_are_passed_on_and_given_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    sent: list[str] = []

    def send(name: str) -> None:
        sent.append(name)
        raise Unavailable("it has just ended")

    restore = streams.proxy_signals(send)
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)
    restore()
    assert sent == ["USR1", "TERM"]
    assert signal.getsignal(signal.SIGUSR1) == before
