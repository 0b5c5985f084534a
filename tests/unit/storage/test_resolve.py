"""Resolving inside a root: links stay in, display paths are computed without opening them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage import resolve


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    top = tmp_path / "root"
    (top / "dir" / "sub").mkdir(parents=True)
    (top / "dir" / "file").write_text("in")
    (tmp_path / "secret").write_text("out")
    (top / "up").symlink_to("../secret")
    (top / "abs").symlink_to("/dir")
    (top / "chain").symlink_to("abs/../abs/file")
    (top / "loop").symlink_to("loop")
    (top / "gone").symlink_to("/dir/../nowhere/x")
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("a", "/a"),
        ("//a/./b", "/a/b"),
        ("/a/", "/a/"),
        ("/a/.", "/a/."),
        (".", "/."),
        ("/", "/"),
        ("/..", "/"),
        ("/a/../b", "/b"),
    ],
)
def test_clean(path: str, cleaned: str) -> None:
    assert resolve.clean(path) == cleaned


@pytest.mark.parametrize(
    ("path", "final"),
    [
        ("/abs/file", "/dir/file"),
        ("/chain", "/dir/file"),
        ("/up", "/secret"),
        ("/gone", "/nowhere/x"),
        ("/../../dir", "/dir"),
        ("/not/there", "/not/there"),
    ],
)
def test_final_path(root: int, path: str, final: str) -> None:
    assert resolve.final_path(LINUX, root, path) == final


def test_final_path_of_a_loop(root: int) -> None:
    with pytest.raises(OSError, match="symbolic links"):
        resolve.final_path(LINUX, root, "/loop")


def test_hold(root: int) -> None:
    for path, is_link in (("/abs", True), ("/abs/", False), ("/dir/file", False), ("/", False), ("/up", True)):
        fd = resolve.hold(LINUX, root, path)
        assert (os.stat(f"/proc/self/fd/{fd}", follow_symlinks=True).st_mode & 0o170000 == 0o120000) == is_link
        os.close(fd)
    for path in ("/absent", "/dir/file/", "/dir/file/x", "/up/"):
        with pytest.raises(OSError, match=r"o such file|ot a directory"):
            resolve.hold(LINUX, root, path)


def test_kernel_file_systems_are_refused() -> None:
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    for path in ("/proc/self/status", "/proc", "/sys/kernel"):
        with pytest.raises(FileNotFoundError):
            resolve.hold(LINUX, fd, path)
    with pytest.raises(FileNotFoundError):
        resolve.open_directory(LINUX, fd, "/proc")
    os.close(fd)


def test_split() -> None:
    assert resolve.split("/a/b") == ("/a", "b")
    assert resolve.split("/a/b/") == ("/a/b/", "")
    assert resolve.split("/a/.") == ("/a/.", "")
    assert resolve.split("/") == ("/", "")
    with pytest.raises(OSError, match="NUL"):
        resolve.split("/a\0b")
