"""A part of a detached mount on the real kernel: as it is cloned since Linux 6.15, and by way of a place before."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.fakes.sandbox import run_apart

from carrack.engine.volumes.specs import part_of_view
from carrack.linux.mount import AT_FDCWD, MS_PRIVATE, MS_REC, read_mountinfo
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX, Linux

pytestmark = pytest.mark.root


class Older(Linux):
    """A kernel that clones nothing of what is attached nowhere."""

    attached = False

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        if not self.attached:
            raise OSError(errno.EINVAL, "open_tree: Invalid argument")
        return super().open_tree(dirfd, path, flags)

    def move_mount(self, from_fd: int, to_fd: int, to_path: str = "") -> None:
        super().move_mount(from_fd, to_fd, to_path)
        self.attached = True


@pytest.mark.parametrize("kernel", [LINUX, Older()])
def test_a_part_outlives_the_place(tmp_path: Path, kernel: Linux) -> None:
    if kernel is LINUX and tuple(map(int, os.uname().release.split(".")[:2])) < (6, 15):
        pytest.skip("this kernel clones nothing of a detached mount")

    def work() -> None:
        LINUX.mount(None, "/", None, MS_PRIVATE | MS_REC)
        view = LINUX.new_mount("tmpfs", [("source", "view")])
        for path in ("a", "a/b"):
            os.mkdir(path, dir_fd=view)
        before = len(read_mountinfo(Path("/proc/self/mountinfo").read_text()))
        with ExitStack() as held:
            part = part_of_view(view, "a", "image", str(tmp_path / "place"), held, kernel)
            os.close(view)
            assert len(read_mountinfo(Path("/proc/self/mountinfo").read_text())) == before
            (tmp_path / "target").mkdir()
            LINUX.move_mount(part, AT_FDCWD, str(tmp_path / "target"))
            assert os.listdir(tmp_path / "target") == ["b"]
        LINUX.umount(str(tmp_path / "target"))

    run_apart(work, CLONE_NEWNS)
