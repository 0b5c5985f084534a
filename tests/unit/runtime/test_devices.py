"""Nodes that were really made: tests/root/test_runtime_inside.py. Here: what stands in the way, and binding instead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.rooted import RootedKernel

from carrack.errors import InvalidArgument
from carrack.runtime import devices

NULL = devices.DEFAULT_DEVICES[0]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root/dev").mkdir(parents=True)
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def deny(*_: object, **__: object) -> None:
    raise PermissionError(1, "no")


def test_where_nodes_cannot_be_made_the_host_s_are_bound(
    tmp_path: Path, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "mknod", deny)
    kernel = RootedKernel(tmp_path)
    devices.make_devices(kernel, root, [])
    names = [str(call[1]).rpartition("/")[2] for call in kernel.named("move_mount")]
    assert names == ["null", "zero", "full", "random", "urandom", "tty"]
    assert (tmp_path / "root/dev/null").is_file()


def test_a_link_in_the_way_of_a_device_is_refused(tmp_path: Path, root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = RootedKernel(tmp_path)
    (tmp_path / "root/dev/null").symlink_to("/etc/passwd")
    monkeypatch.setattr(os, "mknod", deny)
    with pytest.raises(OSError, match="symbolic link"):
        devices.make_devices(kernel, root, [])
    monkeypatch.undo()
    with pytest.raises(OSError, match="something that is not this device is in the way"):
        devices.make_devices(kernel, root, [])


def test_only_the_real_device_of_the_host_is_bound(tmp_path: Path) -> None:
    os.close(devices.host_device("/dev/null", NULL))
    with pytest.raises(OSError, match="not the device 1:3"):
        devices.host_device("/dev/zero", NULL)
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(OSError, match="not the device"):
        devices.host_device(str(tmp_path / "null"), NULL)


def test_links_are_made_once_and_ptmx_is_replaced(tmp_path: Path, root: int) -> None:
    (tmp_path / "root/dev/ptmx").symlink_to("/etc")
    (tmp_path / "root/dev/fd").mkdir()
    for _ in range(2):
        devices.make_links(RootedKernel(tmp_path), root)
    assert os.readlink(tmp_path / "root/dev/ptmx") == "pts/ptmx"
    assert os.readlink(tmp_path / "root/dev/stdin") == "/proc/self/fd/0"
    assert (tmp_path / "root/dev/fd").is_dir()


def test_an_unknown_type_is_named(tmp_path: Path, root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "mknod", lambda *_, **__: None)
    monkeypatch.setattr(os, "chown", lambda *_, **__: None)
    with pytest.raises(InvalidArgument, match="device /dev/x: unknown type 'z'"):
        devices.make_devices(RootedKernel(tmp_path), root, [{"path": "/dev/x", "type": "z"}])


def test_a_device_is_found_under_the_kernels_name_too(
    tmp_path: Path, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "mknod", deny)
    kernel = RootedKernel(tmp_path)
    devices.make_devices(kernel, root, [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}])
    assert str(kernel.named("move_mount")[-1][1]).endswith("/dev/mine")
    with pytest.raises(FileNotFoundError, match="/dev/other"):
        devices.make_devices(kernel, root, [{"path": "/dev/other", "type": "c", "major": 4094, "minor": 1}])
