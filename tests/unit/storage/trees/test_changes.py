"""Differences of trees as layers."""

import io
import os
import tarfile
from pathlib import Path

from carrack.linux.syscalls import LINUX
from carrack.storage.trees.changes import first_change, write_changes
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


def test_the_first_change_and_how(tmp_path: Path) -> None:
    files = {"a/b/c": "1", "a/d": "1", "z": "1"}
    old, new = fill(tmp_path / "old", files), fill(tmp_path / "new", files)
    place = tmp_path / "new"
    assert first_change(old, new) is None
    os.utime(place / "z")
    assert first_change(old, new) is None  # times do not count

    def now() -> tuple[bytes, str] | None:
        fresh = FolderTree(LINUX, os.open(place, os.O_PATH))
        try:
            return first_change(old, fresh)
        finally:
            fresh.close()

    (place / "z").unlink()
    assert now() == (b"z", "is gone")
    (place / "n").symlink_to("x")
    assert now() == (b"n", "is new")
    (tmp_path / "old" / "n").symlink_to("y")
    assert now() == (b"n", "leads elsewhere")
    (place / "a" / "d").chmod(0o600)
    assert now() == (b"n", "leads elsewhere")  # a folder's own names come before what is in the folders below
    (place / "a").chmod(0o700)
    assert now() == (b"a", "had the mode 755, has 700")
    (place / "a").chmod(0o755)
    (place / "n").unlink()
    (tmp_path / "old" / "n").unlink()
    (place / "z").write_text("1")
    assert now() == (b"a/d", "had the mode 644, has 600")
    (place / "a" / "b" / "c").write_text("2")
    (place / "a" / "d").chmod(0o644)
    assert now() == (b"a/b/c", "has other contents")
    (place / "a" / "b" / "c").unlink()
    (place / "a" / "b" / "c").mkdir()
    assert now() == (b"a/b/c", "is of another kind")
    old.close()
    new.close()
