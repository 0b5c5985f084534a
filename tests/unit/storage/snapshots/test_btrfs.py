"""What makes it a driver of its own; that it keeps the contract is in tests/root/test_snapshots.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.suites.disks import btrfs_disk
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import mounted, store
from tests.suites.tarballs import file

from carrack.errors import InvalidArgument, NotSupported
from carrack.linux import btrfs
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.btrfs import BtrfsSnapshotter, remove_volume, volume_directories

SIZE = 12 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with private_mounts(), btrfs_disk(tmp_path) as path:
        yield path


def open_driver(disk: Path) -> BtrfsSnapshotter:
    return BtrfsSnapshotter(volume_directories(disk / "root", "btrfs", LINUX), LINUX)


def fill(path: Path) -> None:
    """Write, to the disk, until it is enough."""
    with path.open("wb", buffering=0) as file:
        for count in range(4 * SIZE >> 16):
            file.write(os.urandom(1 << 16))
            if count % 16 == 0:
                os.fsync(file)


def test_elsewhere_it_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="not on btrfs"):
        volume_directories(tmp_path / "deep/root", "btrfs", LINUX)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
def test_chains_and_containers_are_subvolumes_that_share_their_data(disk: Path) -> None:
    driver = open_driver(disk)
    layer = store(driver, file(b"big", os.urandom(4 << 20)))
    free = os.statvfs(disk).f_bfree
    for index in range(20):
        driver.prepare(f"key{index}", [layer])
    os.sync()
    used = (free - os.statvfs(disk).f_bfree) * os.statvfs(disk).f_frsize
    assert used < 12 << 20  # one chain, and hardly more for twenty containers
    made = list((disk / "root/btrfs").glob("c*/*/fs"))
    assert len(made) == 21
    assert all(btrfs.is_subvolume(path) for path in made)
    for index in range(20):
        driver.remove(f"key{index}")
    driver.remove_layer(layer)
    assert list((disk / "root/btrfs").glob("*/*")) == []


@pytest.mark.root
def test_the_limit_is_of_what_the_container_writes(disk: Path) -> None:
    driver = open_driver(disk)
    layer = store(driver, file(b"base", os.urandom(SIZE)))
    driver.prepare("key", [layer], SIZE)
    with mounted(driver.mount("key")) as root:
        with pytest.raises(OSError, match="quota"):
            fill(root / "more")
        assert SIZE // 2 < (root / "more").stat().st_size <= SIZE
    driver.remove("key")
    for size in (1024, 1 << 50):
        with pytest.raises(InvalidArgument, match="storage-opt size"):
            driver.prepare("key", [layer], size)


@pytest.mark.root
def test_subvolumes_that_a_container_made_go_with_it(disk: Path) -> None:
    driver = open_driver(disk)
    driver.prepare("key", [store(driver, file(b"f"))])
    with mounted(driver.mount("key")) as root:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        btrfs.create_subvolume(fd, "inner")
        os.close(fd)
        (root / "inner/f").touch()
    driver.remove("key")
    assert driver.keys() == []
    assert list((disk / "root/btrfs/ingest").iterdir()) == []


def test_a_plain_directory_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "x/fs/deep").mkdir(parents=True)
    remove_volume(tmp_path / "x")
    remove_volume(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []
