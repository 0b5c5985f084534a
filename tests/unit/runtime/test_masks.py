from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.rooted import RootedKernel

from carrack.linux import mount as words
from carrack.runtime import masks


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root/folder").mkdir(parents=True)
    (tmp_path / "root/file").touch()
    (tmp_path / "root/dev").mkdir()
    (tmp_path / "root/dev/null").symlink_to("/file")
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def test_files_are_covered_by_the_host_s_null_device_and_directories_by_nothing(tmp_path: Path, root: int) -> None:
    kernel = RootedKernel(tmp_path)
    masks.mask(kernel, root, ["/file", "/folder", "/missing", "/file/below"])
    assert [call[1] for call in kernel.named("move_mount")] == [f"{tmp_path}/root/file", f"{tmp_path}/root/folder"]
    assert kernel.named("open_tree") == [("open_tree", "", words.OPEN_TREE_CLONE)]
    attributes = words.MOUNT_ATTR_RDONLY | words.MOUNT_ATTR_NOSUID | words.MOUNT_ATTR_NOEXEC
    assert kernel.named("mount_setattr") == [("mount_setattr", attributes, 0, 0, False)]
    assert kernel.named("new_mount")[0][1] == "tmpfs"
    assert kernel.named("new_mount")[0][3] == words.MOUNT_ATTR_RDONLY


def test_read_only_paths_are_clones_that_refuse_writes(tmp_path: Path, root: int) -> None:
    kernel = RootedKernel(tmp_path)
    masks.make_read_only(kernel, root, ["/folder", "/missing"])
    kinds = [call for call in kernel.calls if call[0] in ("open_tree", "mount_setattr", "move_mount")]
    assert kinds == [
        ("open_tree", "", words.OPEN_TREE_CLONE | words.AT_RECURSIVE),
        ("mount_setattr", words.MOUNT_ATTR_RDONLY, 0, 0, True),
        ("move_mount", f"{tmp_path}/root/folder"),
    ]


def test_a_failure_names_the_path(tmp_path: Path, root: int) -> None:
    kernel = RootedKernel(tmp_path)
    kernel.fail("move_mount", 1)
    with pytest.raises(OSError, match="masking") as caught:
        masks.mask(kernel, root, ["/file"])
    assert caught.value.filename == "/file"
    with pytest.raises(OSError, match="making read-only"):
        masks.make_read_only(kernel, root, ["/file"])
