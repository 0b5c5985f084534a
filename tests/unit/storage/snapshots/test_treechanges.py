"""One tree against another; the drivers that have no upper directory show all of it in tests/root/test_snapshots.py."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.treechanges import Origin, collect


def copied(tmp_path: Path) -> tuple[Path, Path, int]:
    """A chain's tree, its copy, and the time when that was whole."""
    chain, tree = tmp_path / "chain", tmp_path / "tree"
    (chain / "d/e").mkdir(parents=True)
    (tmp_path / "init/etc").mkdir(parents=True)
    for name in ("a", "d/b", "d/e/c"):
        (chain / name).write_text(name)
    (tmp_path / "init/etc/hosts").touch()
    shutil.copytree(chain, tree)
    (tree / "etc").mkdir()
    shutil.copy2(tmp_path / "init/etc/hosts", tree / "etc/hosts")
    time.sleep(0.04)
    return chain, tree, time.time_ns() - 20_000_000  # the clock of inodes is behind by up to a tick


def collected(tmp_path: Path, since: int) -> list[str]:
    target = tmp_path / "changes"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    origin = Origin(tmp_path / "chain", tmp_path / "init", since, LINUX)
    try:
        collect(tmp_path / "tree", origin, target, LINUX)
    finally:
        origin.close()
    return sorted(str(path.relative_to(target)) for path in target.rglob("*"))


def test_nothing(tmp_path: Path) -> None:
    _, _, since = copied(tmp_path)
    assert collected(tmp_path, since) == []


def test_a_change_that_hides_its_time_is_seen(tmp_path: Path) -> None:
    _, tree, since = copied(tmp_path)
    before = (tree / "d/b").stat()
    (tree / "d/b").write_text("x/x")
    os.utime(tree / "d/b", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert collected(tmp_path, since) == ["d", "d/b"]
    assert (tmp_path / "changes/d/b").read_text() == "x/x"
    assert (tmp_path / "changes/d").stat().st_mtime_ns == (tree / "d").stat().st_mtime_ns


def test_an_inode_that_was_changed_and_is_what_it_was(tmp_path: Path) -> None:
    chain, tree, _ = copied(tmp_path)
    for top in (chain, tree):
        os.symlink("target", top / "link")
        os.utime(top / "link", (5, 5), follow_symlinks=False)
    since = (tree / "link").lstat().st_ctime_ns - 1  # by the clock of inodes, which is behind by up to a tick
    for name in ("d/b", "etc/hosts", "link"):
        os.link(tree / name, tree / "for a moment", follow_symlinks=False)
        (tree / "for a moment").unlink()
    os.utime(tree, ns=(0, 0))
    assert [name for name in collected(tmp_path, since) if name != "etc"] == []
    os.unlink(tree / "link")
    os.symlink("TARGET", tree / "link")
    os.utime(tree / "link", (5, 5), follow_symlinks=False)
    os.setxattr(tree / "d/b", "user.note", b"x")
    assert collected(tmp_path, since) == ["d", "d/b", "link"]


@pytest.mark.root
def test_removed_names_are_devices_or_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, tree, since = copied(tmp_path)
    (tree / "d/b").unlink()
    (tree / "etc/hosts").unlink()
    shutil.rmtree(tree / "d/e")
    (tree / "d/e").touch()
    assert collected(tmp_path, since) == ["d", "d/b", "d/e", "etc", "etc/hosts"]
    for name in ("d/b", "etc/hosts"):
        found = (tmp_path / "changes" / name).stat()
        assert stat.S_ISCHR(found.st_mode)
        assert found.st_rdev == 0

    def refused(*arguments: Any, **more: Any) -> None:
        raise PermissionError(errno.EPERM, "as overlayfs says it")

    monkeypatch.setattr(os, "mknod", refused)
    assert collected(tmp_path, since) == ["d", "d/.wh.b", "d/e", "etc", "etc/.wh.hosts"]


def test_failures_name_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, tree, since = copied(tmp_path)
    (tree / "d/new").mkdir()

    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "changes").mkdir()
    origin = Origin(tmp_path / "chain", tmp_path / "init", since, LINUX)
    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(OSError, match="d/new"):
        collect(tree, origin, tmp_path / "changes", LINUX)
    origin.close()
