"""Disks in files, with file systems that the machine's own disk does not have."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from carrack.linux import loop
from carrack.linux.mount import AT_FDCWD, MNT_DETACH
from carrack.linux.syscalls import LINUX


@contextmanager
def btrfs_disk(place: Path, size: int = 256 << 20, *, at: Path | None = None) -> Iterator[Path]:
    """A new btrfs in a file, mounted at that path or in ``place``, a folder for the file; skips where there is none."""
    program = shutil.which("mkfs.btrfs") or shutil.which("mkfs.btrfs", path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip("mkfs.btrfs is not installed")
    mount_point = at or place / "mounted"
    for folder in (place, mount_point):
        folder.mkdir(parents=True, exist_ok=True)
    disk = place / "btrfs.img"
    with disk.open("wb") as file:
        file.truncate(size)
    subprocess.run([program, "-q", disk], check=True, capture_output=True)
    fd = os.open(disk, os.O_RDWR)
    device = loop.attach(fd)
    try:
        mounted = LINUX.new_mount("btrfs", [("source", device.path)])
    except OSError as failure:
        pytest.skip(f"this kernel mounts no btrfs: {failure}")
    finally:
        os.close(fd)
        os.close(device.fd)
    LINUX.move_mount(mounted, AT_FDCWD, str(mount_point))
    os.close(mounted)
    try:
        yield mount_point
    finally:
        LINUX.umount(str(mount_point), MNT_DETACH)


@contextmanager
def overlay_disk(place: Path, *, at: Path | None = None) -> Iterator[Path]:
    """A new overlay, which no other can be written on."""
    mount_point = at or place / "mounted"
    for folder in (place / "lower", place / "upper", place / "work", mount_point):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
    LINUX.mount("overlay", str(mount_point), "overlay", 0, options)
    try:
        yield mount_point
    finally:
        LINUX.umount(str(mount_point), MNT_DETACH)
