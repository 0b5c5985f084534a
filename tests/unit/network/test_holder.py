import os
import socket

import pytest

from carrack.network import holder
from carrack.network.holder import Holder


def pipes(count: int) -> tuple[list[int], list[int]]:
    """Reading ends (ours) and writing ends (to be held)."""
    pairs = [os.pipe2(os.O_NONBLOCK) for _ in range(count)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def is_open(reading: int) -> bool:
    """Whether somebody still has the writing end."""
    try:
        return os.read(reading, 1) != b""
    except BlockingIOError:
        return True


@pytest.mark.parametrize(("count", "kept"), [(0, 0), (3, 3), (100, 1), (101, 1), (350, 1)])
def test_few_stand_for_all(count: int, kept: int) -> None:
    reading, writing = pipes(count)
    held = Holder()
    for fd in writing:
        held.add(fd)
    fds = held.take()
    held.close()
    assert len(fds) == kept
    assert all(is_open(fd) for fd in reading)
    for fd in fds:
        os.close(fd)
    assert not any(is_open(fd) for fd in reading)
    for fd in reading:
        os.close(fd)


def test_closing_lets_go_of_everything() -> None:
    reading, writing = pipes(150)
    held = Holder()
    for fd in writing:
        held.add(fd)
    held.close()
    held.close()
    assert not any(is_open(fd) for fd in reading)
    for fd in reading:
        os.close(fd)


def test_a_full_queue_is_an_error_that_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "_widen", lambda sender: sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1))
    monkeypatch.setattr(holder, "_BUNDLE", 1)
    reading, writing = pipes(200)
    held = Holder()
    taken = 0
    try:
        for fd in writing:
            taken += 1
            held.add(fd)
    except BlockingIOError:
        pass
    assert 1 < taken < 200
    held.close()
    assert not any(is_open(fd) for fd in reading[:taken])
    for fd in (*reading, *writing[taken:]):
        os.close(fd)
