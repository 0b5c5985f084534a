"""Trees that lie in directories."""

import os
import socket
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage.trees.folder import FolderTree


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "top").mkdir()
    return tmp_path / "top"


def tree_of(top: Path) -> FolderTree:
    return FolderTree(LINUX, os.open(top, os.O_PATH | os.O_DIRECTORY))


def test_nothing_outside_is_ever_seen(top: Path) -> None:
    (top.parent / "secret").write_text("no")
    (top / "out").symlink_to("..")
    tree = tree_of(top)
    assert tree.find(b"out/secret") is None
    assert tree.find(b"../secret") is None
    assert tree.names(b"out") == []
    tree.close()


def test_sockets_are_nothing(top: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(top / "s"))
        tree = tree_of(top)
        assert tree.find(b"s") is None
        tree.close()


def test_a_shrunk_file_is_filled_up(top: Path) -> None:
    (top / "f").write_text("abcdef")
    tree = tree_of(top)
    entry = tree.find(b"f")
    assert entry is not None
    (top / "f").write_text("ab")
    assert b"".join(bytes(piece) for piece in tree.data(entry)) == b"ab\0\0\0\0"
    tree.close()


def test_a_digest_is_of_the_file_as_it_is(top: Path) -> None:
    (top / "f").write_text("one")
    tree = tree_of(top)
    entry = tree.find(b"f")
    assert entry is not None
    before = tree.digest(entry)
    (top / "f").write_text("two, longer")
    assert tree.digest(entry) != before
    tree.close()


def test_a_file_that_became_a_pipe_is_not_opened(top: Path) -> None:
    (top / "f").write_text("x")
    tree = tree_of(top)
    entry = tree.find(b"f")
    assert entry is not None
    (top / "f").unlink()
    os.mkfifo(top / "f")
    with pytest.raises(OSError, match="no regular file"):
        list(tree.data(entry))
    tree.close()


def test_attributes(top: Path) -> None:
    (top / "f").write_text("x")
    os.setxattr(top / "f", "user.a", b"1")
    tree = tree_of(top)
    entry = tree.find(b"f")
    assert entry is not None
    assert entry.xattrs == {b"user.a": b"1"}
    tree.close()


def test_names_of_one_file_are_known_as_such(top: Path) -> None:
    for name in ("a", "c"):
        (top / name).write_text("same")
    (top / "b").hardlink_to(top / "a")
    tree = tree_of(top)
    found = [tree.find(name) for name in (b"a", b"b", b"c")]
    offsets = [entry.offset for entry in found if entry is not None]
    assert offsets[0] == offsets[1] > 0
    assert offsets[2] == -1
    tree.close()
