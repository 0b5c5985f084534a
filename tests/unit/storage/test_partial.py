"""Partial blobs: kept between tries, one writer at a time, gone when empty, discarded or made into the blob."""

import os
from pathlib import Path

import pytest

from carrack.errors import Conflict, InvalidArgument
from carrack.oci import digest as digests
from carrack.storage.content import Blob, ContentStore
from carrack.storage.partial import present, received, sweep

HELLO = digests.of(b"hello")


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "data")


def test_the_next_try_goes_on_where_the_last_ended(store: ContentStore) -> None:
    with store.partial(HELLO) as partial:
        assert partial.size == received(store.root, HELLO) == 0
        partial.write(b"hel")
    assert present(store.root)[HELLO].st_size == received(store.root, HELLO) == 3
    with store.partial(HELLO) as partial:
        assert partial.size == 3
        partial.write(memoryview(b"lo"))
        partial.sync()
        buffer = bytearray(9)
        assert partial.read(memoryview(buffer), 1) == 4
        assert buffer[:4] == b"ello"
        store.publish(partial.path, Blob(HELLO, 5))
    assert present(store.root) == {}
    assert store.read(HELLO, 5) == b"hello"


def test_cut(store: ContentStore) -> None:
    with store.partial(HELLO) as partial:
        partial.write(b"hexxx")
        partial.cut(2)
        partial.write(b"llo")
        assert partial.size == 5
        assert partial.path.read_bytes() == b"hello"


def test_one_writer_at_a_time(store: ContentStore) -> None:
    with store.partial(HELLO), pytest.raises(Conflict, match="another process"):
        store.partial(HELLO)
    store.partial(HELLO).close()


def test_nothing_is_left_of_an_empty_or_discarded_one(store: ContentStore) -> None:
    store.partial(HELLO).close()
    with store.partial(HELLO) as partial:
        partial.write(b"wrong")
        partial.discard()
        partial.discard()
    assert present(store.root) == {}


def test_a_full_disk_is_told_with_the_path(store: ContentStore) -> None:
    with store.partial(HELLO) as partial:
        os.close(partial._fd)
        partial._fd = os.open("/dev/full", os.O_RDWR)
        with pytest.raises(OSError, match="No space left") as caught:
            partial.write(b"x")
        assert caught.value.filename == str(partial.path)


def test_only_sha256_has_a_place(store: ContentStore) -> None:
    with pytest.raises(InvalidArgument, match="sha512"):
        store.partial("sha512:" + "0" * 128)


def test_what_nobody_goes_on_with_is_swept(store: ContentStore) -> None:
    """By its age, and not while somebody is at it."""
    old, new, busy = (digests.of(text) for text in (b"old", b"new", b"busy"))
    for digest in (old, new, busy):
        with store.partial(digest) as partial:
            partial.write(b"x")
    for digest in (old, busy):
        os.utime(store.root / "partial" / digests.encoded(digest), (1, 1))
    with store.partial(busy):
        assert sweep(store.root, 3600) == 1
        assert present(store.root).keys() == {new, busy}
        assert sweep(store.root, 0) == 1
    assert present(store.root).keys() == {busy}
