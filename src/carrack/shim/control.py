"""A daemon's connection to a shim: requests in, answers and notices out, never blocking the shim.

A daemon that was killed must not stop its containers, nor one that is stuck: what its socket does not take waits
here up to a limit, then the connection is dropped. The daemon finds all again when it connects anew.
"""

from __future__ import annotations

from carrack.runtime import channel
from carrack.shim import loop as events
from carrack.shim.protocol import MAX_FDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket
    from typing import Any

    from carrack.shim.loop import Loop

    Handler = Callable[["Control", dict[str, Any], list[int]], None]

_OUTBOX_LIMIT = 1000


class Control:
    """One connection. ``handler(self, message, fds)`` owns the descriptors; ``closed(self)`` is told once."""

    def __init__(self, loop: Loop, sock: socket, handler: Handler, closed: Callable[[Control], None]) -> None:
        self._loop = loop
        self._sock = sock
        self._handler = handler
        self._closed = closed
        self._outbox: list[dict[str, Any]] = []
        sock.setblocking(False)
        self._watch()

    @property
    def closed(self) -> bool:
        return self._sock.fileno() < 0

    def send(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        """Send now, or as soon as the daemon takes it; a message with descriptors is sent now or never."""
        if self.closed:
            return
        if self._outbox and not fds:
            self._queue(message)
            return
        try:
            channel.send(self._sock, message, fds)
        except BlockingIOError:
            self._queue(message)
        except OSError:
            self.close()

    def close(self) -> None:
        if not self.closed:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._closed(self)

    def _queue(self, message: dict[str, Any]) -> None:
        self._outbox.append(message)
        if len(self._outbox) > _OUTBOX_LIMIT:
            self.close()
        else:
            self._watch()

    def _watch(self) -> None:
        self._loop.watch(self._sock.fileno(), events.IN | (events.OUT if self._outbox else 0), self._ready)

    def _ready(self, ready: int) -> None:
        if ready & events.OUT and self._outbox:
            waiting, self._outbox = self._outbox, []
            for message in waiting:
                self.send(message)
            if not self._outbox and not self.closed:
                self._watch()
        if ready & (events.IN | events.HANGUP) and not self.closed:
            self._receive()

    def _receive(self) -> None:
        try:
            message, fds = channel.receive(self._sock, MAX_FDS)
        except BlockingIOError:
            return
        except (OSError, ValueError):  # reset, or not one of our messages
            self.close()
            return
        if message is None:
            self.close()
        else:
            self._handler(self, message, fds)
