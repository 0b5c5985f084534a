"""Trees that are kept, and those made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from carrack.errors import InvalidArgument
from carrack.storage.tarheader import DIRECTORY, REGULAR, SYMLINK
from carrack.storage.trees.base import walk
from carrack.storage.trees.kept import KeptEntry, KeptTree, TreeMaker


def entry(path: str, kind: bytes = REGULAR, mark: bytes = b"m") -> KeptEntry:
    return KeptEntry(path.encode(), kind, 0o644, mark)


def make(folder: Path, files: Mapping[str, str | None], before: KeptTree | None = None) -> tuple[KeptTree, list[str]]:
    """Text by path; a mark is the text itself. Also which of them had to come."""
    maker, came = TreeMaker(folder, before), []
    for path, text in files.items():
        mark = (text or "-").encode()
        if maker.taken(path.encode(), mark):
            continue
        made = entry(path, DIRECTORY if text is None else REGULAR, mark)
        maker.add(made)
        if text:
            came.append(path)
            maker.fill(made, text.encode())
    return maker.finish(), came


def text(tree: KeptTree, path: bytes) -> str:
    found = tree.find(path)
    assert found is not None
    data = b"".join(bytes(piece) for piece in tree.data(found))
    assert tree.digest(found) == hashlib.sha256(data).digest()
    return data.decode()


def test_only_what_has_changed_comes(tmp_path: Path) -> None:
    one, came = make(tmp_path, {"a": "1", "d": None, "d/b": "2", "d/c": "3", "e": ""})
    assert came == ["a", "d/b", "d/c"]
    two, came = make(tmp_path, {"a": "1", "d": None, "d/b": "two", "d/x": "4"}, one)
    assert came == ["d/b", "d/x"]
    assert [each.path for each in walk(two, b"")] == [b"a", b"d", b"d/b", b"d/x"]
    assert (text(two, b"a"), text(two, b"d/b"), text(two, b"d/x")) == ("1", "two", "4")
    assert (text(one, b"d/b"), text(one, b"d/c"), text(one, b"e")) == ("2", "3", "")
    one.close()
    assert (two.size, two.in_use) == (7, False)
    assert text(two, b"a") == "1"
    same, came = make(tmp_path, {"a": "1", "d": None, "d/b": "two", "d/x": "4"}, two)
    assert (came, len(same.segments)) == ([], 2)
    two.close()
    same.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_mark_is_never_the_same(tmp_path: Path) -> None:
    maker = TreeMaker(tmp_path, None)
    maker.add(entry("a", mark=b""))
    tree = maker.finish()
    maker = TreeMaker(tmp_path, tree)
    assert not maker.taken(b"a", b"")
    maker.discard()
    tree.close()
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_comes_in_pieces(tmp_path: Path) -> None:
    maker = TreeMaker(tmp_path, None)
    made = entry("a")
    maker.add(made)
    maker.begin(made)
    maker.more(b"on")
    maker.more(memoryview(b"e"))
    maker.end()
    tree = maker.finish()
    assert text(tree, b"a") == "one"
    tree.close()


def test_names_of_one_file(tmp_path: Path) -> None:
    maker = TreeMaker(tmp_path, None)
    maker.link(entry("a"), b"b")
    made = entry("b")
    maker.add(made)
    maker.fill(made, b"x")
    tree = maker.finish()
    one, two = tree.find(b"a"), tree.find(b"b")
    assert one is not None
    assert two is not None
    assert one.offset == two.offset > 0
    assert text(tree, b"a") == "x"
    tree.close()


def test_folders_that_are_not_listed(tmp_path: Path) -> None:
    maker = TreeMaker(tmp_path, None)
    maker.add(entry("a/b/c"))
    maker.add(entry("/".join("x" * 2000)))
    tree = maker.finish()
    assert tree.names(b"") == [b"a", b"x"]
    found = tree.find(b"a/b")
    assert found is not None
    assert (found.kind, found.mode, tree.names(b"a/b")) == (DIRECTORY, 0o755, [b"c"])
    tree.close()


@pytest.mark.parametrize(
    "paths",
    [
        ["b", "a"], ["a", "a"], ["../a"], ["/a"], ["a//b"], ["a/./b"], ["a\0b"], [""], ["n" * 256], ["a", "a/b"],
        ["a", "a/b/c"], ["a/b", "a"],
    ],
)  # fmt: skip
def test_paths_that_cannot_be(tmp_path: Path, paths: list[str]) -> None:
    maker = TreeMaker(tmp_path, None)
    for path in paths[:-1]:
        maker.add(entry(path))
    with pytest.raises(InvalidArgument, match="a list of files has"):
        maker.add(entry(paths[-1]))
    maker.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_was_a_folder_takes_nothing_over_through_a_link(tmp_path: Path) -> None:
    before, _ = make(tmp_path, {"d": None, "d/f": "1"})
    maker = TreeMaker(tmp_path, before)
    maker.add(entry("d", SYMLINK))
    with pytest.raises(InvalidArgument, match="in what is no folder"):
        maker.taken(b"d/f", b"1")
    maker.discard()
    before.close()


@pytest.mark.parametrize("target", [b"none", b"d", b"z"])
def test_links_to_what_is_no_file(tmp_path: Path, target: bytes) -> None:
    maker = TreeMaker(tmp_path, None)
    maker.add(entry("d", DIRECTORY))
    maker.link(entry("y"), target)
    maker.link(entry("z"), b"y")
    with pytest.raises(InvalidArgument, match="is a link to"):
        maker.finish()
    maker.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_tree_wears_out(tmp_path: Path) -> None:
    tree, _ = make(tmp_path, {"a": "0"})
    for number in range(1, 70):
        after, _ = make(tmp_path, {"a": str(number)}, tree)
        tree.close()
        tree = after
        assert tree.worn() == (number >= 64)
    tree.close()
    assert list(tmp_path.iterdir()) == []
