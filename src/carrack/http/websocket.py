"""Attach over WebSocket, for clients in browsers and dashboards: a byte stream with the shape of a hijacked one.

Messages carry plain output, never frames (Engine API, "Attach to a container via a websocket"), so the multiplexed
stream that programs without a terminal write is taken apart here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web_request
from aiohttp.http import WSMsgType

from carrack.http.stdcopy import FrameReader

if TYPE_CHECKING:
    from aiohttp import web_ws

_MAX_MESSAGE = 1024 * 1024
_CLOSE_TIMEOUT = 2.0


class WebSocketStream:
    """A byte stream to the client; see `http.hijack.HijackedStream` for what the methods promise."""

    def __init__(self, response: web_ws.WebSocketResponse, *, framed: bool) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.response = response
        self._frames = FrameReader() if framed else None
        self._pending: list[bytes] = []
        self._closing = False

    async def read(self) -> bytes:
        """The next message's bytes; empty once the client has closed."""
        while not self.closed.done():
            message = await self.response.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                self._end()
            elif message.data:
                data: bytes = message.data.encode() if message.type is WSMsgType.TEXT else message.data
                return data
        return b""

    def write(self, data: bytes) -> None:
        """Queue bytes; they are sent by `drain` or at the end."""
        if self._closing or self.closed.done():
            return
        if self._frames is None:
            self._pending.append(data)
        else:
            self._pending += [payload for _, payload in self._frames.feed(data)]

    async def drain(self) -> None:
        """Send what was written. Raises ConnectionResetError when the client has gone."""
        data, self._pending = b"".join(self._pending), []
        if self.closed.done():
            raise ConnectionResetError("the client has closed the connection")
        if data:
            try:
                await self.response.send_bytes(data)
            except ConnectionError:
                self._end()
                raise

    def close(self) -> None:
        """Take no more output; what was written is sent by `finish`."""
        self._closing = True

    async def finish(self) -> None:
        """Send the rest and close; for the one who answers the request."""
        try:
            await self.drain()
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self.response.close()
        except (ConnectionError, TimeoutError):
            pass
        self._end()

    def _end(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def upgrade(request: web_request.BaseRequest, *, framed: bool) -> WebSocketStream:
    """Answer the WebSocket handshake. `framed`: what will be written is multiplexed.

    Raises aiohttp's HTTPBadRequest when the request is no handshake.
    """
    from aiohttp import web_ws  # when somebody wants it: few do

    response = web_ws.WebSocketResponse(max_msg_size=_MAX_MESSAGE, timeout=_CLOSE_TIMEOUT)
    await response.prepare(request)
    return WebSocketStream(response, framed=framed)
