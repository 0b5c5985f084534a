"""A layer from a registry: kept as it comes, gone on with, and nothing left of what is wrong."""

import errno
import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.suites.tarballs import END, file

import carrack.storage.receive as receiving
from carrack.errors import Conflict, InvalidArgument, Unavailable
from carrack.storage.apply import Expected
from carrack.storage.compression import CompressionError
from carrack.storage.content import ContentStore
from carrack.storage.partial import Partial, present
from carrack.storage.receive import receive
from carrack.storage.snapshots.base import LayerStore
from carrack.storage.snapshots.probe import layer_store

ARCHIVE = file(b"a", b"x" * 300_000) + file(b"b") + END


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


BLOB = gzip.compress(ARCHIVE)
WHOLE = Expected(digest(BLOB), digest(ARCHIVE), len(BLOB))


@pytest.fixture
def layers(tmp_path: Path) -> LayerStore:
    return layer_store("erofs", tmp_path / "root")


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content")


def begun(content: ContentStore, blob: str, data: bytes) -> None:
    with content.partial(blob) as partial:
        partial.write(data)


# As estargz and zstd:chunked are: a member or frame for each file, and what only their own readers look for.
MEMBERS = b"".join(gzip.compress(ARCHIVE[at : at + 70_000]) for at in range(0, len(ARCHIVE), 70_000)) + gzip.compress(
    b""
)
SKIPPED = b"\x5e\x2a\x4d\x18" + (40).to_bytes(4, "little") + bytes(40)
FRAMES = zstandard.compress(ARCHIVE[:99_999]) + zstandard.compress(ARCHIVE[99_999:]) + SKIPPED


@pytest.mark.parametrize("blob", [gzip.compress(ARCHIVE), zstandard.compress(ARCHIVE), MEMBERS, FRAMES])
def test_layer_and_blob_are_stored(layers: LayerStore, content: ContentStore, blob: bytes) -> None:
    expected = Expected(digest(blob), digest(ARCHIVE), len(blob))
    applied = receive(io.BytesIO(blob), layers, content, expected)
    assert (applied.diff_id, applied.blob_digest) == (digest(ARCHIVE), digest(blob))
    assert content.read(digest(blob), 1 << 20) == blob
    assert layers.layers() == [digest(ARCHIVE)]
    assert present(content.root) == {}


def test_of_a_plain_layer_the_tar_is_kept_once(tmp_path: Path, content: ContentStore) -> None:
    expected = Expected(digest(ARCHIVE), digest(ARCHIVE), len(ARCHIVE))
    receive(io.BytesIO(ARCHIVE), layer_store("erofs", tmp_path / "erofs"), content, expected)
    assert list(content.digests()) == []
    receive(io.BytesIO(ARCHIVE), layer_store("overlay", tmp_path / "overlay"), content, expected)
    assert list(content.digests()) == [digest(ARCHIVE)]
    assert present(content.root) == {}


@pytest.mark.parametrize("kept", [0, 1, 300, len(BLOB)])
def test_a_blob_is_gone_on_with(layers: LayerStore, content: ContentStore, kept: int) -> None:
    begun(content, digest(BLOB), BLOB[:kept])
    receive(io.BytesIO(BLOB[kept:]), layers, content, WHOLE, kept)
    assert content.read(digest(BLOB), 1 << 20) == BLOB
    assert present(content.root) == {}


def test_what_came_early_to_its_end_is_kept(
    layers: LayerStore, content: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "_PATIENCE", 0.1)
    with pytest.raises(Unavailable, match=f"only 100 of {len(BLOB)} bytes"):
        receive(io.BytesIO(BLOB[:100]), layers, content, WHOLE)
    assert layers.layers() == []
    assert present(content.root)[digest(BLOB)].st_size == 100
    with content.partial(digest(BLOB)), pytest.raises(Conflict):
        receive(io.BytesIO(), layers, content, WHOLE, 100)


def test_more_than_was_counted_is_cut_and_less_is_refused(layers: LayerStore, content: ContentStore) -> None:
    begun(content, digest(BLOB), BLOB[:300])
    with pytest.raises(Conflict, match="is gone"):
        receive(io.BytesIO(), layers, content, WHOLE, 301)
    receive(io.BytesIO(BLOB[200:]), layers, content, WHOLE, 200)
    assert content.read(digest(BLOB), 1 << 20) == BLOB


@pytest.mark.parametrize(
    ("data", "expected", "error"),
    [
        (BLOB[:-1] + b"x", WHOLE, CompressionError),
        (ARCHIVE[: len(BLOB)], WHOLE, InvalidArgument),
        (BLOB + b"\0", WHOLE, InvalidArgument),
        (BLOB, Expected(digest(BLOB), digest(b"other"), len(BLOB)), InvalidArgument),
        (b"<html>" * 200, Expected(digest(b"<html>" * 200), None, 1200), InvalidArgument),
    ],
)
def test_wrong_bytes_are_not_kept(
    layers: LayerStore, content: ContentStore, tmp_path: Path, data: bytes, expected: Expected, error: type[Exception]
) -> None:
    with pytest.raises(error):
        receive(io.BytesIO(data), layers, content, expected)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_full_disk_is_not_kept_full(
    layers: LayerStore, content: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(content, digest(BLOB), BLOB[:300])

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr(Partial, "write", full)
    with pytest.raises(OSError, match="No space left"):
        receive(io.BytesIO(BLOB[300:]), layers, content, WHOLE, 300)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_broken_source_leaves_what_had_come(layers: LayerStore, content: ContentStore) -> None:
    class Broken(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            count = super().readinto(memoryview(buffer)[:100])
            if not count:
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            return count

    with pytest.raises(ConnectionResetError):
        receive(Broken(BLOB[:200]), layers, content, WHOLE)
    assert present(content.root)[digest(BLOB)].st_size == 200
