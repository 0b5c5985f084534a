from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.storage.durable import sync_directory, sync_tree, write_all, write_file


def test_a_new_file_is_whole_private_and_never_an_old_one(tmp_path: Path) -> None:
    write_file(tmp_path / "f", b"data" * 1000)
    sync_directory(tmp_path)
    assert (tmp_path / "f").read_bytes() == b"data" * 1000
    assert (tmp_path / "f").stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "f", b"other")
    with pytest.raises(NotADirectoryError):
        sync_directory(tmp_path / "f")


def test_write_all_of_any_buffer(tmp_path: Path) -> None:
    with open(tmp_path / "f", "wb", buffering=0) as file:
        write_all(file.fileno(), memoryview(b"abc")[1:])
        write_all(file.fileno(), b"")
    assert (tmp_path / "f").read_bytes() == b"bc"


def test_a_tree_with_links_to_nowhere_and_pipes(tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/f").touch()
    os.symlink("/nowhere", tmp_path / "d/l")
    os.mkfifo(tmp_path / "d/p")
    sync_tree(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "absent")
