from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carrack.errors import NotSupported
from carrack.storage import compression
from carrack.storage.compression import Budget, CompressionError, Decompressed, compressor, sniff


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": _zstd,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "plain": bytes,
}


def unpack(data: bytes, budget: Budget | None = None) -> bytes:
    stream = Decompressed(io.BytesIO(data), budget)
    out = bytearray()
    while chunk := stream.read_chunk():
        assert len(chunk) <= 512 * 1024
        out += chunk
    return bytes(out)


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setattr(compression, "igzip_lib", None)
        monkeypatch.setattr(compression, "isal_zlib", None)
    else:
        pytest.importorskip("isal")


@pytest.mark.parametrize("kind", PACKERS)
def test_round_trip_and_kind(kind: str) -> None:
    data = b"carrack" * 300_000 + bytes(range(256)) * 99
    packed = PACKERS[kind](data)
    assert sniff(packed[:8]) == kind
    assert unpack(packed) == data


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_members_one_after_another_are_one_stream(kind: str) -> None:
    pack = PACKERS[kind]
    assert unpack(pack(b"one" * 9) + pack(b"") + pack(b"two" * 99)) == b"one" * 9 + b"two" * 99


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_every_truncation_is_noticed(kind: str) -> None:
    packed = PACKERS[kind](b"some data that is packed " * 40)
    for cut in range(8, len(packed)):
        with pytest.raises(CompressionError):
            unpack(packed[:cut])


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_damage_and_garbage_behind(kind: str) -> None:
    packed = PACKERS[kind](b"some data that is packed " * 400)
    for damaged in (packed + b"garbage", packed[:20] + b"\xa5\x5a\xa5\x5a" + packed[24:]):
        with pytest.raises(CompressionError):
            unpack(damaged)


def test_zero_padding_behind_gzip_is_accepted() -> None:
    assert unpack(gzip.compress(b"x") + bytes(700)) == b"x"


def test_skippable_zstd_frames_are_passed_over() -> None:
    skippable = b"\x52\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"extra"
    assert unpack(skippable + _zstd(b"data") + skippable) == b"data"


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_bombs_stop_at_the_budget(kind: str) -> None:
    bomb = PACKERS[kind](bytes(12 << 20))
    with pytest.raises(CompressionError, match="bomb"):
        unpack(bomb, Budget(free=1 << 20, ratio=50))
    with pytest.raises(CompressionError, match="bomb"):
        unpack(bomb, Budget(maximum=1 << 20))
    assert len(unpack(bomb)) == 12 << 20


def test_a_zstd_window_beyond_the_limit_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=29)
    big = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(CompressionError, match="zstd"):
        unpack(big.compress(b"x" * 1000) + big.flush())


def test_errors_of_the_source_keep_their_meaning() -> None:
    class Broken(io.RawIOBase):
        calls = 0

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            self.calls += 1
            if self.calls > 1:
                raise OSError(5, "Input/output error", "layer")
            buffer[:8] = bz2.compress(b"x" * 99)[:8]
            return 8

    source = Decompressed(Broken())
    with pytest.raises(OSError, match="layer"):
        source.read_chunk()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=2000), st.sampled_from(["gzip", "zstd", "plain"]), st.integers(1, 300))
def test_compressors_and_readinto(data: bytes, kind: str, size: int) -> None:
    packer = compressor(kind)
    data = b"not compressed" + data  # what begins like a compressed stream is taken for one
    packed = packer.compress(data) + packer.flush()
    stream = Decompressed(io.BytesIO(packed))
    buffer = memoryview(bytearray(size))
    out = bytearray()
    while count := stream.readinto(buffer):
        out += buffer[:count]
    assert out == data


def test_gzip_output_is_read_by_others_and_repeatable() -> None:
    def pack(data: bytes) -> bytes:
        packer = compressor("gzip")
        return packer.compress(data) + packer.flush()

    assert zlib.decompress(pack(b"data" * 999), 31) == b"data" * 999
    assert pack(b"data" * 999) == pack(b"data" * 999)


def test_unknown_compressor() -> None:
    with pytest.raises(NotSupported, match="xz"):
        compressor("xz")
