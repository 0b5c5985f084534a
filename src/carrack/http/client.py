"""A small blocking HTTP/1.1 client for the command line, where start-up time is what a user feels.

It imports only C modules that the interpreter already has; TLS is loaded when it is used. It does what the Engine API
needs: keep-alive, bodies of known length and chunked ones in both directions, and connections that turn into raw
two-way streams (101, or Docker's older 200 with a raw body) which keep their half-close.
Framing follows RFC 9112; heads are bounded, so a mad server cannot fill the memory.
"""

import _socket

from carrack.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    class Socket(Protocol):
        """What is needed of a connected stream; the TLS adapter is the other implementation."""

        def recv(self, size: int, /) -> bytes: ...
        def sendall(self, data: bytes, /) -> None: ...
        def shutdown(self, how: int, /) -> None: ...
        def close(self) -> None: ...
        def fileno(self) -> int: ...


HEAD_LIMIT = 64 * 1024
_CHUNK = 64 * 1024
_MOST_DIGITS = 15  # of a length; more is noise


class Response:
    """An answer whose body is read on demand: ``headers`` has lower-case names, equal ones joined by a comma."""

    def __init__(self, connection: "Connection", status: int, headers: dict[str, str], bodiless: bool) -> None:
        self.status = status
        self.headers = headers
        self._connection = connection
        self._chunked = headers.get("transfer-encoding", "").lower().endswith("chunked")
        self._left: int | None = None
        if bodiless or status in (204, 304):
            self._chunked, self._left = False, 0
        elif not self._chunked and "content-length" in headers:
            self._left = _length(headers["content-length"])
        self._done = self._left == 0
        self._settle()

    def chunks(self) -> "Iterator[bytes]":
        """The body as it arrives; :class:`Unavailable` when the connection ends in its midst."""
        while data := self.read_some():
            yield data

    def read_some(self) -> bytes:
        """What is there of the body, waiting for at least one byte; empty at its end."""
        if self._done:
            return b""
        if self._chunked and not self._left and not self._next_chunk():
            return b""
        data = self._connection.receive(_CHUNK if self._left is None else min(self._left, _CHUNK))
        if self._left is not None:
            if not data:
                self.close()
                raise Unavailable("the connection ended in the middle of an answer")
            self._left -= len(data)
            if self._chunked and not self._left:
                self._connection.line()
            elif not self._left:
                self._done = True
        elif not data:
            self._done = True
        self._settle()
        return data

    def read(self, limit: int = 1 << 30) -> bytes:
        """The whole body; :class:`Unavailable` when it is longer than ``limit`` bytes."""
        parts, size = [], 0
        for data in self.chunks():
            size += len(data)
            if size > limit:
                self.close()
                raise Unavailable(f"an answer is longer than {limit} bytes")
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """Give the rest of the body up, and the connection with it unless all has been read."""
        if not self._done:
            self._done = True
            self._connection.close()

    def leave(self) -> None:
        """Close the connection too: nobody asks anything else on it."""
        self._done = True
        self._connection.close()

    def hijack(self) -> "Stream":
        """The raw stream that the connection has become after an answer of 101, or of 200 with a raw body."""
        self._done = True
        return self._connection.detach()

    def _next_chunk(self) -> bool:
        size = self._connection.line().partition(b";")[0].strip()
        if not 0 < len(size) <= _MOST_DIGITS or size.strip(b"0123456789abcdefABCDEF"):
            self.close()
            raise Unavailable(f"a malformed answer: chunk size {size[:20]!r}")
        self._left = int(size, 16)
        if self._left:
            return True
        while self._connection.line():
            pass
        self._done = True
        self._settle()
        return False

    def _settle(self) -> None:
        """Once all is read, the connection may carry the next request, unless the server said otherwise."""
        if self._done and self.status != 101:
            if self.headers.get("connection", "").lower() == "close" or (self._left is None and not self._chunked):
                self._connection.close()
            else:
                self._connection.idle = True


