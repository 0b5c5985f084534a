"""Data frames past h2: what a call's peer sends in many small frames is taken in at a tenth of the time.

h2 makes an event of each frame, through two machines of states. A data frame of a stream that is open, without padding
and not its last, changes no state but the two windows of flow control. Such frames are put together here and given to
grpclib at once; all others go the usual way, in the order in which they came.
"""

from __future__ import annotations

from typing import Any

_HEAD = 9
_LARGEST = 1 << 14  # bytes of a frame, as long as no setting of ours says more


class Feeder:
    """Gives what comes on a connection to a protocol of grpclib's client."""

    def __init__(self, protocol: Any) -> None:
        from h2.connection import ConnectionState
        from h2.stream import StreamState

        self._protocol = protocol
        self._held = b""
        self._plain = False
        self._connected = ConnectionState.CLIENT_OPEN
        self._open = (StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL)

    def feed(self, data: bytes) -> None:
        """The next bytes, as they come."""
        if self._plain:
            self._protocol.data_received(data)
            return
        data = self._held + data if self._held else data
        at = usual = 0
        while (end := self._end(data, at)) > 0:
            taken, end = self._run(data, at, end, usual)
            if taken:
                usual = end
            at = end
        if usual < at or self._plain:
            self._protocol.data_received(data[usual:] if self._plain else data[usual:at])
        self._held = b"" if self._plain else data[at:]

    def _end(self, data: bytes, at: int) -> int:
        """Where the frame ends that begins at ``at``; 0 while it is not whole."""
        if len(data) - at < _HEAD:
            return 0
        length = int.from_bytes(data[at : at + 3], "big")
        if length > _LARGEST:
            self._plain = True  # h2 shall say what it has against it
            return 0
        end = at + _HEAD + length
        return end if end <= len(data) else 0

    def _run(self, data: bytes, at: int, end: int, usual: int) -> tuple[bool, int]:
        """Take all frames that are plain data of one stream, from this one on; what came before goes the usual way
        first. Whether there were any, and where the last of them ends, or else this one."""
        number = _stream(data, at)
        if number is None:
            return False, end
        if usual < at:
            self._protocol.data_received(data[usual:at])
        stream, windows = self._find(number)
        if stream is None:
            self._protocol.data_received(data[at:end])
            return True, end
        room = min(window.current_window_size for window in windows)
        pieces, size = [], 0
        while end > 0 and _stream(data, at) == number and size + end - at - _HEAD <= room:
            pieces.append(data[at + _HEAD : end])
            size += end - at - _HEAD
            at, end = end, self._end(data, end)
        if not pieces:
            self._protocol.data_received(data[at:end])
            return True, end
        for window in windows:
            window.window_consumed(size)
        if size:
            stream.buffer.add(b"".join(pieces), size)
            stream.data_received += size
        return True, at

    def _find(self, number: int) -> tuple[Any, list[Any]]:
        """An open stream, and its windows; None for what h2 must see."""
        h2 = self._protocol.connection._connection
        inner = h2.streams.get(number)
        stream = self._protocol.processor.streams.get(number)
        if (
            inner is None
            or stream is None
            or h2.state_machine.state is not self._connected
            or h2.incoming_buffer._headers_buffer
            or inner.state_machine.state not in self._open
            or not inner.state_machine.headers_received
            or inner._expected_content_length is not None
        ):
            return None, []
        return stream, [h2._inbound_flow_control_window_manager, inner._inbound_window_manager]


def _stream(data: bytes, at: int) -> int | None:
    """Of which stream a frame is that is data and nothing else; None for others."""
    if data[at + 3] or data[at + 4]:
        return None
    return int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
