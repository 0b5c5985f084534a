"""The content store: whole and verified, or absent."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.errors import Internal, InvalidArgument
from carrack.oci import digest as digests
from carrack.storage.content import ContentStore

HELLO = digests.of(b"hello")


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "data")


def leavings(store: ContentStore) -> list[Path]:
    return list((store.root / "ingest").iterdir())


def test_put_and_read(store: ContentStore) -> None:
    assert store.put(b"hello") == HELLO
    assert store.put(b"hello") == HELLO
    assert store.has(HELLO)
    assert store.size(HELLO) == 5
    assert store.read(HELLO, 5) == b"hello"
    with store.open(HELLO) as file:
        assert file.read() == b"hello"
    assert list(store.digests()) == [HELLO]
    with pytest.raises(InvalidArgument, match="limit of 4"):
        store.read(HELLO, 4)
    store.delete(HELLO)
    store.delete(HELLO)
    assert not store.has(HELLO)
    with pytest.raises(FileNotFoundError):
        store.open(HELLO)
    assert leavings(store) == []


@pytest.mark.parametrize(
    ("digest", "size", "reason"),
    [(digests.of(b"other"), None, "expected sha256"), (HELLO, 4, "has 5 bytes, expected 4")],
)
def test_mismatch_leaves_nothing(store: ContentStore, digest: str, size: int | None, reason: str) -> None:
    with store.ingest() as ingest:
        ingest.write(b"hel")
        ingest.write(memoryview(b"lo"))
        with pytest.raises(InvalidArgument, match=reason):
            ingest.commit(digest, size)
    assert leavings(store) == []
    assert list(store.digests()) == []


def test_finish_then_commit(store: ContentStore) -> None:
    with store.ingest() as ingest:
        ingest.write(b"hello")
        blob = ingest.finish()
        assert (blob.digest, blob.size) == (HELLO, 5)
        assert ingest.path.read_bytes() == b"hello"
        assert not store.has(HELLO)
        assert ingest.commit(HELLO, 5) == blob
    assert store.has(HELLO)


def test_two_ingests_of_one_blob(store: ContentStore) -> None:
    with store.ingest() as first, store.ingest() as second:
        for ingest in (first, second):
            ingest.write(b"hello")
        first.commit()
        second.commit()
    assert store.read(HELLO, 9) == b"hello"
    assert leavings(store) == []


def test_damage_is_noticed(store: ContentStore) -> None:
    store.put(b"hello")
    store.path(HELLO).write_bytes(b"jello")
    with pytest.raises(Internal, match="damaged"):
        store.read(HELLO, 9)


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "", "sha512:" + "0" * 128, "sha256:" + "A" * 64])
def test_no_name_but_a_digest(store: ContentStore, digest: str) -> None:
    with pytest.raises(InvalidArgument):
        store.path(digest)


def test_sweep(store: ContentStore) -> None:
    unfinished = store.ingest()
    unfinished.write(b"x")
    assert store.sweep(3600) == 0
    assert store.sweep() == 1
    assert leavings(store) == []
    unfinished.discard()


def test_what_is_finished_meanwhile_stops_no_sweep(store: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = [store.ingest(), store.ingest()]
    scandir = os.scandir

    @contextlib.contextmanager
    def late(path: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(path) as entries:
            found = list(entries)
        os.unlink(found[0].path)
        yield found

    monkeypatch.setattr(os, "scandir", late)
    assert store.sweep() == 1
    monkeypatch.undo()
    for each in unfinished:
        each.discard()


def test_room_in_front_is_there_until_it_is_published(store: ContentStore) -> None:
    data = b"hello" * 4_000_000
    with store.ingest(4096) as ingest:
        ingest.write(data[:7])
        ingest.write(data[7:])
        assert ingest.finish().size == len(data)
        assert ingest.path.read_bytes() == bytes(4096) + data
        with ingest.open() as file:
            assert file.read() == data
        blob = ingest.commit(digests.of(data), len(data))
    assert store.read(blob.digest, len(data)) == data
    assert leavings(store) == []
