"""One attached client of a program's streams: a stream socket that the daemon handed over.

Output goes out as Docker frames it (``>BxxxI``: stream number, length; then the bytes), or raw with a terminal. What
the socket does not take at once waits here, and the stream's reader stops until it is gone: a slow client slows the
program, memory does not grow. A client that closes is dropped; one that only shuts down its writing half has ended
the program's input.
"""

from __future__ import annotations

import struct
from socket import MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_RDWR

from carrack.shim import loop as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from carrack.shim.loop import Loop

READ_SIZE = 64 * 1024
_NOTHING: frozenset[int] = frozenset()
_frame = struct.Struct(">BxxxI")


class Attachment:
    """``outputs`` are the stream numbers it wants; ``listening`` says that its stdin has not ended."""

    __slots__ = (
        "_changed",
        "_closing",
        "_framed",
        "_gone",
        "_input",
        "_loop",
        "_pending",
        "_sock",
        "listening",
        "outputs",
    )

    def __init__(self, loop: Loop, sock: socket, outputs: frozenset[int], *, stdin: bool, framed: bool) -> None:
        self._loop = loop
        self._sock = sock
        self._framed = framed
        self._pending = bytearray()
        self._closing = False
        self._gone = False
        self.outputs = outputs
        self.listening = stdin
        self._input: Callable[[Attachment], bool] | None = None
        self._changed: Callable[[Attachment], None] | None = None

    def open(self, feed: Callable[[Attachment], bool], changed: Callable[[Attachment], None]) -> None:
        """Begin: feed(self) is called when stdin may be read and says whether to go on now; changed(self) after
        every change of ``blocked`` or ``closed``."""
        self._input, self._changed = feed, changed
        self._sock.setblocking(False)
        self._watch()

    @property
    def blocked(self) -> bool:
        """Whether bytes wait here for the client."""
        return bool(self._pending)

    @property
    def closed(self) -> bool:
        return self._sock.fileno() < 0

    def send(self, number: int, data: bytes) -> None:
        """Pass on a piece of an output the client wants; what the socket does not take is kept."""
        parts = [_frame.pack(number, len(data)), data] if self._framed else [data]
        if self._pending:
            for part in parts:
                self._pending += part
            return
        try:
            sent = self._sock.sendmsg(parts, [], MSG_NOSIGNAL | MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._deafen()
            return
        rest = b"".join(parts)[sent:] if sent < sum(map(len, parts)) else b""
        if rest:
            self._pending += rest
            self._watch()

    def receive(self) -> bytes | None:
        """A piece of the client's input: None when there is none now, empty at its end."""
        try:
            data = self._sock.recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self.listening = False
            self._watch()
        return data

    def pause_input(self, paused: bool) -> None:
        """Stop or resume reading the client's input, while the program does not take it."""
        if self.listening and not self.closed:
            self._watch(reading=not paused)

    def finish(self) -> None:
        """No more output comes: close once all is sent."""
        self._closing = True
        if not self._pending:
            self.close()

    def close(self) -> None:
        if not self.closed:
            self._loop.forget(self._sock.fileno())
            self._drain()
            self._sock.close()
            self._pending.clear()
            self.outputs, self.listening = _NOTHING, False
            if self._changed is not None:
                self._changed(self)

    def _drain(self) -> None:
        """Closing over unread input would give the client a reset in place of the end of file."""
        try:
            self._sock.shutdown(SHUT_RDWR)
            while self._sock.recv(READ_SIZE):
                pass
        except OSError:
            pass

    def _watch(self, reading: bool = True) -> None:
        if self.closed:
            return
        if self._gone and not reading:
            self._loop.forget(self._sock.fileno())
            return
        wanted = events.IN if reading and self.listening else 0
        if self._pending:
            wanted |= events.OUT
        self._loop.watch(self._sock.fileno(), wanted, self._ready)

    def _ready(self, ready: int) -> None:
        if ready & events.OUT and self._pending:
            self._flush()
        if ready & events.IN and self.listening and self._input is not None:
            self._input(self)
        if ready & events.HANGUP and not self.closed:
            self._hung_up()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._pending, MSG_NOSIGNAL | MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self._deafen()
            return
        del self._pending[:sent]
        if self._pending:
            return
        if self._closing:
            self.close()
            return
        self._watch()
        if self._changed is not None:
            self._changed(self)

    def _deafen(self) -> None:
        """The client takes no more output; its last input may still be unread."""
        self._pending.clear()
        self.outputs = _NOTHING
        if not self.listening or self._closing:
            self.close()
        elif self._changed is not None:
            self._watch()
            self._changed(self)

    def _hung_up(self) -> None:
        """The client is gone; a hang-up cannot be masked, so watch no more, but take what it wrote before."""
        self._gone = True
        self._pending.clear()
        self.outputs = _NOTHING
        self._loop.forget(self._sock.fileno())
        while self.listening and self._input is not None and self._input(self):
            pass
        if not self.listening:
            self.close()
        elif self._changed is not None:
            self._changed(self)
