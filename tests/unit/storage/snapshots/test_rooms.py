"""Bounded places: what is refused, and where things lie; that they bound is in tests/root/test_rooms.py."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.errors import InvalidArgument, NotSupported
from carrack.storage.snapshots.rooms import Rooms


class Door(FakeKernel):
    def fstatfs_magic(self, fd: int) -> int:
        return 0xEF53


@pytest.fixture
def places(tmp_path: Path) -> Rooms:
    for name in ("root", "run", "dev"):
        (tmp_path / name).mkdir()
    (tmp_path / "dev/loop-control").touch()
    return Rooms(tmp_path / "root", tmp_path / "run", Door(), dev=str(tmp_path / "dev"))


def test_sizes_that_cannot_be(places: Rooms) -> None:
    with pytest.raises(InvalidArgument, match="1024 bytes is too small: at least 4m"):
        places.check(1024)
    with pytest.raises(InvalidArgument, match=r"is more than the file system of .* holds"):
        places.check(1 << 60)


def test_machines_that_cannot(places: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dev/loop-control").unlink()
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/sbin/mkfs.ext4")
    with pytest.raises(NotSupported, match="this kernel has no loop devices"):
        places.check(8 << 20)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(NotSupported, match=r"needs mkfs.ext4, or a data root on btrfs"):
        places.check(8 << 20)


def test_a_failed_format_says_what_it_said(places: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mkfs"
    monkeypatch.setattr(shutil, "which", lambda name, path=None: str(program))
    for words, number in (("No space left on device", 28), ("bad weather", 5)):
        program.write_text(f"#!/bin/sh\necho {words} >&2\nexit 1\n")
        program.chmod(0o755)
        with pytest.raises(OSError, match=words) as caught:
            places.make(tmp_path / "root", 8 << 20, lambda place: None)
        assert caught.value.errno == number
        (tmp_path / "root/disk.img").unlink()


def test_where_they_lie(places: Rooms, tmp_path: Path) -> None:
    plain, bounded, volume = (tmp_path / "root" / name for name in ("plain", "bounded", "volume"))
    for path in (plain / "upper", bounded, volume / "volume"):
        path.mkdir(parents=True)
    assert not places.exists(bounded)
    (bounded / "disk.img").touch()
    assert all(places.exists(path) for path in (plain, bounded, volume))
    assert places.place("plain", plain) == plain
    assert places.place("volume", volume) == volume / "volume"


def test_mounts_of_an_earlier_daemon_are_found_and_swept(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "disks/a").mkdir(parents=True)
    (run / "disks/b").mkdir()
    (tmp_path / "self").mkdir()
    lines = [f"1 1 7:0 / {os.path.realpath(run)}/disks/{name} rw - ext4 /dev/loop0 rw" for name in ("a", "b")]
    (tmp_path / "self/mountinfo").write_text("\n".join(lines) + "\n")
    kernel = FakeKernel()
    places = Rooms(tmp_path, run, kernel, proc=str(tmp_path))
    places.sweep(["a"])
    assert [call[1] for call in kernel.named("umount")] == [f"{run}/disks/b"]
    places.release("a", tmp_path / "absent")
    places.release("a", tmp_path / "absent")
    assert [call[1] for call in kernel.named("umount")] == [f"{run}/disks/b", f"{run}/disks/a"]
    assert not (run / "disks/a").exists()
