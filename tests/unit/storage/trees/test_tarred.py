"""Trees that came as tars."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from tests.suites.tarballs import END, file, pax
from tests.unit.storage.trees.conftest import archive, tarred

from carrack.storage.content import ContentStore
from carrack.storage.tarheader import DIRECTORY, REGULAR, TarError
from carrack.storage.trees.base import walk
from carrack.storage.trees.tarred import in_memory, receive


def test_the_last_of_a_name_wins(tmp_path: Path) -> None:
    data = archive({"a/b": "1"})[:1024] + archive({"a/b": "22", "a/c": "3"})
    tree = tarred(tmp_path, data)
    entry = tree.find(b"a/b")
    assert entry is not None
    assert entry.size == 2
    assert tree.names(b"a") == [b"b", b"c"]
    tree.close()


def test_a_file_takes_a_folders_place(tmp_path: Path) -> None:
    tree = tarred(tmp_path, archive({"a/b/c": "1"})[:1024] + archive({"a": "file"}))
    assert tree.find(b"a/b/c") is None
    entry = tree.find(b"a")
    assert entry is not None
    assert entry.kind == REGULAR
    tree.close()


def test_parents_that_are_not_mentioned(tmp_path: Path) -> None:
    tree = tarred(tmp_path, archive({"./x/y/z": "1"}))
    entry = tree.find(b"x/y")
    assert entry is not None
    assert (entry.kind, entry.mode, entry.uid) == (DIRECTORY, 0o755, 0)
    tree.close()


def test_hard_links_become_files(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("a")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("b")
        link.type, link.linkname = tarfile.LNKTYPE, "a"
        tar.addfile(link)
    tree = tarred(tmp_path, out.getvalue())
    entry = tree.find(b"b")
    assert entry is not None
    assert b"".join(bytes(piece) for piece in tree.data(entry)) == b"abc"
    first = tree.find(b"a")
    assert first is not None
    assert tree.digest(entry) == tree.digest(first)
    tree.close()


@pytest.mark.parametrize("data", [b"x" * 1024, archive({"a": "text"})[:600], archive({"../a": "x"})])
def test_a_bad_archive_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    store = ContentStore(tmp_path)
    with pytest.raises(TarError):
        receive(io.BytesIO(data), store.ingest())
    assert list((tmp_path / "ingest").iterdir()) == []


def test_a_bad_archive_is_nowhere_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(TarError):
        tarred(tmp_path, archive({"a": "1"})[:700])
    assert set(os.listdir("/proc/self/fd")) == before


def test_closing_removes_the_spool(tmp_path: Path) -> None:
    tree = tarred(tmp_path, archive({"a": "text"}))
    tree.close()
    tree.close()
    assert list((tmp_path / "content" / "ingest").iterdir()) == []


def test_folders_nested_as_deep_as_a_name_can_say(tmp_path: Path) -> None:
    deep = b"/".join([b"a"] * 2000)
    tree = tarred(tmp_path, pax({b"path": deep + b"/f"}) + file(b"f", b"1") + file(b"a") + END)
    assert tree.find(deep) is None
    assert tree.names(b"") == [b"a"]
    tree.close()
    tree = tarred(tmp_path, file(b"b") + file(b"c") + file(b"a") + pax({b"path": deep}) + file(b"f") + END)
    found = tree.find(deep)
    assert found is not None
    assert found.kind == REGULAR
    assert tree.names(b"") == [b"a", b"b", b"c"]
    tree.close()


def test_in_memory_it_is_the_same(tmp_path: Path) -> None:
    data = archive({"a/b": "1", "a/c": "22" * 3000, "d": None, "e": b"a/b"})
    one, other = tarred(tmp_path, data), in_memory(data)
    entries = list(walk(one, b""))
    assert [repr(entry) for entry in entries] == [repr(entry) for entry in walk(other, b"")]
    for entry in entries:
        if entry.kind == REGULAR:
            assert one.digest(entry) == other.digest(entry)
            assert b"".join(map(bytes, one.data(entry))) == b"".join(map(bytes, other.data(entry)))
    one.close()
    other.close()


@pytest.mark.parametrize("data", [b"x" * 1024, archive({"a": "text"})[:600], archive({"../a": "x"})])
def test_a_bad_archive_in_memory(data: bytes) -> None:
    with pytest.raises(TarError):
        in_memory(data)


def test_the_same_archive_in_memory_is_one_tree_whoever_closes_it() -> None:
    one, other = in_memory(archive({"a": "text"})), in_memory(archive({"a": "text"}))
    assert one is other
    one.close()
    entry = other.find(b"a")
    assert entry is not None
    assert b"".join(map(bytes, other.data(entry))) == b"text"
    assert in_memory(archive({"a": "texts"})) is not one
