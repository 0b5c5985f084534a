"""A file as a block device, and gone with its last user."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from carrack.linux import loop

pytestmark = pytest.mark.root


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(b"block".ljust(4096, b"\0") * 4)
    return path


def backing(device: loop.Loop) -> str:
    try:
        return Path(f"/sys/block/{os.path.basename(device.path)}/loop/backing_file").read_text().strip()
    except FileNotFoundError:
        return ""


def attach(path: Path, *, read_only: bool) -> loop.Loop:
    if not Path("/dev/loop-control").exists():
        pytest.skip("this kernel has no loop devices")
    fd = os.open(path, os.O_RDONLY if read_only else os.O_RDWR)
    try:
        return loop.attach(fd, read_only=read_only, name="crk-test")
    finally:
        os.close(fd)


def test_bytes_go_both_ways(image: Path) -> None:
    device = attach(image, read_only=False)
    try:
        assert backing(device) == str(image)
        assert os.pread(device.fd, 5, 4096) == b"block"
        os.pwrite(device.fd, b"wrote" + bytes(4091), 4096)
        os.fsync(device.fd)
    finally:
        os.close(device.fd)
    assert image.read_bytes()[4096:4101] == b"wrote"
    deadline = time.monotonic() + 20
    while backing(device) == str(image) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert backing(device) != str(image)


def test_read_only(image: Path) -> None:
    device = attach(image, read_only=True)
    try:
        assert os.pread(device.fd, 5, 0) == b"block"
        with pytest.raises(OSError, match=r"not permitted|denied|Read-only|Bad file descriptor"):
            os.write(device.fd, b"x" * 512)
        assert Path(f"/sys/block/{os.path.basename(device.path)}/ro").read_text() == "1\n"
    finally:
        os.close(device.fd)
