"""A folder of a tree as a tree."""

from __future__ import annotations

import hashlib

from tests.unit.storage.trees.conftest import Make

from carrack.storage.trees.base import walk
from carrack.storage.trees.below import TreeBelow


def test_what_is_below(make: Make) -> None:
    tree = TreeBelow(make({"a": "1", "d/b": "2", "d/e/f": "33"}), b"d")
    assert [entry.path for entry in walk(tree, b"")] == [b"b", b"e", b"e/f"]
    entry = tree.find(b"e/f")
    assert entry is not None
    assert (b"".join(map(bytes, tree.data(entry))), tree.digest(entry)) == (b"33", hashlib.sha256(b"33").digest())
    assert tree.find(b"a") is None
    assert tree.names(b"e") == [b"f"]
    top = tree.find(b"")
    assert top is not None
    assert top.path == b""
    tree.close()
