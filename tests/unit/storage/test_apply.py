from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.suites.tarballs import END, Member, build, file, hardlink, honest_archives

from carrack.errors import InvalidArgument
from carrack.storage.apply import Applied, Expected, Spooled, apply, take_over
from carrack.storage.compression import Budget, CompressionError
from carrack.storage.content import ContentStore, Ingest
from carrack.storage.snapshots.base import LayerStore
from carrack.storage.snapshots.erofs import ErofsLayers
from carrack.storage.snapshots.layerdirs import LayerDirectories
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
def test_a_layer_is_stored_under_its_digest(layers: LayerStore, kind: str, blob: bytes) -> None:
    expected = Expected(digest(blob), digest(ARCHIVE), len(blob))
    applied = apply(io.BytesIO(blob), layers, expected=expected)
    assert applied == Applied(digest(ARCHIVE), len(ARCHIVE), digest(blob), len(blob), kind)
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
def test_a_failure_leaves_no_layer(
    layers: LayerStore,
    tmp_path: Path,
    blob: bytes,
    expected: Expected,
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        apply(io.BytesIO(blob), layers, expected=expected, budget=Budget(free=1 << 20, ratio=20))
    assert layers.layers() == []
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


def spooled(content: ContentStore, data: bytes, room: int) -> Ingest:
    spool = content.ingest(room)
    spool.write(data)
    spool.finish()
    return spool


def take(layers: LayerStore, spool: Ingest, diff_id: str) -> Applied | None:
    blob = spool.finish()
    with spool.path.open("r+b", buffering=0) as file:
        return take_over(file.fileno(), layers, Spooled(blob.digest, blob.size, spool.room), Expected(diff_id=diff_id))


@settings(max_examples=15)
@given(honest_archives(), st.binary(max_size=700))
def test_a_file_taken_over_is_what_streaming_makes(members: list[Member], trailing: bytes) -> None:
    archive = build(members) + trailing
    with TemporaryDirectory() as folder:
        streamed, taken = (ErofsLayers(LayerDirectories(Path(folder, name))) for name in ("streamed", "taken"))
        expected = apply(io.BytesIO(archive), streamed)
        with spooled(ContentStore(Path(folder, "content")), archive, taken.room) as spool:
            assert take(taken, spool, digest(archive)) == expected
            assert spool.path.samefile(taken.image(digest(archive)))
        assert taken.image(digest(archive)).read_bytes() == streamed.image(digest(archive)).read_bytes()
        assert taken.directories.notes(digest(archive)) == streamed.directories.notes(digest(archive))


def test_what_cannot_be_taken_over_is_left_alone(tmp_path: Path, content: ContentStore, layers: LayerStore) -> None:
    for kind in ("overlay", "copy"):
        with spooled(content, ARCHIVE, 4096) as spool:
            assert take(layer_store(kind, tmp_path / kind), spool, digest(ARCHIVE)) is None
    with spooled(content, ARCHIVE, 512) as spool:
        assert take(layers, spool, digest(ARCHIVE)) is None
    assert layers.layers() == []


@pytest.mark.parametrize("damaged", [ARCHIVE[:1300], b"no tar" * 999, ARCHIVE[:-1100] + b"x" * 1024])
def test_a_damaged_file_is_not_taken_over(layers: LayerStore, content: ContentStore, damaged: bytes) -> None:
    with spooled(content, damaged, layers.room) as spool:
        for _ in range(2):
            with pytest.raises(TarError):
                take(layers, spool, digest(damaged))
        assert layers.layers() == []
    with spooled(content, ARCHIVE, layers.room) as spool, pytest.raises(InvalidArgument, match="diff id"):
        take(layers, spool, digest(b""))


def test_a_second_attempt_gets_over_the_first(layers: LayerStore, content: ContentStore) -> None:
    with spooled(content, ARCHIVE, layers.room) as spool:
        with spool.path.open("ab") as file:
            file.write(b"half of what the first wrote")
        assert take(layers, spool, digest(ARCHIVE)) is not None
    assert os.listdir(content.root / "ingest") == []
    tar = layers.open_tar(digest(ARCHIVE))
    assert tar is not None
    with tar:
        assert tar.read() == ARCHIVE
