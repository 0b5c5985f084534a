"""Differences of trees as layers."""

import io
import os
import tarfile
from pathlib import Path

from carrack.linux.syscalls import LINUX
from carrack.storage.trees.changes import write_changes
from carrack.storage.trees.folder import FolderTree


def fill(place: Path, files: dict[str, str]) -> FolderTree:
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    for made in [*place.rglob("*"), place]:
        os.utime(made, (9, 9))
    return FolderTree(LINUX, os.open(place, os.O_PATH))


def changes(tmp_path: Path, old: dict[str, str], new: dict[str, str]) -> dict[str, str | None]:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    below, tree = fill(tmp_path / "old", old), fill(tmp_path / "new", new)
    out = io.BytesIO()
    write_changes(below, tree, out.write)
    below.close()
    tree.close()
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar]
        return {name: file.read().decode() if file else None for name, file in files}


def test_what_is_new_other_and_gone(tmp_path: Path) -> None:
    old = {"same": "1", "d/other": "1", "d/gone": "1", "e/f": "1", "k/f": "1"}
    new = {"same": "1", "d/other": "2", "n/a": "x", "k": "file"}
    found = changes(tmp_path, old, new)
    assert found == {".wh.e": "", "k": "file", "n": None, "d/.wh.gone": "", "d/other": "2", "n/a": "x"}


def test_a_folder_for_a_file(tmp_path: Path) -> None:
    assert changes(tmp_path, {"k": "file"}, {"k/f": "1"}) == {"k": None, "k/f": "1"}


def test_nothing(tmp_path: Path) -> None:
    assert changes(tmp_path, {"a/b": "1"}, {"a/b": "1"}) == {}
