"""How much a tree holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.storage.usage import scarce, tree_size


def test_regular_files_hard_links_once_links_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "one").write_bytes(b"x" * 10)
    (tmp_path / "a/b/two").write_bytes(b"x" * 5)
    os.link(tmp_path / "one", tmp_path / "a/again")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    assert tree_size(tmp_path) == 15


def test_what_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert tree_size(tmp_path / "gone") == 0
    assert tree_size(str(tmp_path)) == 0


@pytest.mark.parametrize(
    ("blocks", "free", "inodes", "unused", "expected"),
    [(100, 11, 100, 50, False), (100, 9, 100, 50, True), (100, 50, 100, 9, True), (100, 50, 0, 0, False)],
)
def test_scarce_is_less_than_a_tenth_of_bytes_or_inodes(
    blocks: int, free: int, inodes: int, unused: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = os.statvfs_result((4096, 4096, blocks, free + 5, free, inodes, unused, unused, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: status)
    assert scarce("/") is expected
