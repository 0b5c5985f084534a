"""A request's body read by a thread from the socket itself.

On its usual way each piece of a body costs the event loop a turn, the parser a pass and two hand-overs; with the 32 KiB
that Docker's command sends at a time this is half of what copying a large file takes. So the loop stops reading, and
the thread that unpacks takes the bytes as they come. The connection ends with the answer, for the engine behind it has
not seen the body's end.
"""

from __future__ import annotations

import errno
import io
import os
import select
import socket
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from carrack.errors import InvalidArgument
from carrack.http.framing import RequestFramer
from carrack.http.head import FramingError

_READ = 256 * 1024


class Lendable(AsyncIterable[bytes]):
    """A body that may be iterated over, or lent."""

    @abstractmethod
    def lend(self) -> LentBody | None:
        """For one thread to read, and to be given back; None where it has to be iterated over."""


class LentBody(io.RawIOBase):
    """The bytes of a body in chunks, as a file for one thread. ``begun`` is what had been read of it, ``back`` is
    called by `give_back`, with whether the client has gone. ``failure`` is why there are no more."""

    def __init__(
        self, sock: socket.socket, framer: RequestFramer, begun: Iterable[bytes], back: Callable[[bool], None]
    ) -> None:
        self._fd = os.dup(sock.fileno())
        self._framer = framer
        self._pieces = deque(memoryview(piece) for piece in begun if piece)
        self._buffer = bytearray(_READ)
        self._back = back
        self._stopped = False
        self.failure: Exception | None = None
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def readable(self) -> bool:
        """io.RawIOBase."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """io.RawIOBase: some bytes; 0 at the body's end.

        Raises ConnectionResetError when the client goes away before, InvalidArgument when its bytes are no chunks.
        """
        while not self._pieces:
            if self._framer.complete:
                return 0
            try:
                self._pieces.extend(self._framer.payload(self._buffer, self._receive()))
            except FramingError as error:
                self.failure = InvalidArgument(f"malformed body: {error}")
            except OSError as error:
                self.failure = error
            if self.failure is not None:
                raise self.failure
        view, place = memoryview(buffer).cast("B"), 0
        while self._pieces and place < len(view):
            piece = self._pieces.popleft()
            if len(piece) > len(view) - place:
                self._pieces.appendleft(piece[len(view) - place :])
                piece = piece[: len(view) - place]
            view[place : place + len(piece)] = piece
            place += len(piece)
        return place

    def _receive(self) -> int:
        """Fill some of the buffer, whose former bytes have all been taken. The socket does not block, since it is the
        event loop's too."""
        while True:
            try:
                size = os.readv(self._fd, (self._buffer,))
            except BlockingIOError:
                self._poll.poll()
                continue
            if not size or self._stopped:
                raise ConnectionResetError(errno.ECONNRESET, "the client has closed the connection")
            return size

    def stop(self) -> None:
        """For the event loop: the thread shall wait no longer."""
        self._stopped = True
        with socket.socket(fileno=os.dup(self._fd)) as sock:
            try:
                sock.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # the client was faster

    def give_back(self) -> None:
        """For the event loop, when the thread has done with it."""
        os.close(self._fd)
        self._back(isinstance(self.failure, ConnectionError))
