"""Answers as aiohttp's engine takes them: none at all, or a whole one that is written at once."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web_request, web_response

from carrack.http.answer_head import BODILESS, answer_head

_HOLD = 64 * 1024


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
        head = answer_head(
            *(self.status, self.reason, self._fields, len(self._whole)),
            minor=request.version.minor,
            keep_alive=self._keep_alive,
        )
        body = b"" if request.method == "HEAD" or self.status in BODILESS else self._whole
        if len(body) < _HOLD:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
