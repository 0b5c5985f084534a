"""Bounded snapshots on real file systems: an ext4 image anywhere, a subvolume with a limit on btrfs."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.suites.disks import btrfs_disk

from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlaySnapshotter

pytestmark = pytest.mark.root
SIZE = 12 << 20


@pytest.fixture(params=["image", "subvolume"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A data root, on ext4 (or whatever the machine has) and on btrfs."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    root = tmp_path / "data"
    root.mkdir()
    if request.param == "image":
        yield root
        return
    with btrfs_disk(tmp_path / "disk") as disk:
        yield disk


def snapshotter(data: Path, tmp_path: Path) -> OverlaySnapshotter:
    return OverlaySnapshotter(LayerDirectories(data / "overlay"), tmp_path / "run", LINUX)


def layer(driver: OverlaySnapshotter) -> str:
    """Of one file."""

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"base"))
    diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
    writer = driver.layer_writer()
    writer.write(out.getvalue())
    writer.commit(diff_id)
    return diff_id


def fill(root_fd: int) -> tuple[int, int]:
    """Write until it is full: bytes written, and the error's number."""
    fd = os.open("big", os.O_WRONLY | os.O_CREAT, dir_fd=root_fd)
    written = 0
    try:
        while written < 4 * SIZE:
            written += os.write(fd, b"x" * 65536)
            if written % (1 << 20) == 0:
                os.fsync(fd)
        return written, 0
    except OSError as error:
        return written, error.errno or 0
    finally:
        os.close(fd)


def test_it_is_full_at_its_size_and_goes_with_its_snapshot(data: Path, tmp_path: Path) -> None:
    driver = snapshotter(data, tmp_path)
    driver.prepare("key", [layer(driver)], SIZE)
    root = driver.mount("key")
    written, number = fill(root)
    assert number in (errno.ENOSPC, errno.EDQUOT)
    assert SIZE // 2 < written <= SIZE
    assert os.stat(driver.upper("key") / "big").st_size == written
    os.unlink("big", dir_fd=root)
    os.close(os.open("small", os.O_WRONLY | os.O_CREAT, dir_fd=root))  # there is room again
    os.close(root)
    again = snapshotter(data, tmp_path)  # the next daemon
    root = again.mount("key")
    for name in ("file", "small"):
        os.stat(name, dir_fd=root)
    os.close(root)
    again.remove("key")
    assert again.keys() == []
    assert not list((tmp_path / "run").glob("disks/*"))
    end = time.monotonic() + 10
    while str(data) in "".join(path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")):
        assert time.monotonic() < end, "a loop device is left"
        time.sleep(0.05)


def test_a_mount_that_was_taken_away_is_made_again_on_the_same_device(data: Path, tmp_path: Path) -> None:
    driver = snapshotter(data, tmp_path)
    driver.prepare("key", [layer(driver)], SIZE)
    root = driver.mount("key")
    driver.sweep(())
    fd = os.open("late", os.O_WRONLY | os.O_CREAT, dir_fd=root)
    os.write(fd, b"seen")
    os.close(fd)
    assert (driver.upper("key") / "late").read_text() == "seen"
    os.close(root)
    driver.remove("key")


def test_nothing_is_left_of_one_that_could_not_be_made(data: Path, tmp_path: Path) -> None:
    driver = snapshotter(data, tmp_path)
    base = layer(driver)

    def broken(source: str, target: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    whole = os.symlink
    try:
        os.symlink = broken  # type: ignore[assignment]
        with pytest.raises(OSError, match="no space"):
            driver.prepare("key", [base], SIZE)
    finally:
        os.symlink = whole
    assert driver.keys() == []
    assert os.listdir(data / "overlay/ingest") == []
    driver.prepare("key", [base], SIZE)
    driver.remove("key")
