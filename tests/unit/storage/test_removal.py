from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from carrack.storage.removal import empty_directory, remove_tree


def nest(top: Path, depth: int) -> None:
    """Directories nested by descriptor, each with a file."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_deeper_than_the_interpreter_can_recurse(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    try:
        nest(top, 1100)
        (top / ".carrack-removing-0").mkdir()
        (top / ".carrack-removing-0/x").touch()
        remove_tree(top)
        assert os.listdir(tmp_path) == []
    finally:  # pytest's own removal of old directories would fail on what is so deep
        subprocess.run(["rm", "-rf", str(top)], check=True)


def test_links_are_removed_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").touch()
    (tmp_path / "top").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "top/link")
    os.symlink(tmp_path / "outside", tmp_path / "alias")
    remove_tree(tmp_path / "top")
    remove_tree(tmp_path / "alias")
    assert os.listdir(tmp_path) == ["outside"]
    assert os.listdir(tmp_path / "outside") == ["kept"]


def test_files_absent_things_and_directories_that_stay(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    fd = os.open(tmp_path, os.O_RDONLY)
    remove_tree("f", dir_fd=fd)
    remove_tree("absent", dir_fd=fd)
    os.close(fd)
    (tmp_path / "d/e").mkdir(parents=True)
    empty_directory(tmp_path / "d")
    assert os.listdir(tmp_path / "d") == []
    os.symlink("d", tmp_path / "l")
    with pytest.raises(OSError, match="l"):
        empty_directory(tmp_path / "l")
