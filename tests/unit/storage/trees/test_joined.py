"""Several trees as one."""

from __future__ import annotations

import hashlib

from tests.unit.storage.trees.conftest import Make

from carrack.storage.tarheader import DIRECTORY, REGULAR
from carrack.storage.trees.base import walk
from carrack.storage.trees.joined import JoinedTree


def texts(tree: JoinedTree) -> dict[bytes, bytes]:
    return {
        entry.path: b"".join(bytes(piece) for piece in tree.data(entry))
        for entry in walk(tree, b"")
        if entry.kind == REGULAR
    }


def test_each_in_its_folder(make: Make) -> None:
    one, other = make({"a": "1", "d/b": "2"}), make({"a": "3"})
    tree = JoinedTree({b"linux_amd64": one, b"linux_arm64": other}, {b"linux_amd64/said.json": b"{}"}, 7)
    assert tree.names(b"") == [b"linux_amd64", b"linux_arm64"]
    assert tree.names(b"linux_amd64") == [b"a", b"d", b"said.json"]
    assert texts(tree) == {
        b"linux_amd64/a": b"1", b"linux_amd64/d/b": b"2", b"linux_amd64/said.json": b"{}", b"linux_arm64/a": b"3",
    }  # fmt: skip
    top = tree.find(b"linux_arm64")
    assert top is not None
    assert (top.kind, top.mtime) == (DIRECTORY, 7)
    assert tree.find(b"linux_s390x/a") is tree.find(b"linux_arm64/none") is None
    entry = tree.find(b"linux_arm64/a")
    said = tree.find(b"linux_amd64/said.json")
    assert entry is not None
    assert said is not None
    assert tree.digest(entry) == hashlib.sha256(b"3").digest()
    assert (tree.digest(said), said.size) == (hashlib.sha256(b"{}").digest(), 2)
    found = [tree.find(path) for path in (b"linux_amd64/a", b"linux_arm64/a")]
    offsets = [each.offset for each in found if each is not None and each.offset > 0]
    assert len(set(offsets)) == len(offsets)  # equal ones would be links of each other


def test_one_at_the_top_with_files_beside_it(make: Make) -> None:
    tree = JoinedTree({b"": make({"a": "1", "d/b": "2"})}, {b"said.json": b"{}", b"a": b"new"}, 7)
    assert texts(tree) == {b"a": b"new", b"d/b": b"2", b"said.json": b"{}"}
    assert tree.names(b"d") == [b"b"]
