"""What is attached for a moment is taken away again; the maps themselves are tried in tests/root/test_idmapped.py."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.errors import NotSupported
from carrack.storage.snapshots.base import Owners
from carrack.storage.snapshots.mappedparts import MappedParts


class Kernel(FakeKernel):
    """Its trees are real descriptors, to be closed."""

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        self._record("open_tree", path)
        return os.open(path, os.O_PATH)


def test_parts_are_attached_for_the_moment_only(tmp_path: Path) -> None:
    kernel = Kernel()
    for name in ("one", "c/upper", "c/work"):
        (tmp_path / name).mkdir(parents=True)
    parts = MappedParts(tmp_path / "run", kernel, by_descriptor=False)
    with parts.of([tmp_path / "one"], tmp_path / "c/upper", tmp_path / "c/work", Owners(5, 6)) as names:
        place = tmp_path / "run/i"
        (folder,) = place.iterdir()
        assert names == [f"{folder}/0", f"{folder}/1/upper", f"{folder}/1/work"]
        assert [call[6] for call in kernel.named("mount_setattr")] == [5, 6]
        assert [call[3] for call in kernel.named("move_mount")] == [f"{folder}/0", f"{folder}/1"]
    assert sorted(str(call[1]) for call in kernel.named("umount")) == [f"{folder}/0", f"{folder}/1"]
    assert list(place.iterdir()) == []


def test_a_file_system_without_maps_leaves_nothing(tmp_path: Path) -> None:
    kernel = Kernel()
    kernel.fail("mount_setattr", errno.EINVAL)
    parts = MappedParts(tmp_path / "run", kernel, by_descriptor=False)
    with (
        pytest.raises(NotSupported, match="cannot be mapped"),
        parts.of([tmp_path], tmp_path / "upper", tmp_path / "work", Owners(5, 6)),
    ):
        pass
    assert not (tmp_path / "run").exists()


def test_a_sweep_removes_nothing_but_empty_directories(tmp_path: Path) -> None:
    kernel = Kernel()
    parts = MappedParts(tmp_path, kernel, by_descriptor=True)
    parts.sweep()
    (tmp_path / "i/aa/0").mkdir(parents=True)
    (tmp_path / "i/bb/0").mkdir(parents=True)
    (tmp_path / "i/bb/0/a file of a layer").touch()
    parts.sweep()
    assert [path.name for path in (tmp_path / "i").iterdir()] == ["bb"]
    assert len(kernel.named("umount")) == 2
    assert (tmp_path / "i/bb/0/a file of a layer").exists()
