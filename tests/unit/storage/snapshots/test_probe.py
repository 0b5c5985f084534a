"""Choosing; that the drivers work is what tests/root/test_snapshots.py shows."""

from __future__ import annotations

import errno
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel
from tests.suites.disks import btrfs_disk
from tests.suites.namespace import private_mounts

from carrack.errors import InvalidArgument, Unavailable
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.drivers import DRIVERS
from carrack.storage.snapshots.probe import choose, layer_store


class Refusing(FakeKernel):
    def __init__(self) -> None:
        super().__init__()
        self.tried: list[str] = []

    def new_mount(self, fstype: str, options: object, attributes: int = 0) -> int:
        self.tried.append(fstype)
        raise OSError(errno.ENODEV, f"mount {fstype}: No such device", fstype)

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        self.tried.append("open_tree")
        raise OSError(errno.EPERM, "open_tree: Operation not permitted", path)

    def fstatfs_magic(self, fd: int) -> int:
        return LINUX.fstatfs_magic(fd)


def test_nothing_is_made_for_an_unknown_driver(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="zfs"):
        choose(tmp_path / "root", tmp_path / "run", LINUX, "zfs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
def test_all_reasons_are_told_when_none_works(tmp_path: Path) -> None:
    kernel = Refusing()
    with pytest.raises(Unavailable) as caught:
        choose(tmp_path / "root", tmp_path / "run", kernel, release="6.12.1")
    for driver in DRIVERS:
        assert f"{driver}: " in str(caught.value)
    assert "CVE-2024-56750" in str(caught.value)
    assert [path for path in (tmp_path / "root").rglob("layer*") if path.is_file()] == []


@pytest.mark.root
@pytest.mark.parametrize("wanted", DRIVERS)
def test_every_driver_can_be_wanted_and_what_has_layers_is_chosen_again(wanted: str, tmp_path: Path) -> None:
    if wanted == "fuse-overlayfs" and not shutil.which(wanted):
        pytest.skip(f"{wanted} is not installed")
    with private_mounts(), btrfs_disk(tmp_path) if wanted == "btrfs" else nullcontext(tmp_path) as disk:
        root, run_root = disk / "root", tmp_path / "run"
        run_root.mkdir()
        driver = choose(root, run_root, LINUX, wanted)
        assert driver.layers() == driver.keys() == []
        writer = driver.layer_writer()
        writer.write(bytes(1024))
        writer.commit("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
        assert choose(root, run_root, LINUX).name == driver.name
        assert layer_store(driver.name, root).layers() == driver.layers()
        driver.sweep([])
        assert choose(root, run_root, Refusing()).name == driver.name  # tried before on this machine
        (run_root / "storage" / "driver").unlink()
        with pytest.raises(Unavailable):
            choose(root, run_root, Refusing())
