"""The shim's end of a logger process: starts it, passes on the program's output, starts another one when it dies.

While its socket takes no more, the program's streams are not read (blocking), or what is more than a buffer's worth is
dropped and counted (non-blocking).
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time

from carrack.runtime import channel
from carrack.shim import loop as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carrack.shim.loop import Loop

HEAD = struct.Struct("<Bq")
#: with a stream's number: so many of its lines were dropped here
GAP = 0x10
_STREAMS = {"stdout": 1, "stderr": 2}
#: isolated as the zygote is, see seal.py
_FLAGS = ("-I", "-S", "-E", "-B", "-X", "utf8")
_PIECE = 64 * 1024
_READY_MS = 30_000
_CLOSE_MS = 10_000
_AGAIN_SECONDS = 1.0


class LoggerError(OSError):
    """The log driver cannot begin; worded for the user."""


class Logger:
    """In place of a LogFile."""

    def __init__(
        self, loop: Loop, document: dict[str, Any], fds: list[int], null_fd: int, resumed: Callable[[], None]
    ) -> None:
        """``document`` as process.py takes it; the descriptors stay open here; ``resumed`` is called when it is no
        longer blocked. Raises LoggerError when the driver cannot begin."""
        self._loop = loop
        self._document = document
        self._fds = fds
        self._null = null_fd
        self._pending: list[bytes] = []
        self._size = 0
        self._limit = document.get("max_buffer") or _PIECE
        self._blocking = bool(document.get("blocking"))
        self._closing = False
        self._resumed = resumed
        self._gaps: dict[int, int] = {}
        self._sock = self._start(document)
        _await_ready(self._sock)
        self._watch()

    @property
    def blocked(self) -> bool:
        """Whether no more output is to be read now."""
        return self._blocking and bool(self._pending)

    def write(self, stream: str, data: bytes) -> None:
        """Take a piece of the program's output."""
        number = _STREAMS[stream]
        for at in range(0, len(data), _PIECE):
            self._take(number, data[at : at + _PIECE])

    def close(self) -> None:
        """Pass on what is left, and wait until it is in the cache from which it is read back."""
        self._closing = True
        if self._sock.fileno() >= 0:
            self._loop.forget(self._sock.fileno())
        try:
            self._sock.settimeout(_CLOSE_MS / 1000)
            self._pending += [HEAD.pack(GAP | number, count) for number, count in self._gaps.items()]
            for packet in self._pending:
                self._sock.send(packet)
            self._sock.shutdown(socket.SHUT_WR)
            while (said := self._sock.recv(4096)) and b"closed" not in said:
                pass
        except OSError:
            pass
        self._sock.close()
        self._pending = []

    def _take(self, stream: int, data: bytes) -> None:
        packet = HEAD.pack(stream, time.time_ns()) + data
        if not self._pending and not self._gaps and self._put(packet):
            return
        if not self._blocking and self._size + len(packet) > self._limit and self._pending:
            self._gaps[stream] = self._gaps.get(stream, 0) + data.count(b"\n")
            return
        if stream in self._gaps and not (packet := self._after_gap(stream, data)):
            return
        self._pending.append(packet)
        self._size += len(packet)
        self._ready(0)

    def _after_gap(self, stream: int, data: bytes) -> bytes:
        """What goes on after dropped output, from its first whole line on: no line is made of halves of two."""
        _, newline, rest = data.partition(b"\n")
        if not newline:
            return b""
        count = self._gaps.pop(stream) + 1
        self._pending.append(HEAD.pack(GAP | stream, count))
        self._size += HEAD.size
        return HEAD.pack(stream, time.time_ns()) + rest

    def _put(self, packet: bytes) -> bool:
        try:
            self._sock.send(packet, socket.MSG_NOSIGNAL)
        except OSError:  # full, or dead: then the loop hears of it
            return False
        return True

    def _watch(self) -> None:
        if self._sock.fileno() < 0:  # dead, another one is to come
            return
        self._loop.watch(self._sock.fileno(), events.IN | (events.OUT if self._pending else 0), self._ready)

    def _ready(self, ready: int) -> None:
        if ready & (events.IN | events.HANGUP) and self._dead():
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._loop.after(_AGAIN_SECONDS, self._again)
            return
        held = bool(self._pending)
        while self._pending and self._put(self._pending[0]):
            self._size -= len(self._pending.pop(0))
        self._watch()
        if held and not self._pending:
            self._resumed()

    def _dead(self) -> bool:
        """It says nothing while it lives, but that it is ready when it was started again."""
        try:
            return not self._sock.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _again(self) -> None:
        """Another one in place of the dead; it goes on with what waits here."""
        if self._closing:
            return
        try:
            self._sock = self._start({**self._document, "again": True})
        except OSError:
            self._loop.after(_AGAIN_SECONDS, self._again)
            return
        self._watch()

    def _start(self, document: dict[str, Any]) -> socket.socket:
        ours, theirs = channel.pair()
        try:
            channel.send(ours, document, self._fds)
            package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
            launcher = os.path.join(package, "shim", "__main__.py")
            command = [sys.executable, *_FLAGS, launcher, "logger", "0"]
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
            actions += [(os.POSIX_SPAWN_DUP2, self._null, number) for number in (1, 2)]
            os.posix_spawn(sys.executable, command, {"LANG": "C.UTF-8"}, file_actions=actions, setsid=True)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        return ours


def _await_ready(sock: socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(_READY_MS):
        sock.close()
        raise LoggerError(f"{INITIALIZE}: the log server does not answer")
    message, _ = channel.receive(sock)
    if message is None or "error" in message:
        sock.close()
        raise LoggerError(f"{INITIALIZE}: {message['error'] if message else 'the logger ended: is memory short?'}")


INITIALIZE = "failed to initialize logging driver"
