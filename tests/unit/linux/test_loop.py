"""Loop devices: how they are asked for; that they work is in tests/root/test_loop.py."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from carrack.linux import loop


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    for name in ("loop-control", "loop0", "loop1"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_device_that_others_took_is_left(dev: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free, asked = [0, 1], []

    def ioctl(fd: int, request: int, argument: Any = 0) -> int:
        if request == 0x4C82:
            return free.pop(0)
        asked.append(argument)
        if len(asked) == 1:
            raise OSError(errno.EBUSY, "busy")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    device = loop.attach(77, read_only=True, name="x" * 100, dev=str(dev))
    os.close(device.fd)
    assert device.path == f"{dev}/loop1"
    assert len(asked[1]) == 304
    assert asked[1][:4] == b"M\0\0\0"
    assert asked[1][60:64] == b"\x05\0\0\0"
    assert asked[1][64:128] == b"x" * 63 + b"\0"


def test_other_failures_name_the_device(dev: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ioctl(fd: int, request: int, argument: Any = 0) -> int:
        if request == 0x4C82:
            return 0
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    with pytest.raises(OSError, match=r"loop device: Invalid argument: .*loop0"):
        loop.attach(77, dev=str(dev))


def test_endless_competition_ends(dev: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_configure", lambda *arguments: -1)
    monkeypatch.setattr(fcntl, "ioctl", lambda *arguments: 0)
    with pytest.raises(OSError, match="no loop device stayed free"):
        loop.attach(77, dev=str(dev))


def test_no_loop_support(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        loop.attach(0, dev=str(tmp_path))
