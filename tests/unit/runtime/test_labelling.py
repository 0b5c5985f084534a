from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from carrack.runtime import labelling


def test_what_is_the_containers_own_is_mounted_with_its_label() -> None:
    assert labelling.options("tmpfs", "u:r:t:s0:c1,c2") == [("context", "u:r:t:s0:c1,c2")]
    assert labelling.options("tmpfs", "") == []
    assert labelling.options("proc", "l") == labelling.options("sysfs", "l") == labelling.options("cgroup2", "l") == []
    assert labelling.options("tmpfs", "l", [("fscontext", "m")]) == []


def test_queues_are_labelled_by_their_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    fail = 0

    def put(fd: int, name: str, value: bytes) -> None:
        asked.append((os.readlink(f"/proc/self/fd/{fd}"), name, value))
        if fail:
            raise OSError(fail, "no")

    monkeypatch.setattr(os, "setxattr", put)
    root = os.open(tmp_path, os.O_PATH)
    try:
        labelling.label_queues(root, "tmpfs", "l")
        labelling.label_queues(root, "mqueue", "")
        assert asked == []
        labelling.label_queues(root, "mqueue", "l")
        assert asked == [(str(tmp_path), "security.selinux", b"l\0")]
        fail = errno.ENOTSUP
        labelling.label_queues(root, "mqueue", "l")
        fail = errno.EACCES
        with pytest.raises(OSError, match="no"):
            labelling.label_queues(root, "mqueue", "l")
    finally:
        os.close(root)


def test_the_null_device_among_the_streams_is_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    devices = {0: os.makedev(1, 3), 1: 0, 2: os.makedev(1, 3)}

    def put(fd: int, name: str, value: bytes) -> None:
        asked.append(fd)
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(os, "setxattr", put)
    with monkeypatch.context() as streams:
        streams.setattr(os, "fstat", lambda fd: SimpleNamespace(st_rdev=devices[fd]))
        labelling.label_null("")
        labelling.label_null("l")
    assert asked == [0, 2]
