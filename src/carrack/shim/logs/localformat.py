"""The format of the ``local`` driver and of the cache beside remote drivers. Pure; docs/on-disk.md draws it.

A file is a head and records. A record has its length at both ends, so that it is read from either side, and any bytes
inside. After every 64 KiB or so stands a mark: how many entries the block before it holds, their earliest and latest
times, and where the mark before lies. Marks are the index: a reader goes from one to the other, and leaves out the
blocks that it has no use for. A rotated file is the same blocks, each compressed by itself, with the index at its end.
"""

from __future__ import annotations

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Read = Callable[[int, int], bytes]
    """(size, offset) → bytes, as os.pread on an open file"""

MAGIC = b"CRKLOG1\n"
PACKED_MAGIC = b"CRKLOGZ1"
BLOCK = 64 * 1024
STDOUT, STDERR, MARK = 1, 2, 0x40
#: the line goes on in the next record of its stream
GOES_ON = 0x80
_KINDS = frozenset((STDOUT, STDERR, STDOUT | GOES_ON, STDERR | GOES_ON, MARK))
_HEAD = struct.Struct("<IBq")
_TAIL = struct.Struct("<I")
_MARK = struct.Struct("<QIqq")
_ENTRY = struct.Struct("<QIIqqI")
_FOOT = struct.Struct("<QI8s")
OVERHEAD = _HEAD.size + _TAIL.size
MARK_SIZE = OVERHEAD + _MARK.size
_MOST_TEXT = 16 * 1024
_NONE = (1 << 64) - 1
_MOST_BLOCKS = 1 << 20


class Broken(ValueError):
    """A file that is not of this format, or was cut or damaged."""


class Block:
    """A stretch of records: ``start`` and ``end`` in the file; ``size`` unpacked, 0 when it is not packed. Times in
    nanoseconds; without a count they are not known."""

    __slots__ = ("count", "earliest", "end", "latest", "size", "start")

    def __init__(self, start: int, end: int, count: int = 0, earliest: int = 0, latest: int = 0, size: int = 0) -> None:
        self.start = start
        self.end = end
        self.count = count
        self.earliest = earliest
        self.latest = latest
        self.size = size

    def within(self, since: int, until: int) -> bool:
        """Whether it may hold an entry of that span (0: no bound)."""
        if not self.count:
            return True
        return not (since and self.latest < since) and not (until and self.earliest > until)


def pack(kind: int, time: int, text: bytes) -> bytes:
    """A record."""
    return _HEAD.pack(len(text), kind, time) + text + _TAIL.pack(len(text))


def mark(before: int | None, block: Block) -> bytes:
    """The record after a block; ``before`` is where the last mark begins."""
    text = _MARK.pack(_NONE if before is None else before, block.count, block.earliest, block.latest)
    return pack(MARK, 0, text)


def records(data: bytes, at: int = 0) -> Iterator[tuple[int, int, bytes, int]]:
    """(kind, time, text, offset of its end) of the whole records from there; stops at what is none."""
    size = len(data)
    while at + OVERHEAD <= size:
        length, kind, time = _HEAD.unpack_from(data, at)
        end = at + OVERHEAD + length
        if kind not in _KINDS or length > _MOST_TEXT or end > size:
            return
        if _TAIL.unpack_from(data, end - _TAIL.size)[0] != length:
            return
        yield kind, time, data[at + _HEAD.size : end - _TAIL.size], end
        at = end


def blocks(read: Read, size: int) -> list[Block]:
    """The blocks of a plain file of that size, in order; the last one has no mark yet and ends with the last whole
    record. Raises Broken when it has not even a head."""
    if size < len(MAGIC) or read(len(MAGIC), 0) != MAGIC:  # it may have been written since the size was looked at
        raise Broken("no log file of this format")
    found = _last_mark(read, size)
    if found is None:
        return _scanned(read, size)
    position, end = found
    chain: list[Block] = []
    at: int | None = position
    while at is not None and len(chain) < _MOST_BLOCKS:
        before, count, earliest, latest = _MARK.unpack(read(_MARK.size, at + _HEAD.size))
        start = len(MAGIC) if before == _NONE else before + MARK_SIZE
        if not len(MAGIC) <= start <= at:
            return _scanned(read, size)
        chain.append(Block(start, at, count, earliest, latest))
        at = None if before == _NONE else before
    return [*reversed(chain), Block(position + MARK_SIZE, end)]


