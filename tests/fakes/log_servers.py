"""Log servers on loopback, each one thread, for the tests of the drivers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

SECONDS = 20


class Server:
    """What came, as it came: datagrams one by one, streams as one text per connection."""

    def __init__(self, sock: socket.socket, reply: Callable[[bytes], bytes] | None = None) -> None:
        self.sock = sock
        self.got: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.ended = threading.Event()
        self._reply = reply
        self._changed = threading.Condition()

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def wait(self, enough: Callable[[list[bytes]], bool]) -> list[bytes]:
        """What came, as soon as it is enough."""
        end = time.monotonic() + SECONDS
        with self._changed:
            while not enough(self.got):
                assert self._changed.wait(max(0, end - time.monotonic())), f"only {self.got!r} came"
            return list(self.got)

    def datagrams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = self.sock.recv(1 << 17)
                if not data:
                    return
                with self._changed:
                    self.got.append(data)
                    self._changed.notify_all()

    def streams(self, tls: ssl.SSLContext | None = None) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.sock.accept()
                self.connections.append(connection)
                threading.Thread(target=self._stream, args=(connection, tls), daemon=True).start()

    def _more(self, connection: socket.socket) -> bytes:
        """What comes next; nothing when the server is told to end its connections."""
        while not self.ended.is_set():
            with contextlib.suppress(TimeoutError):
                return connection.recv(1 << 16)
        return b""

    def _stream(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            held.enter_context(connection)
            if tls:
                connection = held.enter_context(tls.wrap_socket(connection, server_side=True))
            with self._changed:
                number = len(self.got)
                self.got.append(b"")
            connection.settimeout(0.05)
            while data := self._more(connection):
                with self._changed:
                    self.got[number] += data
                    self._changed.notify_all()
                if self._reply is not None:
                    connection.sendall(self._reply(data))


@contextlib.contextmanager
def udp() -> Iterator[Server]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        server = Server(sock)
        threading.Thread(target=server.datagrams, daemon=True).start()
        yield server
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tcp(
    reply: Callable[[bytes], bytes] | None = None, tls: ssl.SSLContext | None = None, port: int = 0
) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", port)) as sock:
        server = Server(sock, reply)
        threading.Thread(target=server.streams, args=(tls,), daemon=True).start()
        yield server
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def unix(path: str, kind: int = socket.SOCK_STREAM) -> Iterator[Server]:
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(path)
        server = Server(sock)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        run = server.streams if kind == socket.SOCK_STREAM else server.datagrams
        threading.Thread(target=run, daemon=True).start()
        yield server
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
