from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots import init_layer
from carrack.storage.snapshots.skeleton import PLAIN

pytestmark = pytest.mark.root  # what it makes belongs to root


def build(tmp_path: Path) -> list[str]:
    view = os.open(tmp_path / "image", os.O_RDONLY)
    (tmp_path / "init").mkdir()
    try:
        init_layer.build(tmp_path / "init", view, PLAIN, LINUX)
    finally:
        os.close(view)
    return sorted(str(path.relative_to(tmp_path / "init")) for path in (tmp_path / "init").rglob("*"))


def test_an_empty_image_gets_everything(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    assert build(tmp_path) == [
        *(".dockerenv", "dev", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab"),
        *("etc/resolv.conf", "proc", "sys"),
    ]
    assert stat.S_IMODE((tmp_path / "init/.dockerenv").stat().st_mode) == 0o755


def test_what_is_there_is_left_alone_and_parents_are_copied(tmp_path: Path) -> None:
    image = tmp_path / "image"
    for name in ("dev/pts", "dev/shm", "proc", "sys", "etc"):
        (image / name).mkdir(parents=True)
    for name in ("etc/hosts", "etc/hostname", ".dockerenv"):
        (image / name).touch()
    os.symlink("anything", image / "etc/mtab")
    os.symlink("/run/resolv.conf", image / "etc/resolv.conf")
    os.chmod(image / "etc", 0o2750)
    os.chown(image / "etc", 7, 8)
    assert build(tmp_path) == ["etc", "etc/resolv.conf"]
    status = (tmp_path / "init/etc").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o2750, 7, 8)
    assert not (tmp_path / "init/etc/resolv.conf").is_symlink()


def test_files_in_the_way_are_covered(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    (image / "dev").touch()
    (image / "etc").mkdir()
    (image / "etc/hosts").mkdir()
    made = build(tmp_path)
    assert {"dev", "dev/pts", "dev/shm", "etc/hosts"} <= set(made)
    assert (tmp_path / "init/etc/hosts").is_file()
