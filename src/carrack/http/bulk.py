"""Very many small messages of one gRPC call: taken as bytes, as many as are there, and sent as many at once.

grpclib gives each message some awaits and the queue of its stream. Here its stream is read, and written, beneath it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from carrack.errors import InvalidArgument

_HEAD = 5
_LARGEST = 16 << 20


class Bulk:
    """A call of grpclib's client; none of its own methods may be used to receive or to send beside this."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._rest = bytearray()
        self._ended = False

    async def begin(self) -> None:
        """Send the request's head, so that the other side begins."""
        await self._call.send_request()

    async def receive(self) -> list[bytes]:
        """All messages that have come, at least one; none at the end. Raises InvalidArgument for what is no message."""
        call = self._call
        if not call._recv_initial_metadata_done:
            await call.recv_initial_metadata()
        while not (found := self._whole()):
            if self._ended:
                if self._rest:
                    raise InvalidArgument("the client's call ended in the middle of a message")
                return []
            await self._more(call)
        return found

    async def send(self, messages: Iterable[bytes], *, end: bool = False) -> None:
        """Send messages; with ``end`` there will be no more."""
        call = self._call
        data = b"".join(b"\0" + len(message).to_bytes(4, "big") + message for message in messages)
        with call._wrapper:
            await call._stream.send_data(data, end_stream=end)
        call._send_message_done = True
        call._end_done = call._end_done or end

    async def _more(self, call: Any) -> None:
        buffer = call._stream.buffer
        with call._wrapper:
            item = await buffer._unacked.get()
        while True:
            if not item.ack_size:
                self._ended = True
                return
            self._rest += item.data
            buffer._ack_callback(item.ack_size)
            if buffer._unacked.empty():
                return
            item = buffer._unacked.get_nowait()

    def _whole(self) -> list[bytes]:
        """The messages that are complete."""
        data, at, found = self._rest, 0, []
        while len(data) - at >= _HEAD:
            size = int.from_bytes(data[at + 1 : at + _HEAD], "big")
            if data[at] or size > _LARGEST:
                raise InvalidArgument(f"the client sent a message of {size} bytes, or a compressed one")
            end = at + _HEAD + size
            if end > len(data):
                break
            found.append(bytes(data[at + _HEAD : end]))
            at = end
        del data[:at]
        return found
