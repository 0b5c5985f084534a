"""Answers that are written while they are made: each write is sent at once, and a client that goes away ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web_request, web_response

from carrack.api.response import StreamResponse, encode_json
from carrack.http.server import Connection


class ClientGone(ConnectionError):
    """The client went away while its answer was being written; there is nobody left to tell anything."""


class _Stream(web_response.StreamResponse):
    """The head waits for the first write, to go out with it; aiohttp has that switch for its own answers."""

    _send_headers_immediately = False


class StreamWriter:
    """Where a streaming handler writes. Every write waits until the client has taken enough of it.

    `permitted` is awaited before the first byte goes out; what it raises goes to the handler.
    """

    __slots__ = ("_permitted", "_raw", "_response", "ended")

    def __init__(
        self,
        raw: web_request.BaseRequest,
        response: web_response.StreamResponse,
        permitted: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._raw = raw
        self._response = response
        self._permitted = permitted
        self.ended = False
        """Whether all has been sent."""

    @property
    def started(self) -> bool:
        """Whether the status and headers have been sent."""
        return self._response.prepared

    @property
    def headers(self) -> Any:
        """The answer's headers, to change before it has started."""
        return self._response.headers

    async def prepare(self) -> None:
        """Make the status and headers final; they go out with the first write."""
        if self._permitted is not None:
            await self._permitted()
        await self._response.prepare(self._raw)

    async def start(self) -> None:
        """Send the status and headers now, before there is anything to write."""
        if not self._response.prepared:
            await self.prepare()
            # An empty chunk would end the body; the head itself waits for the first write in aiohttp's buffer.
            self._raw.writer.send_headers()

    async def write(self, data: bytes) -> None:
        """Send `data`. Raises ConnectionError when the client has gone."""
        if not self._response.prepared:
            await self.prepare()
        if data:
            await self._response.write(data)

    async def json(self, *values: Any) -> None:
        """Send each value as one JSON line, all of them at once."""
        await self.write(b"".join(map(encode_json, values)))

    async def end(self, *values: Any) -> None:
        """The same with the end of the answer: the client need not wait for what the producer then clears away, nor
        does it end that by going."""
        if not self._response.prepared:
            await self.prepare()
        _connection(self._raw).on_gone(None)
        await self._response.write_eof(b"".join(map(encode_json, values)))
        self.ended = True


async def send(
    raw: web_request.BaseRequest,
    answer: StreamResponse,
    headers: Mapping[str, str],
    permitted: Callable[[], Awaitable[None]] | None = None,
) -> web_response.StreamResponse:
    """Run the answer's producer until it ends or the client goes away; `permitted` is as for `StreamWriter`.

    Its failure is raised when nothing has been sent yet; later the connection is cut short, which tells the client.
    """
    response = _Stream(status=answer.status, headers={**headers, **answer.headers})
    if answer.content_type:
        response.headers["Content-Type"] = answer.content_type
    if raw.version >= (1, 1):
        response.enable_chunked_encoding()
    writer = StreamWriter(raw, response, permitted)
    if raw.method == "HEAD":
        if permitted is not None:
            await permitted()
        return response
    gone = await _produce(_connection(raw), answer, writer)
    if writer.ended:
        return response
    if gone or raw.transport is None:
        response.force_close()
        raise ClientGone("the client has closed the connection")
    if not response.prepared:
        await writer.prepare()
    return response


def _connection(raw: web_request.BaseRequest) -> Connection:
    found: Connection = raw.protocol.connection  # type: ignore[attr-defined]
    return found


async def _produce(connection: Connection, answer: StreamResponse, writer: StreamWriter) -> bool:
    """Run the producer; True when the client went away first."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    def cancel() -> None:
        nonlocal gone
        gone = True
        task.cancel()

    connection.on_gone(cancel)
    try:
        await answer.produce(writer)
    except asyncio.CancelledError:
        if not gone or task.uncancel() > 0:
            raise
    except ConnectionError:
        if connection.open:
            raise
        gone = True
    except Exception:
        if not writer.started:
            raise
        connection.abort()
        raise
    finally:
        connection.on_gone(None)
    return gone
