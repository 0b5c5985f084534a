"""HTTP/1.1 by hand on a raw socket: what is sent is exactly what a test says, what comes back is kept as it came."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

TIMEOUT = 20.0
"""Seconds until an answer that does not come is a hang."""


class Closed(Exception):
    """The server closed the connection where an answer was expected; `held` is what had come of one."""

    def __init__(self, held: bytes) -> None:
        super().__init__(f"closed after {held[:200]!r}")
        self.held = held


@dataclass
class Answer:
    """One response. `framing` is length, chunked, close (the body ends with the connection) or none (no body)."""

    status: int
    reason: str
    version: str
    headers: list[tuple[str, str]]
    framing: str = "none"
    body: bytes = b""
    trailers: list[str] = field(default_factory=list)

    def header(self, name: str) -> str:
        """The first value of a field; empty when it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class Wire:
    """One connection to a daemon's Unix socket."""

    def __init__(self, path: str, timeout: float = TIMEOUT) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._held = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has closed already is no error, since its answer may still be read."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def shut(self) -> None:
        """Half-close: nothing more comes from us."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def answer(self, method: str = "GET") -> Answer:
        """The next response with its body, also an interim one. Raises Closed."""
        answer = self.head()
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return answer
        if answer.header("Transfer-Encoding").lower() == "chunked":
            answer.framing = "chunked"
            answer.body = self._chunks(answer)
        elif answer.header("Content-Length"):
            answer.framing = "length"
            answer.body = self.exactly(int(answer.header("Content-Length")))
        else:
            answer.framing = "close"
            answer.body = self.rest()
        return answer

    def head(self) -> Answer:
        """The next response's status line and headers."""
        lines = self._until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        status, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/") or not status.isdigit():
            raise Closed(lines[0].encode())
        fields = [line.partition(":") for line in lines[1:]]
        return Answer(int(status), reason, version, [(name, value.strip()) for name, _, value in fields])

    def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(self._until(b"\r\n").split(b";")[0], 16)
        return self.exactly(size + 2)[:-2]

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while data := self._receive():
            self._held += data
        held, self._held = self._held, b""
        return held

    def exactly(self, size: int) -> bytes:
        """The next bytes."""
        while len(self._held) < size:
            data = self._receive()
            if not data:
                raise Closed(self._held)
            self._held += data
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _chunks(self, answer: Answer) -> bytes:
        parts = []
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            if not size:
                break
            parts.append(self.exactly(size + 2)[:-2])
        while line := self._until(b"\r\n")[:-2]:
            answer.trailers.append(line.decode("latin-1"))
        return b"".join(parts)

    def _until(self, end: bytes) -> bytes:
        while end not in self._held:
            data = self._receive()
            if not data:
                raise Closed(self._held)
            self._held += data
        taken, mark, self._held = self._held.partition(end)
        return taken + mark

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            return b""
