"""Following the frames of a zstd stream, to know whether it ended where a frame ends.

Nothing is decoded: only the sizes of headers and blocks are read (RFC 8878, section 3.1), so a truncated stream can be
told from a whole one, which the decompressor's stream interface cannot.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

_MAGIC: Final = 0xFD2FB528
_SKIPPABLE_MAGIC: Final = 0x184D2A50
_RLE_BLOCK: Final = 1


class FrameWalker:
    """Feed it the compressed bytes; ``complete`` says whether they end at the end of a frame."""

    def __init__(self) -> None:
        self._steps = _walk()
        self._need = next(self._steps)
        self._collected = bytearray()
        self._broken = False

    @property
    def complete(self) -> bool:
        """True at the start too: no frame at all is a whole stream."""
        return not self._broken and self._need == 4 and not self._collected

    def feed(self, data: bytes) -> None:
        """Take more bytes of the stream. Bytes that are no frame make it never complete again."""
        position = 0
        while position < len(data) and not self._broken:
            if self._need < 0:  # pass over
                taken = min(-self._need, len(data) - position)
                self._need += taken
                position += taken
                if not self._need:
                    self._advance(b"")
                continue
            taken = min(self._need - len(self._collected), len(data) - position)
            self._collected += data[position : position + taken]
            position += taken
            if len(self._collected) == self._need:
                collected = bytes(self._collected)
                self._collected.clear()
                self._advance(collected)

    def _advance(self, collected: bytes) -> None:
        try:
            self._need = self._steps.send(collected)
        except StopIteration:
            self._broken = True


def _walk() -> Generator[int, bytes, None]:
    """Yields how many bytes to collect and be sent (negative: to pass over); only the wish for 4 is a frame's start."""
    while True:
        magic = int.from_bytes((yield 4), "little")
        if magic & 0xFFFFFFF0 == _SKIPPABLE_MAGIC:
            high = yield 1
            size = int.from_bytes(high + (yield 3), "little")
            if size:
                yield -size
            continue
        if magic != _MAGIC:
            return
        descriptor = (yield 1)[0]
        yield -_rest_of_header(descriptor)
        last = False
        while not last:
            head = int.from_bytes((yield 3), "little")
            last = bool(head & 1)
            size = 1 if head >> 1 & 3 == _RLE_BLOCK else head >> 3
            if size:
                yield -size
        if descriptor & 0x04:
            yield -4  # checksum


def _rest_of_header(descriptor: int) -> int:
    """Bytes of a frame header after its descriptor: window, dictionary id, content size; never 0."""
    single = descriptor & 0x20
    content_size = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    return (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3] + content_size
