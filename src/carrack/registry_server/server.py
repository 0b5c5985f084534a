"""Accepts clients, each of them served by a thread of its own, to a limit."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time

from carrack.http.head import FramingError
from carrack.registry_server.connection import Connection
from carrack.registry_server.message import Handler
from carrack.registry_server.wire import Wire

log = logging.getLogger(__name__)

MOST = 1024
"""Clients at a time. For one more an idle connection is ended; where all are at work, it is told to come again."""

BACKLOG = 1024


class Server:
    """Serves `handler` on any number of listening sockets, to at most `most` clients at a time."""

    def __init__(self, handler: Handler, most: int = MOST) -> None:
        self._handler = handler
        self._most = most
        self._listeners: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._closing = False

    def listen(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a bound stream socket, which this object owns from now on."""
        sock.listen(BACKLOG)
        self._listeners.append(sock)
        threading.Thread(target=self._accept, args=(sock, tls), name="accept", daemon=True).start()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def close(self, grace: float = 10.0) -> None:
        """Accept no more; requests being served get `grace` seconds, idle connections none."""
        self._closing = True
        for listener in self._listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)  # which wakes accept(2), as close alone does not
            except OSError:
                pass
            listener.close()
        end = time.monotonic() + grace
        with self._changed:
            for connection in self._connections:
                connection.stop()
            while self._connections and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            for connection in self._connections:
                connection.cut()

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        while not self._closing:
            try:
                sock, address = listener.accept()
            except OSError as error:
                if self._closing or listener.fileno() < 0:
                    return
                log.warning("a client could not be accepted: %s", error)
                time.sleep(0.1)  # no descriptors, mostly
                continue
            peer = f"{address[0]}:{address[1]}" if isinstance(address, tuple) and address else "unix"
            self._take(Connection(Wire(sock, tls), self._handler, peer), sock, secure=tls is not None)

    def _take(self, connection: Connection, sock: socket.socket, *, secure: bool) -> None:
        with self._lock:
            room = not self._closing and (len(self._connections) < self._most or self._end_an_idle_one())
            if room:
                self._connections.add(connection)
        if room:
            try:
                threading.Thread(target=self._serve, args=(connection,), name="client", daemon=True).start()
                return
            except RuntimeError as error:  # no more threads
                log.warning("a client cannot be served: %s", error)
                with self._lock:
                    self._connections.discard(connection)
        try:
            if not secure:
                sock.setblocking(False)
                sock.send(FramingError(503, "the registry is full; try again later", told=True).answer())
        except OSError:
            pass
        sock.close()

    def _end_an_idle_one(self) -> bool:
        """With the lock held: make room; False when nobody is idle. Who is being ended does not count any more."""
        idle = next((each for each in self._connections if each.idle), None)
        if idle is None:
            return False
        idle.stop()
        self._connections.discard(idle)
        return True

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()