class Connection:
    """One connection: requests one after another, each answer read before the next request (no pipelining)."""

    def __init__(self, sock: "Socket", host: str = "carrack") -> None:
        self._sock: Socket | None = sock
        self._host = host
        self._buffer = b""
        self.idle = True

    @property
    def reusable(self) -> bool:
        """Whether the next request may use it: nothing half-read, and the server has not hung up meanwhile."""
        if self._sock is None or not self.idle or self._buffer:
            return False
        if not isinstance(self._sock, _socket.socket):  # TLS, which may have read ahead
            import select

            poll = select.poll()
            poll.register(self._sock.fileno(), select.POLLIN)
            return not poll.poll(0)
        try:
            self._sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def request(
        self,
        method: str,
        target: str,
        headers: "Iterable[tuple[str, str]]" = (),
        body: "bytes | Iterable[bytes] | None" = None,
    ) -> Response:
        """Send a request and read the head of its answer. A body that is not bytes goes out in chunks."""
        self.send(method, target, headers, body)
        return self.answer(method)

    def send(
        self,
        method: str,
        target: str,
        headers: "Iterable[tuple[str, str]]" = (),
        body: "bytes | Iterable[bytes] | None" = None,
    ) -> None:
        """Send a request, whose answer is read later."""
        self.idle = False
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", "User-Agent: carrack"]
        lines += [f"{name}: {value}" for name, value in headers]
        if isinstance(body, bytes):
            lines.append(f"Content-Length: {len(body)}")
        elif body is not None:
            lines.append("Transfer-Encoding: chunked")
        elif method not in ("GET", "HEAD"):
            lines.append("Content-Length: 0")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line end within a request head")
        head = "\r\n".join([*lines, "", ""]).encode()
        try:
            self._send(head, body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may have answered, and hung up, before it had read everything

    def answer(self, method: str) -> Response:
        """The head of the answer to what was sent."""
        status, headers = self._head()
        while 100 <= status < 200 and status != 101:
            status, headers = self._head()
        return Response(self, status, headers, bodiless=method == "HEAD")

    def receive(self, size: int) -> bytes:
        """At most ``size`` bytes, what was read beforehand first; empty at the end of the stream."""
        if self._buffer:
            data, self._buffer = self._buffer[:size], self._buffer[size:]
            return data
        return self._sock.recv(size) if self._sock is not None else b""

    def line(self) -> bytes:
        """The next line without its end; lines are bounded as heads are."""
        while b"\n" not in self._buffer:
            data = self._sock.recv(_CHUNK) if self._sock is not None else b""
            if not data or len(self._buffer) > HEAD_LIMIT:
                self.close()
                raise Unavailable(
                    "the connection ended in the middle of an answer" if not data else "an answer's head is too long"
                )
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def detach(self) -> "Stream":
        """Hand the socket over, with what has been read ahead; this object is closed afterwards."""
        if self._sock is None:
            raise Unavailable("the connection is closed")
        stream = Stream(self._sock, self._buffer)
        self._sock, self._buffer = None, b""
        return stream

    def close(self) -> None:
        self.idle = False
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _send(self, head: bytes, body: "bytes | Iterable[bytes] | None") -> None:
        if self._sock is None:
            raise Unavailable("the connection is closed")
        if body is None or isinstance(body, bytes):
            self._sock.sendall(head + (body or b""))
            return
        self._sock.sendall(head)
        for chunk in body:
            if chunk:
                self._sock.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self._sock.sendall(b"0\r\n\r\n")

    def _head(self) -> tuple[int, dict[str, str]]:
        first = self.line()
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            self.close()
            raise Unavailable(f"not an HTTP answer: {first[:60]!r}")
        headers: dict[str, str] = {}
        size = len(first)
        while line := self.line():
            size += len(line)
            name, colon, value = line.partition(b":")
            if size > HEAD_LIMIT or not colon:
                self.close()
                raise Unavailable("a malformed answer: its head is too long or has a line without a colon")
            key, text = name.decode("latin-1").lower(), value.strip().decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return int(rest[:3]), headers


class Stream:
    """A two-way stream after a hijack; reading and writing may happen in two threads."""

    def __init__(self, sock: "Socket", ahead: bytes = b"") -> None:
        self._sock = sock
        self._ahead = ahead

    def read(self, size: int = _CHUNK) -> bytes:
        """What is there, at most ``size`` bytes; empty when the other side has ended."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        try:
            return self._sock.recv(size)
        except ConnectionResetError:
            return b""

    def write(self, data: bytes) -> None:
        self._sock.sendall(data)

    def end(self) -> None:
        """Half-close: no more will be written; reading goes on."""
        try:
            self._sock.shutdown(_socket.SHUT_WR)
        except OSError:
            pass  # the other side was faster

    def abort(self) -> None:
        """End both directions, waking a reader in another thread."""
        try:
            self._sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        self._sock.close()


def connect_unix(path: str) -> Connection:
    """A connection to a Unix socket; OSError carries the path."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, path) from None
    return Connection(sock)


def connect_tcp(host: str, port: int) -> _socket.socket:
    """A connected TCP socket, the first of the host's addresses that answers; OSError carries ``host:port``."""
    failure: OSError | None = None
    for family, kind, protocol, _, address in _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM):
        sock = _socket.socket(family, kind, protocol)
        try:
            sock.connect(address)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    if failure is None:
        raise OSError(0, "no address found", f"{host}:{port}")
    raise OSError(failure.errno, failure.strerror, f"{host}:{port}") from None


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise Unavailable(f"a malformed answer: content length {text[:20]!r}")
    return int(text)
