"""How much a tree holds."""

from __future__ import annotations

import os
from pathlib import Path

from carrack.storage.usage import tree_size


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
