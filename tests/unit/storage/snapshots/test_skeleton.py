from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.skeleton import (
    Attributes,
    Skeleton,
    directory_attributes,
    file_mode,
    open_directory,
    parents,
)


def attributes(mode: int, mtime: int) -> Attributes:
    return Attributes(mode, os.geteuid(), os.getegid(), mtime * 10**9, (("user.note", b"x"),))


@pytest.mark.root  # an extended attribute on a directory that its owner may not write
def test_directories_get_their_attributes_after_their_children(tmp_path: Path) -> None:
    skeleton = Skeleton(tmp_path)
    skeleton.add("", attributes(0o711, 1))
    skeleton.add("a", attributes(0o500, 2))
    skeleton.add("a/b", attributes(0o1777, 3))
    skeleton.path("a/b/f").touch()
    assert "a" in skeleton
    assert "a/c" not in skeleton
    skeleton.finish()
    for path, mode, mtime in (("", 0o711, 1), ("a", 0o500, 2), ("a/b", 0o1777, 3)):
        status = (tmp_path / path).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (mode, mtime)
        assert os.getxattr(tmp_path / path, "user.note") == b"x"
    os.chmod(tmp_path / "a", 0o700)


def test_looking_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "f").touch()
    os.symlink("d", tmp_path / "l")
    os.setxattr(tmp_path / "d", "user.note", b"1")
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        found = directory_attributes(root, "d", LINUX)
        assert found
        assert found.xattrs == (("user.note", b"1"),)
        assert directory_attributes(root, "", LINUX)
        for path in ("l", "l/e", "f", "absent", "f/x"):
            assert open_directory(root, path, LINUX) is None
        assert stat.S_ISLNK(file_mode(root, "l", LINUX) or 0)
        assert stat.S_ISREG(file_mode(root, "f", LINUX) or 0)
        assert file_mode(root, "l/e", LINUX) is None
    finally:
        os.close(root)


def test_parents() -> None:
    assert parents("a/b/c") == ["a", "a/b"]
    assert parents("a") == []
