"""The bytes of inotify."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.linux import inotify
from carrack.linux.syscalls import LINUX


def test_events_of_a_directory(tmp_path: Path) -> None:
    fd = LINUX.inotify_init()
    try:
        watch = LINUX.inotify_add_watch(
            fd, str(tmp_path), inotify.IN_CREATE | inotify.IN_MOVED_FROM | inotify.IN_MOVED_TO
        )
        assert inotify.read_events(fd) == []
        (tmp_path / "a").mkdir()
        (tmp_path / "a").rename(tmp_path / "longer-name")
        events = inotify.read_events(fd)
    finally:
        os.close(fd)
    assert [(event.watch, event.name) for event in events] == [(watch, "a"), (watch, "a"), (watch, "longer-name")]
    assert events[0].mask == inotify.IN_CREATE | inotify.IN_ISDIR
    assert events[1].cookie == events[2].cookie != 0


@pytest.mark.parametrize("data", [b"x", b"\0" * 15, b"\1\0\0\0" * 3 + b"\x10\0\0\0" + b"abc"])
def test_cut_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="inotify: half"):
        inotify.parse(data)
