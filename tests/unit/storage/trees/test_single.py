"""A tree of one file."""

from pathlib import Path

import pytest

from carrack.storage.content import ContentStore
from carrack.storage.tarheader import DIRECTORY, REGULAR, TarEntry
from carrack.storage.trees.single import SingleTree


def test_one_file(tmp_path: Path) -> None:
    spool = ContentStore(tmp_path).ingest()
    spool.write(b"hello")
    spool.finish()
    entry = TarEntry(b"name", REGULAR, 0o600)
    entry.size = 5
    tree = SingleTree(entry, spool, b"digest")
    root = tree.find(b"")
    assert root is not None
    assert root.kind == DIRECTORY
    assert (tree.find(b"name"), tree.find(b"other")) == (entry, None)
    assert (tree.names(b""), tree.names(b"name")) == ([b"name"], [])
    assert (b"".join(bytes(piece) for piece in tree.data(entry)), tree.digest(entry)) == (b"hello", b"digest")
    entry.size = 6
    with pytest.raises(OSError, match="cut short"):
        list(tree.data(entry))
    tree.close()
    tree.close()
    spool.discard()