def _last_mark(read: Read, size: int) -> tuple[int, int] | None:
    """Where the last mark begins, and where the last record ends; None when records cannot be followed from the end:
    the file is short, or was torn."""
    at = size
    lowest = max(len(MAGIC), size - 2 * BLOCK - 4 * _MOST_TEXT)
    window = read(size - lowest, lowest)
    while at - OVERHEAD >= lowest:
        length = _TAIL.unpack_from(window, at - lowest - _TAIL.size)[0]
        start = at - OVERHEAD - length
        if length > _MOST_TEXT or start < lowest:
            return None
        again, kind, _ = _HEAD.unpack_from(window, start - lowest)
        if again != length or kind not in _KINDS:
            return None
        if kind == MARK and length == _MARK.size:
            return start, size
        at = start
    return None


def _scanned(read: Read, size: int) -> list[Block]:
    """By going through all of the file."""
    found: list[Block] = []
    start = position = len(MAGIC)
    rest = b""
    while position < size:
        data = rest + read(BLOCK, position)
        if len(data) == len(rest):
            break
        begin, end = position - len(rest), 0
        position += len(data) - len(rest)
        for kind, _, text, after in records(data):
            if kind == MARK and len(text) == _MARK.size:
                _, count, earliest, latest = _MARK.unpack(text)
                found.append(Block(start, begin + end, count, earliest, latest))
                start = begin + after
            end = after
        rest = data[end:]
        if len(rest) > OVERHEAD + _MOST_TEXT:  # what is no record: nothing behind it can be found
            break
    return [*found, Block(start, position - len(rest))]


def measured(data: bytes) -> Block:
    """The block that these records make, if it began at 0."""
    times = [time for kind, time, _, _ in records(data) if kind != MARK]
    return Block(0, len(data), len(times), min(times, default=0), max(times, default=0))


def packed(read: Read, size: int, origin: bytes) -> Iterator[bytes]:
    """A plain file in the compressed form, piece by piece; ``origin``: 16 bytes that say which file it was."""
    yield PACKED_MAGIC + origin
    at = len(PACKED_MAGIC) + len(origin)
    index = []
    for block in blocks(read, size):
        data = read(block.end - block.start, block.start)
        if not data:
            continue
        small = zlib.compress(data, 1)
        known = block if block.count else measured(data)
        index.append(_ENTRY.pack(at, len(small), len(data), known.earliest, known.latest, known.count))
        at += len(small)
        yield small
    yield b"".join(index) + _FOOT.pack(at, len(index), PACKED_MAGIC)


def packed_blocks(read: Read, size: int) -> list[Block]:
    """The blocks of a compressed file, from its index. Raises Broken."""
    if size < _FOOT.size + len(PACKED_MAGIC):
        raise Broken("a compressed log file is too short")
    at, count, magic = _FOOT.unpack(read(_FOOT.size, size - _FOOT.size))
    if magic != PACKED_MAGIC or at + count * _ENTRY.size + _FOOT.size != size:
        raise Broken("a compressed log file has no index")
    found = []
    for start, length, raw, earliest, latest, entries in _ENTRY.iter_unpack(read(count * _ENTRY.size, at)):
        found.append(Block(start, start + length, entries, earliest, latest, raw))
    return found


def unpacked(data: bytes, size: int) -> bytes:
    """A compressed block of known size. Raises Broken."""
    decoder = zlib.decompressobj()
    try:
        found = decoder.decompress(data, size)
    except zlib.error as error:
        raise Broken(f"a compressed log file is damaged: {error}") from error
    if len(found) != size:
        raise Broken("a compressed log file is damaged: a block is too short")
    return found
