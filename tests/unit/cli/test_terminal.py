from __future__ import annotations

import os
import pty
import termios
from contextlib import suppress

import pytest

from carrack.cli import terminal
from carrack.errors import InvalidArgument


def test_raw_mode_is_undone() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with suppress(KeyboardInterrupt), terminal.RawMode(slave):
            during = termios.tcgetattr(slave)
            assert not during[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
            raise KeyboardInterrupt
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_what_is_typed_does_not_show_for_a_while() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with suppress(KeyboardInterrupt), terminal.NoEcho(slave):
            during = termios.tcgetattr(slave)
            assert (during[3] & termios.ECHO, bool(during[3] & termios.ICANON)) == (0, True)
            raise KeyboardInterrupt
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_size() -> None:
    master, slave = pty.openpty()
    try:
        termios.tcsetwinsize(slave, (33, 101))
        assert terminal.size(slave) == (33, 101)
    finally:
        os.close(master)
        os.close(slave)
    read, write = os.pipe()
    assert terminal.size(read) == (0, 0)
    os.close(read)
    os.close(write)


def test_detach_sequences() -> None:
    assert terminal.detach_sequence("") == b"\x10\x11"
    assert terminal.detach_sequence("a,ctrl-B,ctrl-@,ctrl-_") == b"a\x02\x00\x1f"
    for text in ("ab", "ctrl-1", "ctrl-", ","):
        with pytest.raises(InvalidArgument, match="invalid detach keys"):
            terminal.detach_sequence(text)


@pytest.mark.parametrize(
    ("typed", "passed", "detached"),
    [
        ([b"ab"], b"ab", False),
        ([b"x\x10", b"\x11y"], b"x", True),
        ([b"\x10", b"z"], b"\x10z", False),
        ([b"\x10\x10\x11"], b"\x10", True),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_detach_filter(typed: list[bytes], passed: bytes, detached: bool) -> None:
    keys = terminal.DetachFilter(b"\x10\x11")
    results = [keys.feed(data) for data in typed]
    assert b"".join(data for data, _ in results) == passed
    assert results[-1][1] is detached
