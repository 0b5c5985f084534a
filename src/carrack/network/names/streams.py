"""TCP: what is too long for a datagram is asked for here, each query and answer with its length before it (RFC 7766).

Connections are few for each sandbox and short in time, so that nobody is kept from asking by one who only connects.
"""

from __future__ import annotations

import _socket
import struct
import time

from carrack.network.names import loop as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.network.names.loop import Loop
    from carrack.network.names.sandbox import Sandbox

#: connections of one sandbox
MOST = 32
#: seconds without a whole query after which a connection is closed
IDLE = 10.0
#: how often that is looked at (seconds)
SWEEP = 1.0
#: bytes of answers that may wait for their reader
_UNREAD = 256 * 1024
_CHUNK = 4096
_NONBLOCK = int(_socket.SOCK_NONBLOCK)


class Streams:
    """The connections of all sandboxes."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.open: set[Stream] = set()
        self._sweeping = False

    def accept(self, sandbox: Sandbox) -> None:
        """Take one connection; one too many is closed at once."""
        try:
            fd, _ = sandbox.tcp._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _NONBLOCK, 0, fd)
        sock.setblocking(False)
        if len(sandbox.streams) >= MOST:
            sock.close()
            return
        Stream(self, sandbox, sock)
        if not self._sweeping:
            self._sweeping = True
            self.loop.later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        """Close those that have been idle for too long; one look for all, however many came and went meanwhile."""
        latest = time.monotonic() - IDLE
        for stream in [stream for stream in self.open if stream.idle_since(latest)]:
            stream.close()
        self._sweeping = bool(self.open)
        if self._sweeping:
            self.loop.later(SWEEP, self._sweep)


class Stream:
    """One connection."""

    def __init__(self, streams: Streams, sandbox: Sandbox, sock: _socket.socket) -> None:
        self._streams = streams
        self._loop = streams.loop
        self._sandbox = sandbox
        self._sock = sock
        self._got = b""
        self._unsent = b""
        self._asked = time.monotonic()
        self._waiting = 0
        streams.open.add(self)
        sandbox.streams.add(self)
        self._loop.watch(sock.fileno(), self._ready)

    def idle_since(self, latest: float) -> bool:
        """Whether it has not asked since then, nor waits for an answer."""
        return self._asked <= latest and not self._waiting

    def _ready(self) -> None:
        if self._unsent:
            self._flush()
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._got += data
        if not data or not self._take():
            self.close()

    def _take(self) -> bool:
        """Ask what has come whole; False when it is not worth going on."""
        while len(self._got) >= 2:
            length = int.from_bytes(self._got[:2], "big")
            if length > _CHUNK:  # no question is that long
                return False
            if len(self._got) < 2 + length:
                break
            query, self._got = self._got[2 : 2 + length], self._got[2 + length :]
            self._asked = time.monotonic()
            self._waiting += 1
            if not self._sandbox.ask(query, self._reply, stream=True):
                return False
        return True

    def _reply(self, answer: bytes) -> None:
        self._waiting -= 1
        if self._sock.fileno() < 0:
            return
        self._unsent += struct.pack(">H", len(answer)) + answer
        if len(self._unsent) > _UNREAD:
            self.close()
        else:
            self._flush()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        self._loop.watch(self._sock.fileno(), self._ready, events.IN | (events.OUT if self._unsent else 0))

    def close(self) -> None:
        """Hang up; twice is no error."""
        if self._sock.fileno() >= 0:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._sandbox.streams.discard(self)
            self._streams.open.discard(self)
