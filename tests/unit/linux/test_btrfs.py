"""How btrfs is asked; that it obeys is in tests/root/test_rooms.py."""

from __future__ import annotations

import errno
import fcntl
import struct
from typing import Any

import pytest

from carrack.linux import btrfs

#: of snapshots, of removal, and of a second limit
NEWER = [0x50009401, 0x5000940F, 0xC0109428, 0x8030942B]


class Asked:
    """Requests in place of an ioctl."""

    def __init__(self, failure: int = 0) -> None:
        self.requests: list[tuple[int, bytes]] = []
        self.failure = failure

    def __call__(self, fd: int, request: int, argument: Any, mutate: bool = True) -> Any:
        if self.failure:
            raise OSError(self.failure, "as the kernel says it")
        self.requests.append((request, bytes(argument)))
        if request == 0xD0009412:
            argument[:8] = struct.pack("=Q", 300)
        return bytes(argument)


def test_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    monkeypatch.setattr(fcntl, "ioctl", asked)
    btrfs.create_subvolume(3, "volume")
    btrfs.limit(3, 1 << 20)
    assert btrfs.identity(3) == 300
    btrfs.forget_limit(3, 300)
    btrfs.create_snapshot(7, 3, "copy")
    btrfs.destroy(3, "copy")
    btrfs.limit(3, 1 << 20, exclusive=True)
    numbers = [request for request, _ in asked.requests]
    assert numbers == [0x5000940E, 0xC0109428, 0x8030942B, 0xD0009412, 0x4010942A, *NEWER]
    assert asked.requests[0][1][8:15] == b"volume\0"
    assert asked.requests[2][1][:24] == struct.pack("=QQQ", 0, 1, 1 << 20)
    assert asked.requests[4][1] == struct.pack("=QQ", 0, 300)
    assert asked.requests[5][1][:13] == struct.pack("=q", 7) + b"copy\0"
    assert asked.requests[6][1][:13] == struct.pack("=q", 0) + b"copy\0"
    assert asked.requests[8][1][:32] == struct.pack("=QQQQ", 0, 2, 0, 1 << 20)
    assert [len(argument) for _, argument in asked.requests] == [4096, 16, 48, 4096, 16, 4096, 4096, 16, 48]


def test_failures_say_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "ioctl", Asked(errno.EPERM))
    with pytest.raises(OSError, match="counting what subvolumes use: operation not permitted"):
        btrfs.limit(3, 1)
    with pytest.raises(OSError, match="removing a count"):
        btrfs.forget_limit(3, 300)
    monkeypatch.setattr(fcntl, "ioctl", Asked(errno.ENOENT))
    btrfs.forget_limit(3, 300)
