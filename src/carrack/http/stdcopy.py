"""Docker's multiplexed stream: standard output and error on one connection, in frames.

A frame is an 8-byte head, the stream's number, three zero bytes and the payload's length as a big-endian 32-bit
number, followed by the payload (Engine API, "Attach to a container", stream format).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

STDIN, STDOUT, STDERR, SYSTEM_ERROR = 0, 1, 2, 3

MAX_FRAME = 64 * 1024 * 1024
"""Payload bytes above which a frame is taken for noise."""

_HEAD = struct.Struct(">BxxxI")


def frame(stream: int, payload: bytes) -> bytes:
    """One frame that carries `payload` on `stream`."""
    return _HEAD.pack(stream, len(payload)) + payload


class FrameError(ValueError):
    """The bytes are no multiplexed stream."""


class FrameReader:
    """Takes a multiplexed stream apart, however its bytes are cut."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, payload) of each frame that `data` completes. Raises FrameError on noise."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEAD.size:
            stream, length = _HEAD.unpack_from(buffer)
            if stream > SYSTEM_ERROR or length > MAX_FRAME or any(buffer[1:4]):
                raise FrameError(f"not a multiplexed stream: frame head {bytes(buffer[:8])!r}")
            end = _HEAD.size + length
            if len(buffer) < end:
                return
            payload = bytes(memoryview(buffer)[_HEAD.size : end])
            del buffer[:end]
            yield stream, payload

    @property
    def partial(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)
