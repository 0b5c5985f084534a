"""What every tree does."""

import hashlib

import pytest
from tests.unit.storage.trees.conftest import Make

from carrack.storage.tarheader import DIRECTORY, REGULAR, SYMLINK
from carrack.storage.trees.base import follow, walk

FILES = {
    "a": None,
    "a/b": "text",
    "a/c/d": "x" * 600_000,
    "link": b"a",
    "abs": b"/a/c",
    "loop": b"loop",
    "up": b"../../a",
}


def test_find_names_data_digest(make: Make) -> None:
    tree = make(FILES)
    entry = tree.find(b"a/b")
    assert entry is not None
    assert (entry.path, entry.kind, entry.size, entry.mode) == (b"a/b", REGULAR, 4, 0o644)
    assert b"".join(bytes(piece) for piece in tree.data(entry)) == b"text"
    assert tree.digest(entry) == hashlib.sha256(b"text").digest()
    assert tree.names(b"a") == [b"b", b"c"]
    assert tree.names(b"a/b") == tree.names(b"none") == []
    root = tree.find(b"")
    assert root is not None
    assert root.kind == DIRECTORY
    big = tree.find(b"a/c/d")
    assert big is not None
    assert sum(len(piece) for piece in tree.data(big)) == 600_000


def test_links_are_not_followed(make: Make) -> None:
    tree = make(FILES)
    link = tree.find(b"link")
    assert link is not None
    assert (link.kind, link.link) == (SYMLINK, b"a")
    assert tree.find(b"link/b") is None
    assert tree.names(b"link") == []


def test_follow(make: Make) -> None:
    tree = make(FILES)
    assert follow(tree, b"link/b") == b"a/b"
    assert follow(tree, b"abs/d") == b"a/c/d"
    assert follow(tree, b"up/b") == b"a/b"
    assert follow(tree, b"a/../link/none/x") == b"a/none/x"
    with pytest.raises(OSError, match="symbolic links"):
        follow(tree, b"loop/x")


def test_walk(make: Make) -> None:
    assert [entry.path for entry in walk(make(FILES), b"a")] == [b"a/b", b"a/c", b"a/c/d"]
