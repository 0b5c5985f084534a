"""An image whose /dev (or another mount point) is a symbolic link that leads to the host.

The init layer covers such links by directories of its own, so that nothing made at a mount point lands elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import mounted, store
from tests.suites.tarballs import directory, file, pax, symlink

from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.base import Snapshotter
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.erofs import ErofsSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlaySnapshotter

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _namespace() -> Iterator[None]:
    with private_mounts():
        yield


@pytest.mark.parametrize("driver", ["erofs", "overlay", "copy"])
@pytest.mark.parametrize("prefix", ["", "../" * 20])
@pytest.mark.parametrize("name", ["dev", "proc", "sys", "etc", "dev/pts", "dev/shm", "etc/hosts", "etc/resolv.conf"])
def test_a_mount_point_that_is_a_link_is_covered(driver: str, prefix: str, name: str, tmp_path: Path) -> None:
    outside = tmp_path / "host"
    outside.mkdir()
    (outside / "pts").mkdir()
    (outside / "hosts").write_text("host")
    before = sorted(os.listdir(outside))
    made: dict[str, Callable[[], Snapshotter]] = {
        "erofs": lambda: ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX),
        "overlay": lambda: OverlaySnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX),
        "copy": lambda: CopySnapshotter(LayerDirectories(tmp_path / "root"), LINUX),
    }
    snapshots = made[driver]()
    target = os.fsencode(prefix) + os.fsencode(outside)
    parent = os.fsencode(name).rpartition(b"/")[0]
    layer = store(
        snapshots,
        directory(parent, mode=0o700) if parent else b"",
        pax({b"linkpath": target}) + symlink(os.fsencode(name), b""),
        file(b"kept"),
    )
    snapshots.prepare("key", [layer])
    with mounted(snapshots.mount("key")) as root:
        assert not (root / name).is_symlink()
        assert (root / name).is_file() if name in ("etc/hosts", "etc/resolv.conf") else (root / name).is_dir()
        for folder in ("dev/pts", "dev/shm", "proc", "sys"):
            assert (root / folder).resolve().is_relative_to(root.resolve())
            (root / folder / "probe").touch()
        assert (root / "kept").is_file()
    assert sorted(os.listdir(outside)) == before
    assert (outside / "hosts").read_text() == "host"
