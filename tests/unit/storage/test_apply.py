from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path

import pytest
import zstandard
from tests.suites.tarballs import END, file, hardlink

from carrack.errors import InvalidArgument
from carrack.storage.apply import Applied, Expected, apply
from carrack.storage.compression import Budget, CompressionError
from carrack.storage.content import ContentStore
from carrack.storage.snapshots.base import LayerStore
from carrack.storage.snapshots.probe import layer_store
from carrack.storage.tarheader import TarError

ARCHIVE = file(b"a", b"x" * 3000) + file(b"b") + END + b"trailing"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture
def layers(tmp_path: Path) -> LayerStore:
    """The erofs driver's layers: no privilege needed to write them."""
    return layer_store("erofs", tmp_path / "root")


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content")


@pytest.mark.parametrize(
    ("kind", "blob"),
    [("plain", ARCHIVE), ("gzip", gzip.compress(ARCHIVE)), ("zstd", zstandard.compress(ARCHIVE))],
)
def test_layer_and_blob_are_stored_under_their_digests(
    layers: LayerStore, content: ContentStore, kind: str, blob: bytes
) -> None:
    expected = Expected(digest(blob), digest(ARCHIVE), len(blob))
    applied = apply(io.BytesIO(blob), layers, content=content, expected=expected)
    assert applied == Applied(digest(ARCHIVE), len(ARCHIVE), digest(blob), len(blob), kind)
    assert content.read(applied.blob_digest, 10_000) == blob
    tar = layers.open_tar(applied.diff_id)
    assert tar is not None
    with tar:
        assert tar.read() == ARCHIVE
    assert apply(io.BytesIO(blob), layers) == applied


@pytest.mark.parametrize(
    ("blob", "expected", "error"),
    [
        (ARCHIVE, Expected(digest=digest(b"other")), InvalidArgument),
        (ARCHIVE, Expected(diff_id=digest(b"other")), InvalidArgument),
        (gzip.compress(ARCHIVE), Expected(diff_id=digest(gzip.compress(ARCHIVE))), InvalidArgument),
        (ARCHIVE, Expected(size=len(ARCHIVE) + 1), InvalidArgument),
        (ARCHIVE, Expected(size=len(ARCHIVE) - 1), InvalidArgument),
        (gzip.compress(ARCHIVE)[:-9], Expected(), CompressionError),
        (ARCHIVE[:1000], Expected(), TarError),
        (hardlink(b"h", b"absent") + END, Expected(), TarError),
        (b"<html>" * 200, Expected(), TarError),
        (gzip.compress(bytes(3 << 20)), Expected(), CompressionError),
    ],
)
def test_a_failure_leaves_neither_layer_nor_blob(
    layers: LayerStore,
    content: ContentStore,
    tmp_path: Path,
    blob: bytes,
    expected: Expected,
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        apply(io.BytesIO(blob), layers, content=content, expected=expected, budget=Budget(free=1 << 20, ratio=20))
    assert layers.layers() == []
    assert list(content.digests()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_errors_of_the_source_pass_through_and_leave_nothing(layers: LayerStore, tmp_path: Path) -> None:
    class Broken(io.RawIOBase):
        given = 0

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            piece = ARCHIVE[self.given : self.given + min(len(buffer), 600)]
            if not piece or self.given > 1200:
                raise OSError(104, "Connection reset by peer")
            buffer[: len(piece)] = piece
            self.given += len(piece)
            return len(piece)

    with pytest.raises(ConnectionResetError):
        apply(Broken(), layers)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
