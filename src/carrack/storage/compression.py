"""Compressed streams of bytes: layers as they travel, and archives that a user hands in.

Everything happens in this process; no program is ever run for it (a name looked up on a PATH that a container can
write to has been an attack before). ``isal`` is used where it is installed, being two to three times as fast as the
standard library's zlib and giving the same bytes out of decompression.

Output is made in pieces of bounded size, however well the input was compressed, and a budget stops bombs.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from carrack.errors import InvalidArgument, NotSupported
from carrack.storage.zstdframes import FrameWalker

if TYPE_CHECKING:
    from carrack.storage.tar import ByteSource

try:
    from isal import igzip_lib, isal_zlib
except ImportError:  # the accelerator is optional
    igzip_lib = isal_zlib = None  # type: ignore[assignment]
try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

PLAIN: Final = "plain"
GZIP: Final = "gzip"
ZSTD: Final = "zstd"
BZIP2: Final = "bzip2"
XZ: Final = "xz"

_MAGICS: Final = ((b"\x1f\x8b\x08", GZIP), (b"\x28\xb5\x2f\xfd", ZSTD), (b"BZh", BZIP2), (b"\xfd7zXZ\0", XZ))
_PIECE = 512 * 1024
_INPUT = 128 * 1024
_SKIPPABLE_ZSTD = range(0x50, 0x60)
_ZSTD_WINDOW = 128 << 20  # what zstd itself accepts without --long
_XZ_MEMORY = 256 << 20
_GZIP_LEVEL = {True: 2, False: 4}  # by whether isal is there: about the same size, what each is quick at
_ISAL_MOST = 3  # the levels above are the standard library's alone
_ZSTD_LEVEL = 3

_ERRORS: tuple[type[Exception], ...] = (
    *(zlib.error, lzma.LZMAError, EOFError),
    *((igzip_lib.IsalError,) if igzip_lib else ()),
    *((zstandard.ZstdError,) if zstandard else ()),
)


class CompressionError(InvalidArgument):
    """The stream is damaged, truncated, or grows beyond the budget."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How far a stream may grow: never beyond ``maximum`` bytes, and beyond ``free`` bytes only by ``ratio``."""

    free: int = 4 << 30
    ratio: int = 250
    maximum: int = 1 << 40


class Compressor(Protocol):
    """Both methods return bytes for the output, possibly none yet."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some input."""
        ...

    def flush(self) -> bytes:
        """The end of the output."""
        ...


class _Decoder(Protocol):
    """One member of a stream, as bz2.BZ2Decompressor is one."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class Decompressed:
    """A source whose bytes are those of another source, decompressed; plain sources pass through.

    ``read_chunk`` is the quick way out, ``readinto`` the one that other readers expect. At the end the whole of the
    underlying source has been read.
    """

    def __init__(self, source: ByteSource, budget: Budget | None = None) -> None:
        self._input = _Input(source)
        self._budget = budget or Budget()
        self._rest = memoryview(b"")
        self.kind: str = sniff(self._input.peek(8))
        self.size = 0
        self._reader = _reader(self.kind, self._input)

    def read_chunk(self) -> bytes:
        """Some more bytes (at most 512 KiB), ``b""`` at the end. CompressionError when the stream is not whole."""
        try:
            chunk = self._reader.read(_PIECE)
        except CompressionError:
            raise
        except _ERRORS as error:
            raise CompressionError(f"damaged {self.kind} stream: {error}") from error
        except OSError as error:
            if self.kind != BZIP2 or error.errno is not None:  # bz2 reports bad data as an OSError without a number
                raise
            raise CompressionError(f"damaged bzip2 stream: {error}") from error
        self._grown(len(chunk))
        return chunk

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of the buffer; 0 at the end."""
        if self.kind == PLAIN and not self._rest:
            count = self._input.readinto(buffer)
            self._grown(count)
            return count
        if not self._rest:
            self._rest = memoryview(self.read_chunk())
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _grown(self, count: int) -> None:
        self.size += count
        if self.size > self._allowed():
            given = self._input.count
            raise CompressionError(f"{self.kind} stream grew to {self.size} bytes from {given}: refused as a bomb")

    def _allowed(self) -> int:
        if self.kind == PLAIN:
            return self._budget.maximum
        return min(self._budget.maximum, max(self._budget.free, self._budget.ratio * self._input.count))


def sniff(head: bytes) -> str:
    """What the first 8 bytes of a stream say it is: GZIP, ZSTD, BZIP2, XZ or PLAIN."""
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return kind
    if head[1:4] == b"\x2a\x4d\x18" and head[0] in _SKIPPABLE_ZSTD:
        return ZSTD
    return PLAIN


