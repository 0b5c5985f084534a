"""Filling a new volume from the image: only when it is empty, only directories, never out of the root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeSnapshotter, point

from carrack.engine.volumes import copyup


class Counting(FakeSnapshotter):
    mounted = 0

    def mount(self, key: str, owners: object = None, label: str = "") -> int:
        self.mounted += 1
        return super().mount(key, owners)


@pytest.fixture
def world(tmp_path: Path) -> tuple[Any, Path, Path]:
    snapshotter = Counting(tmp_path / "snapshots")
    snapshotter.prepare("c", ())
    (tmp_path / "volume").mkdir()
    return snapshotter, snapshotter.upper("c"), tmp_path / "volume"


def test_an_empty_volume_gets_the_images_files(world: tuple[Any, Path, Path]) -> None:
    snapshotter, root, volume = world
    (root / "data/sub").mkdir(parents=True)
    (root / "data/sub/file").write_text("x")
    (root / "data").chmod(0o750)
    before = set(os.listdir("/proc/self/fd"))
    copyup.fill(snapshotter, "c", [point("/data", Source=str(volume))])
    assert (volume / "sub/file").read_text() == "x"
    assert volume.stat().st_mode & 0o777 == 0o750
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_volume_with_something_in_it_stays_and_nothing_is_mounted(world: tuple[Any, Path, Path]) -> None:
    snapshotter, root, volume = world
    (root / "data").mkdir()
    (root / "data/new").touch()
    (volume / "old").touch()
    copyup.fill(snapshotter, "c", [point("/data", Source=str(volume))])
    assert os.listdir(volume) == ["old"]
    assert snapshotter.mounted == 0


@pytest.mark.parametrize("kind", ["nothing", "file", "link to a file"])
def test_what_is_no_directory_fills_nothing(world: tuple[Any, Path, Path], kind: str) -> None:
    snapshotter, root, volume = world
    if kind == "file":
        (root / "data").write_text("x")
    elif kind == "link to a file":
        (root / "file").write_text("x")
        (root / "data").symlink_to("/file")
    copyup.fill(snapshotter, "c", [point("/data", Source=str(volume))])
    assert os.listdir(volume) == []


def test_links_lead_nowhere_but_into_the_root(world: tuple[Any, Path, Path], tmp_path: Path) -> None:
    snapshotter, root, volume = world
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").touch()
    (root / "real").mkdir()
    (root / "real/file").touch()
    (root / "data").symlink_to("/real")
    (root / "evil").symlink_to(f"../../../../../..{tmp_path}/outside")
    (tmp_path / "second").mkdir()
    copyup.fill(snapshotter, "c", [point("/data", Source=str(volume)), point("/evil", Source=str(tmp_path / "second"))])
    assert os.listdir(volume) == ["file"]
    assert os.listdir(tmp_path / "second") == []
