"""The logger: a process beside a container whose log goes to a server, or must never wait for a disk.

It is a program of its own, so that the shim stays small and what a driver needs (TLS, HTTP) is loaded only here; it
depends neither on the daemon nor, once started, on the shim. Its standard input is a socket to the shim: first a
document with descriptors, answered by ``{"ready": true}`` or ``{"error": text}``; then packets of the program's output,
each a head (stream, time) and bytes, or a gap: how many
lines of a stream were dropped; their end is answered by ``{"closed": true}`` once the cache is written.

One thread reads, cuts lines and writes the cache from which ``docker logs`` is answered; another sends. What the
server did not take is counted in the file ``log-status`` beside the log.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import threading
import time

from carrack.errors import CarrackError
from carrack.runtime import channel
from carrack.shim.logs import drivers
from carrack.shim.logs.files import FileDriver, open_file
from carrack.shim.logs.lines import Cutter
from carrack.shim.logs.ring import Ring
from carrack.shim.logs.spawn import GAP
from carrack.shim.logs.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from carrack.shim.logs.lines import Message
    from carrack.shim.logs.task import Driver

HEAD = struct.Struct("<Bq")
STATUS_FILE = "log-status"
PACKET_LIMIT = 128 * 1024
#: how much waits for a server before a blocking container waits too
_BLOCKING_BYTES = 256 * 1024
#: how long a server is waited for after the container's end, as dockerd waits for its loggers
FAREWELL_SECONDS = 10.0
_STATUS_SECONDS = 1.0


class Status:
    """What became of messages, on file for the daemon: written when it changes, once a second at most."""

    def __init__(self, directory_fd: int) -> None:
        self._directory = directory_fd
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._written: dict[str, Any] = {"dropped": 0, "lost": 0, "error": ""}
        self._at = 0.0
        self.dropped = self.lost = 0
        self.error = ""

    def tell(self, dropped: int, *, now: bool = False) -> None:
        """Write it now, or when a second has passed since the last time."""
        with self._lock:
            self.dropped = dropped
            state = {"dropped": dropped, "lost": self.lost, "error": self.error}
            if state == self._written:
                return
            if now or time.monotonic() - self._at >= _STATUS_SECONDS:
                self._written, self._at = state, time.monotonic()
                self._write(state)
            elif self._timer is None:
                self._timer = threading.Timer(_STATUS_SECONDS, self._late)
                self._timer.daemon = True
                self._timer.start()

    def _late(self) -> None:
        self._timer = None
        self.tell(self.dropped, now=True)

    def _write(self, state: dict[str, Any]) -> None:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(STATUS_FILE + ".tmp", flags, 0o640, dir_fd=self._directory)
            try:
                os.write(fd, json.dumps(state).encode())
            finally:
                os.close(fd)
            os.rename(STATUS_FILE + ".tmp", STATUS_FILE, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except OSError:  # the container was removed, or the disk is full
            pass

    def forget(self) -> None:
        """Of the run before."""
        try:
            os.unlink(STATUS_FILE, dir_fd=self._directory)
        except OSError:
            pass


class Logger:
    """One container's."""

    def __init__(self, sock: socket.socket, document: dict[str, Any], fds: list[int]) -> None:
        self._sock = sock
        self._cutter = Cutter()
        self._status = Status(fds[0])
        self._cache = open_file(fds[0], document["cache"]) if document.get("cache") else None
        file = document.get("file")
        self._driver: Driver = FileDriver(fds[0], file) if file else drivers.make(Task(document["task"]))
        self._in_hand = 0
        self._ring = Ring(
            document.get("max_buffer") or _BLOCKING_BYTES,
            blocking=bool(document.get("blocking")),
            max_messages=document.get("max_messages") or 1 << 30,
            over=self._hung_up,
        )
        if not document.get("again"):
            self._status.forget()

    def connect(self) -> None:
        """Raises OSError or CarrackError when the server, or the file, cannot be had."""
        self._driver.connect()

    def serve(self) -> None:
        """Until the program's output has ended and was sent, or its server was waited for long enough."""
        sender = threading.Thread(target=self._send, daemon=True)
        sender.start()
        while packet := self._receive():
            stream, when = HEAD.unpack_from(packet)
            if stream & GAP:  # so many lines were dropped on the other side
                self._cutter.forget(stream & ~GAP)
                self._ring.dropped += when
                continue
            self._take(self._cutter.feed(stream, when, packet[HEAD.size :]))
        self._take(self._cutter.rest())
        if self._cache is not None:
            self._cache.close()
        self._ring.end()
        if isinstance(self._driver, FileDriver):  # what is read back from it must be there when the exit is told
            sender.join(FAREWELL_SECONDS)
        self._answer({"closed": True})
        sender.join(FAREWELL_SECONDS)
        self._status.lost += self._in_hand + self._ring.waiting + self._driver.held
        self._status.tell(self._ring.dropped, now=True)

    def _receive(self) -> bytes:
        try:
            return self._sock.recv(PACKET_LIMIT)
        except OSError:
            return b""

    def _answer(self, message: dict[str, Any]) -> None:
        try:
            channel.send(self._sock, message)
        except OSError:
            pass

    def _hung_up(self) -> bool:
        """Whether the shim has gone, or sends no more."""
        poll = select.poll()
        poll.register(self._sock, select.POLLRDHUP)
        return bool(poll.poll(0))

    def _take(self, messages: list[Message]) -> None:
        if self._cache is not None:
            self._cache.add(messages)
        self._ring.put(messages)
        if self._ring.dropped:
            self._status.tell(self._ring.dropped)

    def _send(self) -> None:
        waits = False
        while not self._ring.ended:
            taken = self._ring.take(self._driver.linger if waits or self._driver.held else None)
            waits = bool(taken)
            self._in_hand = len(taken)
            for message in taken:
                self._try(message)
                self._in_hand -= 1
            if not taken:
                self._try(None)
        self._try(None)
        self._driver.close()

    def _try(self, message: Message | None) -> None:
        try:
            if message is None:
                self._driver.flush()
            else:
                self._driver.send(message)
        except (OSError, CarrackError) as error:
            self._status.lost += getattr(error, "messages", 1 if message is not None else 0)
            self._status.error = str(error)
            self._status.tell(self._ring.dropped)


def main(descriptor: int) -> NoReturn:
    """The program; ends with status 1 when it could not begin."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sock = socket.socket(fileno=descriptor)
    document, fds = channel.receive(sock)
    if document is None:
        raise SystemExit(1)
    try:
        logger = Logger(sock, document, fds)
        try:
            logger.connect()
        except (OSError, CarrackError):
            if not document.get("again"):
                raise
        channel.send(sock, {"ready": True})
    except (OSError, CarrackError, ValueError, LookupError) as error:
        channel.send(sock, {"error": str(error)})
        raise SystemExit(1) from None
    logger.serve()
    os._exit(0)