def compressor(kind: str, level: int | None = None) -> Compressor:
    """A compressor for GZIP, ZSTD or PLAIN. The same input, level and library version give the same bytes."""
    if kind == PLAIN:
        return _Uncompressed()
    if kind == GZIP:
        quick = isal_zlib is not None and (level is None or level <= _ISAL_MOST)
        level = _GZIP_LEVEL[quick] if level is None else level
        made: Compressor = (isal_zlib if quick else zlib).compressobj(level, zlib.DEFLATED, 31)
        return made
    if kind == ZSTD and zstandard is not None:
        return zstandard.ZstdCompressor(_ZSTD_LEVEL if level is None else level).compressobj()
    raise NotSupported(f"compressing with {kind} is not supported here")


class _Input:
    """The underlying source in pieces, counted, with a look at its first bytes."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._buffer = memoryview(bytearray(_INPUT))
        self._head = b""
        self.count = 0

    def peek(self, length: int) -> bytes:
        while len(self._head) < length:
            piece = self._take(length - len(self._head))
            if not piece:
                break
            self._head += piece
        return self._head

    def read(self, length: int = _INPUT) -> bytes:
        if self._head:
            taken, self._head = self._head[:length], self._head[length:]
            return taken
        return self._take(length)

    def readinto(self, buffer: memoryview) -> int:
        if self._head:
            taken = self.read(len(buffer))
            buffer[: len(taken)] = taken
            return len(taken)
        count = self._source.readinto(buffer) or 0
        self.count += count
        return count

    def _take(self, length: int) -> bytes:
        count = self._source.readinto(self._buffer[: min(length, _INPUT)]) or 0
        self.count += count
        return bytes(self._buffer[:count])


class _Uncompressed:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Members:
    """A stream of one member after another, as gzip, bzip2 and xz files may be; zero bytes may follow the last."""

    def __init__(self, kind: str, source: _Input) -> None:
        self._kind = kind
        self._source = source
        self._decoder: _Decoder | None = None
        self._pending = b""

    def read(self, length: int) -> bytes:
        while True:
            decoder = self._decoder or self._next_member()
            if decoder is None:
                return b""
            if decoder.needs_input and not self._pending:
                self._pending = self._source.read()
                if not self._pending:
                    raise CompressionError(f"truncated {self._kind} stream")
            data, self._pending = self._pending, b""
            chunk = decoder.decompress(data, max_length=length)
            if decoder.eof:
                self._pending = decoder.unused_data
                self._decoder = None
            if chunk:
                return chunk

    def _next_member(self) -> _Decoder | None:
        while True:
            self._pending = self._pending.lstrip(b"\0")
            if self._pending:
                break
            self._pending = self._source.read()
            if not self._pending:
                return None
        self._decoder = _decoder(self._kind)
        return self._decoder


class _ZlibDecoder:
    """The standard library's zlib in the shape of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        chunk = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.eof, self.unused_data = self._inner.eof, self._inner.unused_data
        self.needs_input = not self.eof and not self._inner.unconsumed_tail and len(chunk) < max_length
        return chunk


class _Zstd:
    """All frames of a zstd stream. The library takes an early end of its input for the end of the stream, so the
    frames are walked as well."""

    def __init__(self, source: _Input) -> None:
        self._source = source
        self._walker = FrameWalker()
        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(
            _Tee(source, self._walker),  # type: ignore[arg-type]
            read_size=_INPUT,
            read_across_frames=True,
        )

    def read(self, length: int) -> bytes:
        chunk = self._stream.read(length)
        if not chunk and not self._walker.complete:
            raise CompressionError("truncated zstd stream")
        return chunk


class _Tee:
    def __init__(self, source: _Input, walker: FrameWalker) -> None:
        self._source = source
        self._walker = walker

    def read(self, length: int) -> bytes:
        data = self._source.read(length)
        self._walker.feed(data)
        return data


def _reader(kind: str, source: _Input) -> _Input | _Members | _Zstd:
    if kind == PLAIN:
        return source
    if kind == ZSTD:
        if zstandard is None:
            raise NotSupported("a zstd stream: install the Python package zstandard to read it")
        return _Zstd(source)
    return _Members(kind, source)


def _decoder(kind: str) -> _Decoder:
    if kind == BZIP2:
        return bz2.BZ2Decompressor()
    if kind == XZ:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    if igzip_lib is None:
        return _ZlibDecoder()
    made: _Decoder = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
    return made
