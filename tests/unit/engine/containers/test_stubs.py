"""Mount points that leave no trace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from carrack.engine.containers import stubs


class Folder:
    """Plays a snapshotter whose view and mount are one folder."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def view(self, layers: Sequence[str]) -> int:
        return os.open(self._top, os.O_PATH | os.O_DIRECTORY)

    def mount(self, key: str) -> int:
        return os.open(self._top, os.O_PATH | os.O_DIRECTORY)


def missing(top: Path, *targets: str) -> list[str]:
    return stubs.missing(Folder(top), (), targets)  # type: ignore[arg-type]


def test_missing_ones_and_their_parents_deepest_first(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("/a")
    assert missing(tmp_path, "/a/b/c", "/a", "/link/d", "/x/../y/") == ["a/b/c", "a/b", "a/d", "y"]
    assert missing(tmp_path) == []


def test_only_what_nobody_used_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").write_text("x")
    (tmp_path / "empty").write_text("")
    (tmp_path / "full").write_text("x")
    (tmp_path / "out").symlink_to("..")
    made = ["a/b", "out/other", "a", "used", "empty", "full", "gone"]
    (tmp_path.parent / "other").mkdir(exist_ok=True)
    stubs.remove(Folder(tmp_path), "key", made)  # type: ignore[arg-type]
    assert sorted(os.listdir(tmp_path)) == ["full", "out", "used"]
    assert (tmp_path.parent / "other").exists()
