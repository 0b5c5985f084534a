"""One client's socket, in the hands of the thread that serves it.

Everything blocks, for at most `STALL` seconds without a byte: reading, hashing, writing to disk and sendfile(2) release
the interpreter's lock, so threads run beside each other where it counts, and a blob goes from the page cache to the
socket without being copied.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time

STALL = 60.0
"""Seconds that a client may let pass without taking or giving a byte, within a request."""

HANDSHAKE = 30.0
"""Seconds for the whole of a TLS handshake."""

_FILE_STEP = 8 << 20
_TLS_STEP = 256 << 10
_MORE: int = socket.MSG_MORE


class Wire:
    """The bytes of one accepted connection. `rest` holds what was received and not yet used."""

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.secure = tls is not None
        self.socket = sock
        self._tls = tls
        self.rest = b""

    def open(self) -> None:
        """The handshake, with TLS. Raises OSError (ssl.SSLError too)."""
        if self._tls is not None:
            self.socket.settimeout(HANDSHAKE)
            self.socket = self._tls.wrap_socket(self.socket, server_side=True)
            self.socket.settimeout(None)
        self.patience(STALL)

    def patience(self, seconds: float) -> None:
        """How long one call may wait for the client (SO_RCVTIMEO, SO_SNDTIMEO of socket(7))."""
        limit = struct.pack("@qq", int(seconds), int(seconds % 1 * 1e6))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def receive(self, size: int) -> bytes:
        """Some bytes; b"" at the end. Raises TimeoutError, OSError."""
        try:
            return self.socket.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError) as error:
            raise TimeoutError("the client sends nothing") from error

    def receive_into(self, view: memoryview | bytearray, *, whole: bool = False) -> int:
        """Fill some of `view`, with `whole` all of it as long as bytes keep coming; 0 at the end."""
        flags = socket.MSG_WAITALL if whole and not self.secure else 0
        try:
            return self.socket.recv_into(view, 0, flags)
        except (BlockingIOError, ssl.SSLWantReadError) as error:
            raise TimeoutError("the client sends nothing") from error

    def send(self, data: bytes | memoryview, *, more: bool = False) -> None:
        """Send all of it; `more` follows at once. Raises TimeoutError, OSError."""
        try:
            self.socket.sendall(data, _MORE if more and not self.secure else 0)
        except (BlockingIOError, ssl.SSLWantWriteError) as error:
            raise TimeoutError("the client takes nothing") from error

    def send_file(self, fd: int, offset: int, size: int) -> None:
        """Send `size` bytes of a file. Raises TimeoutError, OSError (also when the file is shorter)."""
        while size > 0:
            sent = self._send_piece(fd, offset, size)
            if not sent:
                raise ConnectionAbortedError("the file is shorter than it was")
            offset += sent
            size -= sent

    def _send_piece(self, fd: int, offset: int, size: int) -> int:
        if self.secure:
            data = os.pread(fd, min(size, _TLS_STEP), offset)
            self.send(data)
            return len(data)
        try:
            return os.sendfile(self.socket.fileno(), fd, offset, min(size, _FILE_STEP))
        except BlockingIOError as error:
            raise TimeoutError("the client takes nothing") from error

    def close(self, linger: float = 0.0) -> None:
        """End it; with `linger` an unread body is taken for so many seconds, so that the client can read the answer."""
        try:
            if linger and not self.secure:
                self.socket.shutdown(socket.SHUT_WR)
                self.patience(linger)
                end = time.monotonic() + linger
                while time.monotonic() < end and self.receive(1 << 16):
                    pass
        except OSError:
            pass
        self.socket.close()

    def wake(self) -> None:
        """For another thread: whoever waits here for the client waits no longer."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already
