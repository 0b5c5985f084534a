"""HTTP/2 from the first byte: told from HTTP/1 by its preface (RFC 9113, 3.4) before a request is read. Pure.

The API's own requests are HTTP/1; what clients speak HTTP/2 for are gRPC services, which others reach by an upgrade. So
a connection that begins with the preface is taken for one that has asked for that upgrade: it passes the same door and
the same plugins, and only the answer to the upgrade is left out (`http.hijack`).
"""

from __future__ import annotations

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Opening:
    """The first bytes of one connection, as long as they may be a preface. ``path``: where gRPC is upgraded to."""

    __slots__ = ("_data", "_path", "native")

    def __init__(self, path: str) -> None:
        self._path = path
        self._data = b""
        self.native = False
        """Whether it was one."""

    def take(self, data: bytes) -> bytes | None:
        """What is to be read as HTTP/1, the preface left behind it for who takes the connection over; None while it
        cannot be told."""
        self._data += data
        if not self._data.startswith(PREFACE):
            return None if PREFACE.startswith(self._data) else self._data
        self.native = True
        head = f"POST {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        return head.encode() + self._data

    @property
    def begun(self) -> bytes:
        """What has come so far."""
        return self._data
