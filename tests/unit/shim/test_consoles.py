"""A terminal that comes over a socket."""

import os
import pty
import socket
from pathlib import Path

import pytest

from carrack.linux import tty
from carrack.shim.consoles import CONSOLE, Console
from carrack.shim.protocol import StartError


def send(directory: Path, fd: int) -> None:
    sock = socket.socket(socket.AF_UNIX)
    there = os.open(directory, os.O_PATH)
    with sock:
        sock.connect(f"/proc/self/fd/{there}/{CONSOLE}")
        socket.send_fds(sock, [b"ptmx"], [fd])
    os.close(there)


def test_the_terminal_has_its_size_when_it_is_taken(tmp_path: Path) -> None:
    console = Console(str(tmp_path), {"height": 33, "width": 101})
    assert (tmp_path / CONSOLE).stat().st_mode & 0o777 == 0o600
    master, slave = pty.openpty()
    send(tmp_path, master)
    console.accept()
    assert tty.size(slave) == (33, 101)
    taken = console.master()
    assert not os.get_inheritable(taken)
    console.close()
    assert not (tmp_path / CONSOLE).exists()
    for fd in (master, slave, taken):
        os.close(fd)


def test_one_that_was_not_taken_is_closed(tmp_path: Path) -> None:
    console = Console(str(tmp_path), None)
    master, slave = pty.openpty()
    send(tmp_path, master)
    console.accept()
    console.close()
    os.close(master)
    assert os.read(slave, 1) == b""  # hung up
    os.close(slave)


def test_nobody_comes_or_brings_nothing(tmp_path: Path) -> None:
    console = Console(str(tmp_path), None)
    with pytest.raises(StartError, match="sent no terminal"):
        console.master()
    there = os.open(tmp_path, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"/proc/self/fd/{there}/{CONSOLE}")
    with pytest.raises(StartError, match="sent no terminal"):
        console.master()
    console.close()
    os.close(there)


def test_paths_may_be_long(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    Console(str(long), None).close()
    assert list(long.iterdir()) == []
