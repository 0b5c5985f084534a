"""Pseudo-terminals on the real devpts, which everyone may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from carrack.linux import tty
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root  # the ptmx of /dev/pts, which is what open_pty is for, may be root's alone


@pytest.fixture
def pty() -> Iterator[tty.Pty]:
    devpts = os.open("/dev/pts", os.O_PATH | os.O_DIRECTORY)
    pair = tty.open_pty(LINUX, devpts)
    os.close(devpts)
    yield pair
    os.close(pair.master)
    os.close(pair.slave)


def test_both_ends(pty: tty.Pty) -> None:
    assert os.ttyname(pty.slave) == f"/dev/pts/{pty.number}"
    assert not os.get_inheritable(pty.master)
    assert not os.get_inheritable(pty.slave)
    os.write(pty.master, b"hello\n")
    assert os.read(pty.slave, 100) == b"hello\n"


def test_the_other_end_can_be_opened_again(pty: tty.Pty) -> None:
    again = tty.open_peer(pty.master)
    try:
        assert os.ttyname(again) == os.ttyname(pty.slave)
    finally:
        os.close(again)


def test_a_master_opened_by_other_means() -> None:
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    pair = tty.adopt(master)
    assert pair.master == master
    assert os.ttyname(pair.slave) == f"/dev/pts/{pair.number}"
    os.close(pair.slave)
    os.close(master)
    with pytest.raises(OSError, match="Bad file descriptor"):
        tty.adopt(master)


def test_size(pty: tty.Pty) -> None:
    tty.set_size(pty.master, 50, 132)
    assert tty.size(pty.slave) == (50, 132)
    for height, width in ((-1, 80), (24, 65536)):
        with pytest.raises(ValueError, match="out of range"):
            tty.set_size(pty.master, height, width)


def test_only_devpts_will_do() -> None:
    root = os.open("/", os.O_PATH)
    try:
        with pytest.raises(OSError, match="not a devpts file system"):
            tty.open_pty(LINUX, root)
    finally:
        os.close(root)


def test_controlling_terminal_comes_and_goes(pty: tty.Pty) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            tty.detach()  # none yet: nothing happens
            tty.set_controlling(pty.slave)
            os.close(os.open("/dev/tty", os.O_RDWR))
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            tty.detach()
            try:
                os.open("/dev/tty", os.O_RDWR)
            except OSError:
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
