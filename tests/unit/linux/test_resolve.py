"""The ways of resolving a path, on the real kernel: none of them needs privilege."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.linux import resolve as R
from carrack.linux.syscalls import LINUX


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    inside = tmp_path / "root"
    inside.mkdir()
    (tmp_path / "secret").write_text("outside")
    (inside / "secret").write_text("inside")
    (inside / "up").symlink_to("../secret")
    (inside / "absolute").symlink_to("/secret")
    (inside / "magic").symlink_to("/proc/self/cwd")
    fd = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def read(dirfd: int, path: str, resolve: int) -> str:
    fd = LINUX.openat2(dirfd, path, os.O_RDONLY, 0, resolve)
    with os.fdopen(fd) as file:
        return file.read()


@pytest.mark.parametrize("path", ["secret", "up", "absolute", "../../secret", "/secret", "up/../../secret"[:2]])
def test_nothing_leads_out_of_the_root(root: int, path: str) -> None:
    assert read(root, path, R.IN_ROOT) == "inside"


def test_beneath_refuses_instead(root: int) -> None:
    assert read(root, "secret", R.RESOLVE_BENEATH) == "inside"
    for path in ("up", "absolute", "../secret"):
        with pytest.raises(OSError, match=f"openat2: .*fd {root}/{path}"):
            read(root, path, R.RESOLVE_BENEATH)


def test_links_of_both_kinds_can_be_refused(root: int) -> None:
    with pytest.raises(OSError, match="openat2: Too many levels of symbolic links"):
        read(root, "up", R.RESOLVE_NO_SYMLINKS)
    proc = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="Too many levels"):
            LINUX.openat2(proc, "cwd", os.O_PATH, 0, R.RESOLVE_NO_MAGICLINKS)
        with pytest.raises(OSError, match="Invalid cross-device link"):
            LINUX.openat2(proc, "../../tmp", os.O_PATH, 0, R.RESOLVE_NO_XDEV)
    finally:
        os.close(proc)


def test_rename_without_replacing_and_exchange(root: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    fd = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(FileExistsError, match="renameat2: File exists"):
            LINUX.renameat2(fd, "a", fd, "b", R.RENAME_NOREPLACE)
        LINUX.renameat2(fd, "a", fd, "b", R.RENAME_EXCHANGE)
    finally:
        os.close(fd)
    assert (tmp_path / "a").read_text() == "b"
