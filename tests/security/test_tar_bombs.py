"""Layers that try to exhaust the machine (security.md 2c, "bombs"): stopped by a budget, nothing left."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from tests.suites.namespace import private_mounts
from tests.suites.tarballs import END, file, header, pax, symlink

from carrack.errors import InvalidArgument
from carrack.linux.syscalls import LINUX
from carrack.storage.apply import Expected, apply
from carrack.storage.compression import Budget, CompressionError
from carrack.storage.content import ContentStore
from carrack.storage.receive import receive
from carrack.storage.snapshots.probe import layer_store
from carrack.storage.tar import TarError, TarLimits, TarReader


class Zeros(io.RawIOBase):
    """A gzip member that unpacks to one file of zeros without end, made as it is read."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        self._ready = self._packer.compress(header(b"zeros", b"0", 1 << 60))
        self.given = 0

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._ready:
            self._ready = self._packer.compress(bytes(1 << 20))
        piece, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(piece)] = piece
        self.given += len(piece)
        return len(piece)


def test_a_gzip_bomb_stops_at_the_ratio(tmp_path: Path) -> None:
    source = Zeros()
    with pytest.raises(CompressionError, match="bomb"):
        apply(source, layer_store("erofs", tmp_path), budget=Budget(free=8 << 20))
    assert source.given < 1 << 20
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_zstd_window_of_2_gib_is_refused(tmp_path: Path) -> None:
    # frame header: window descriptor for 2^31 bytes, then one raw block
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(31 - 10) << 3]) + (3 << 3 | 1).to_bytes(3, "little") + b"abc"
    with pytest.raises(CompressionError, match="zstd"):
        apply(io.BytesIO(frame), layer_store("erofs", tmp_path))


def test_ten_million_empty_files_end_at_the_limit() -> None:
    class Endless(io.RawIOBase):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            block = file(b"empty")
            buffer[: len(block)] = block
            return len(block)

    with pytest.raises(TarError, match="more than 5000 members"):
        for _ in TarReader(Endless(), TarLimits(entries=5000)):
            pass


def test_a_claimed_terabyte_costs_nothing_and_is_truncated(tmp_path: Path) -> None:
    with pytest.raises(TarError, match="truncated"):
        apply(io.BytesIO(header(b"big", b"0", 1 << 40)), layer_store("erofs", tmp_path))
    with pytest.raises(TarError, match="size"):
        apply(io.BytesIO(header(b"big", b"0", 1 << 63)), layer_store("erofs", tmp_path))


def test_extension_records_without_end_are_refused() -> None:
    for kind in (b"x", b"g", b"L", b"K"):
        with pytest.raises(TarError, match="limit"):
            list(TarReader(io.BytesIO(header(b"x", kind, 1 << 40) + bytes(4096))))


def test_records_of_one_member_in_many_headers_are_refused() -> None:
    headers = b"".join(pax({b"SCHILY.xattr.user.%d" % number: bytes(60_000)}) for number in range(20))
    with pytest.raises(TarError, match="one member"):
        list(TarReader(io.BytesIO(headers + file(b"a") + END)))


def test_global_records_are_not_looked_at_with_each_member() -> None:
    """A megabyte of them, and two million members: hours."""
    many = {b"%x" % number: b"1" for number in range(50_000)}
    reader = TarReader(io.BytesIO(pax(many, b"g") + file(b"a") + END))
    assert [entry.path for entry in reader] == [b"a"]
    assert not reader._scanner._global
    many = {b"SCHILY.xattr.user.%d" % number: b"1" for number in range(100)}
    with pytest.raises(TarError, match="global"):
        list(TarReader(io.BytesIO(pax(many, b"g") + file(b"a") + END)))


def test_names_and_attributes_that_fill_the_memory_are_refused() -> None:
    limits = TarLimits(kept=100_000, sparse=True)
    attributes = pax({b"SCHILY.xattr.user.a": bytes(60_000)}) + file(b"a")
    links = pax({b"linkpath": b"x" * 4000}) + symlink(b"a", b"x")
    count = 400
    numbers = b"".join(b"%d,1," % (2 * number) for number in range(count))[:-1]
    records = {b"GNU.sparse.map": numbers, b"GNU.sparse.size": b"%d" % (2 * count), b"GNU.sparse.major": b"0"}
    holes = pax(records | {b"GNU.sparse.minor": b"1"}) + file(b"a", bytes(count))
    for member in (attributes, links, holes):
        assert len(list(TarReader(io.BytesIO(member + END), limits))) == 1
        with pytest.raises(TarError, match="of all members"):
            list(TarReader(io.BytesIO(member * 30 + END), limits))


@pytest.mark.root
@pytest.mark.parametrize("driver", ["erofs", "overlay", "copy"])
def test_a_full_disk_is_a_clean_error_that_leaves_nothing(driver: str, tmp_path: Path) -> None:
    with _small_disk(tmp_path) as disk:
        blob = gzip.compress(file(b"fill", os.urandom(3 << 20)) + END)
        expected = Expected("sha256:" + hashlib.sha256(blob).hexdigest(), None, len(blob))
        with pytest.raises(OSError, match="No space") as caught:
            receive(io.BytesIO(blob), layer_store(driver, disk), ContentStore(disk), expected)
        assert caught.value.errno == errno.ENOSPC
        assert [path for path in disk.rglob("*") if path.is_file()] == []
        small = gzip.compress(file(b"small", b"x") + END)
        assert layer_store(driver, disk).has_layer(apply(io.BytesIO(small), layer_store(driver, disk)).diff_id)


def _small_disk(tmp_path: Path) -> _Disk:
    return _Disk(tmp_path / "disk")


class _Disk:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._mounts = private_mounts()

    def __enter__(self) -> Path:
        self._path.mkdir()
        self._mounts.__enter__()
        LINUX.mount("tmpfs", str(self._path), "tmpfs", 0, "size=2m,nr_inodes=200")
        return self._path

    def __exit__(self, *_: object) -> None:
        self._mounts.__exit__(None, None, None)


@pytest.mark.root
def test_a_full_table_of_inodes_is_a_clean_error(tmp_path: Path) -> None:
    with _small_disk(tmp_path) as disk:
        archive = b"".join(file(b"f%d" % index) for index in range(300)) + END
        with pytest.raises(OSError, match="No space"):
            apply(io.BytesIO(archive), layer_store("overlay", disk))
        assert [path for path in disk.rglob("*") if path.is_file()] == []
        apply(io.BytesIO(archive), layer_store("erofs", disk))  # which needs no inodes


def test_wrong_digests_are_refused_in_every_form(tmp_path: Path) -> None:
    layers = layer_store("erofs", tmp_path)
    for digest in ("sha256:../../x", "sha256:" + "A" * 64, "", "md5:" + "0" * 32, "sha256:" + "0" * 63):
        with pytest.raises(InvalidArgument):
            layers.has_layer(digest)


@pytest.fixture(autouse=True)
def _nothing_mounted(tmp_path: Path) -> Iterator[None]:
    yield
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_zstd_bombs_too(tmp_path: Path) -> None:
    bomb = zstandard.compress(header(b"zeros", b"0", 64 << 20) + bytes(64 << 20) + END)
    with pytest.raises(CompressionError, match="bomb"):
        apply(io.BytesIO(bomb), layer_store("erofs", tmp_path), budget=Budget(free=1 << 20))
