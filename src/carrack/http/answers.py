"""Answers as aiohttp's engine takes them: none at all, or a whole one that is written at once."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from email.utils import formatdate

from aiohttp import web_request, web_response

_HOLD = 64 * 1024
_BODILESS = (204, 304)


class Unanswered(web_response.StreamResponse):
    """Tells aiohttp that there is nothing to answer, because the client has gone; the connection ends."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web_request.BaseRequest) -> None:
        """aiohttp: there is no head to send."""

    async def write_eof(self, data: bytes = b"") -> None:
        """aiohttp: nor an end."""


class WholeResponse(web_response.StreamResponse):
    """A whole answer with the headers given and no name of the server but the one among them, written at once.

    aiohttp's own way to write an answer costs more than many a handler.
    """

    def __init__(self, *, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status=status)
        self._whole = body
        self._fields = headers
        self._to: web_request.BaseRequest | None = None

    async def prepare(self, request: web_request.BaseRequest) -> None:
        """aiohttp: the head is written with the body."""
        self._to = request

    async def write_eof(self, data: bytes = b"") -> None:
        """aiohttp: write it all. Raises ConnectionResetError when the client has gone."""
        request, self._to = self._to, None
        if request is None:
            return
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has closed the connection")
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        head = self._head(request)
        body = b"" if request.method == "HEAD" or self.status in _BODILESS else self._whole
        if len(body) < _HOLD:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)

    def _head(self, request: web_request.BaseRequest) -> bytes:
        """RFC 9112. Raises ValueError when a header would be more than one line."""
        major, minor = request.version
        lines = [f"HTTP/{major}.{minor} {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self._fields.items()]
        if self.status not in _BODILESS and "Content-Length" not in self._fields:
            lines.append(f"Content-Length: {len(self._whole)}")
        lines.append(f"Date: {_date(int(time.time()))}")
        if self._keep_alive and minor == 0:
            lines.append("Connection: keep-alive")
        elif not self._keep_alive and minor:
            lines.append("Connection: close")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line end within a header of an answer")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


@functools.lru_cache(2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
