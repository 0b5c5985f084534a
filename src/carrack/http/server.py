"""The server's face to the wire: connections in front of aiohttp's HTTP engine.

A `Connection` owns one accepted transport. It hands aiohttp exactly one request at a time, so that a handler can
take the connection over (`http.hijack`) and find every byte that followed its request; it keeps a half-closed
connection open until the answer is written; and it tells a streaming answer when its client has gone.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web_protocol, web_request, web_response, web_server
from aiohttp.streams import StreamReader

from carrack.http.framing import RequestFramer
from carrack.http.gate import Gate, usual_limit
from carrack.http.head import MAX_HEAD, FramingError
from carrack.http.lent import LentBody
from carrack.http.preface import Opening
from carrack.http.tls import TlsProtocol

Handler = Callable[[web_request.BaseRequest], Awaitable[web_response.StreamResponse]]

HEAD_TIMEOUT = 60.0
"""Seconds a client may take to send its request line and headers."""

SILENCE = 300.0
"""Seconds a client may be connected without having sent anything."""

LINGER = 2.0
"""Seconds an unread body is still taken after the answer, so that the client can read the answer."""

BACKLOG = 4096
"""Connections that may wait to be accepted; beyond them a unix socket refuses at once (EAGAIN). The kernel cuts it to
net.core.somaxconn."""

_HOLD = 64 * 1024
_RECEIVE = 96 * 1024
"""Bytes that asyncio asks the kernel for at a time. It asks for 256 KiB by itself, a size for which malloc(3) maps
fresh pages each time: the page faults cost more than the bytes."""


class _Engine(web_protocol.RequestHandler):
    """aiohttp's connection state machine, which tells its Connection when an answer is finished."""

    __slots__ = ("connection",)

    connection: Connection

    async def finish_response(
        self, request: web_request.BaseRequest, resp: web_response.StreamResponse, start_time: float | None
    ) -> tuple[web_response.StreamResponse, bool]:
        """Write the answer, then let the next request in."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.connection.answered(last=resp.keep_alive is False)


class _EngineFactory(web_server.Server):
    """Makes one `_Engine` per connection."""

    def __call__(self) -> _Engine:
        return _Engine(self, loop=self._loop, **self._kwargs)


class Connection(asyncio.Protocol):
    """One client connection, from its first byte until it is closed or hijacked."""

    def __init__(
        self,
        engine: _Engine,
        peers: set[Connection],
        head_timeout: float = HEAD_TIMEOUT,
        gate: Gate | None = None,
        native: str = "",
    ) -> None:
        """``native``: where HTTP/2 from the first byte goes, "" for nowhere (see `http.preface`)."""
        engine.connection = self
        self._peers = peers
        self._gate = gate
        self._engine = engine
        self._framer = RequestFramer()
        self._opening: Opening | None = Opening(native) if native else None
        self.native = False
        """Whether the client speaks HTTP/2, and is to get no answer of HTTP/1."""
        self._head_timeout = head_timeout
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._answered_early = False
        self._half_closed = False
        self._held = False
        self._clogged = False
        self._put_off = False
        self._on_gone: Callable[[], None] | None = None
        self._lent: Callable[[], None] | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """The wire. Raises ConnectionResetError once it is gone."""
        if self._transport is None:
            raise ConnectionResetError("the client has closed the connection")
        return self._transport

    def on_gone(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called once when the client goes away (or half-closes) before the answer is finished."""
        self._on_gone = callback
        if callback is not None and (self._half_closed or self._transport is None):
            self._gone()

    def lend(self, content: StreamReader) -> LentBody | None:
        """Let a thread read the rest of a chunked body, of which `content` has the beginning, from the socket itself.
        The engine gets nothing more on this connection, which has to end with its answer.

        None where that cannot be: with TLS, or when the body has a length, has been read already or is half a line.
        """
        transport = self.transport
        if not hasattr(transport, "max_size") or not self._framer.in_chunks or transport.is_closing():
            return None
        begun = content.read_nowait()  # which may make aiohttp read on, and so comes before the pause
        transport.pause_reading()
        self._lent = content.feed_eof
        return LentBody(transport.get_extra_info("socket"), self._framer, [begun], self._take_back)

    def _take_back(self, gone: bool) -> None:
        """What still comes of the body is passed over."""
        if self._lent is not None and self._framer.complete:
            self._lent()
        if self._transport is not None and gone:
            self._transport.close()
        elif self._transport is not None:
            self._transport.resume_reading()

    def take_over(self, protocol: asyncio.Protocol) -> bytes:
        """Give the transport to `protocol`; return the bytes that followed the request.

        The request's body must have been read. `connection_lost` stays to be called on this object afterwards.
        """
        if not self._framer.complete:
            raise ConnectionError("the request's body has not been read to its end")
        rest, self._framer.rest = self._framer.rest, b""
        self._on_gone = None
        transport = self.transport
        transport.set_protocol(protocol)
        transport.resume_reading()
        return rest

    @property
    def half_closed(self) -> bool:
        """Whether the client has already sent its last byte."""
        return self._half_closed

    @property
    def open(self) -> bool:
        """Whether what is written now can reach the client."""
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        """Drop the connection without finishing the answer, so that the client sees it was cut short."""
        if self._transport is not None:
            self._transport.abort()

    def shut_down(self) -> None:
        """The server stops: end what would go on for ever, a stream or a connection that was taken over."""
        if self._transport is not None and self._transport.get_protocol() is not self:
            self._transport.close()
        self._gone()

    def answered(self, *, last: bool = False) -> None:
        """The engine has written an answer: let the next request in, unless it was told to be the last."""
        self._on_gone = None
        if last and not self._framer.complete:
            # The rest of the body may never come: what does come is not to be taken for it, nor for a request.
            self._framer.end()
        if self._transport is None or self._transport.get_protocol() is not self:
            return
        if not self._framer.complete:
            self._answered_early = True
            return
        self._go_on()

    def _go_on(self) -> None:
        """Let the next request in; one that asks on and on without reading the answers waits until it has read."""
        if self._transport is None:
            return
        if self._clogged:
            self._put_off = True
            return
        self._framer.next()
        if self._held:
            self._held = False
            self._transport.resume_reading()
        self._feed(b"")
        if self._half_closed and not self._framer.complete:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        if self._gate is not None and not self._gate.enter(self):
            self._turn_away(self._gate)
            return
        self._timer = asyncio.get_running_loop().call_later(SILENCE, self._transport.close)
        if hasattr(transport, "max_size"):
            transport.max_size = _RECEIVE
        self._peers.add(self)
        self._engine.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol."""
        if self._opening is not None and self in self._peers:
            self._open(self._opening, data)
        elif self in self._peers:
            self._feed(data)

    def eof_received(self) -> bool:
        """asyncio.Protocol: stay open for writing while an answer is owed."""
        self._half_closed = True
        if self._opening is not None and self._opening.begun:
            self._refuse(FramingError(400, "half a request"))
        if not self._framer.complete:
            if self._framer.in_head:
                self._refuse(FramingError(400, "half a request"))
            return False
        self._gone()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol."""
        if self._transport is None:
            return
        self._transport = None
        self._cancel_timer()
        if self._gate is not None:
            self._gate.leave(self)
        if self not in self._peers:
            return  # it was turned away at the gate
        self._peers.discard(self)
        self._engine.connection_lost(exc)
        self._gone()

    def pause_writing(self) -> None:
        """asyncio.Protocol."""
        self._clogged = True
        self._engine.pause_writing()

    def resume_writing(self) -> None:
        """asyncio.Protocol."""
        self._clogged = False
        self._engine.resume_writing()
        if self._put_off:
            self._put_off = False
            self._go_on()

    def _open(self, opening: Opening, data: bytes) -> None:
        """The first bytes: wait until they tell which protocol they are of, not longer than for a head."""
        if not opening.begun:
            self._cancel_timer()
            self._timer = asyncio.get_running_loop().call_later(self._head_timeout, self._late)
        begin = opening.take(data)
        if begin is not None:
            self._cancel_timer()
            self._opening, self.native = None, opening.native
            self._feed(begin)

    def _feed(self, data: bytes) -> None:
        framer = self._framer
        if framer.idle:
            self._cancel_timer()  # no longer silent
        while True:
            try:
                wanted = framer.feed(data)
            except FramingError as error:
                self._refuse(error)
                return
            self._watch_head()
            if wanted and self._lent is None:
                self._engine.data_received(wanted)
            elif self._lent is not None and framer.complete:
                self._lent()
                break
            if not (framer.complete and self._answered_early):
                break
            self._answered_early = False
            if self._clogged:
                self._put_off = True
                break
            framer.next()
            data = b""
        if len(framer.rest) > _HOLD and self._transport is not None:
            self._held = True
            self._transport.pause_reading()

    def _watch_head(self) -> None:
        if not self._framer.in_head:
            self._cancel_timer()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._head_timeout, self._late)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._refuse(FramingError(408, "the request's headers took too long", told=True))

    def _refuse(self, error: FramingError) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(error.answer())
        self._transport.close()

    def _turn_away(self, gate: Gate) -> None:
        """Tell the client that there is no room, and leave it the time to read that."""
        if not gate.tell(self):
            self.transport.abort()
            return
        self.transport.write(FramingError(503, gate.full, told=True).answer())
        self.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER, self.abort)

    def _gone(self) -> None:
        callback, self._on_gone = self._on_gone, None
        if callback is not None:
            callback()


class Server:
    """Serves one handler on any number of listening sockets, to `most` clients at a time; HTTP/2 from the first byte is
    taken for a request to upgrade at the path `native`."""

    def __init__(
        self, handler: Handler, *, head_timeout: float = HEAD_TIMEOUT, most: int | None = None, native: str = ""
    ) -> None:
        limits: dict[str, Any] = {"max_line_size": MAX_HEAD, "max_field_size": MAX_HEAD, "lingering_time": LINGER}
        self._factory = _EngineFactory(handler, access_log=None, auto_decompress=False, **limits)
        self._head_timeout = head_timeout
        self._native = native
        self._gate = Gate(most or usual_limit())
        self._listeners: list[asyncio.Server] = []
        self._connections: set[Connection] = set()

    async def listen(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a bound stream socket, which this object owns from now on."""
        loop = asyncio.get_running_loop()
        if sock.family == socket.AF_UNIX:
            listener: asyncio.Server = await loop.create_unix_server(
                self._protocol_factory(tls), sock=sock, backlog=BACKLOG
            )
        else:
            listener = await loop.create_server(self._protocol_factory(tls), sock=sock, backlog=BACKLOG)
        self._listeners.append(listener)

    def adopt(self, transport: asyncio.Transport, data: bytes, *, ended: bool) -> None:
        """Go on with a connection that somebody else has accepted: see `http.porch`."""
        connection = Connection(self._factory(), self._connections, self._head_timeout, self._gate, self._native)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if data:
            connection.data_received(data)
        if ended and not connection.eof_received():
            transport.close()

    @property
    def connections(self) -> int:
        """How many client connections are open."""
        return len(self._connections)

    async def close(self, grace: float = 5.0) -> None:
        """Stop accepting and end streams; give other handlers `grace` seconds, then cancel them too."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.shut_down()
        self._factory.pre_shutdown()
        await self._factory.shutdown(grace)

    def _protocol_factory(self, tls: ssl.SSLContext | None) -> Callable[[], asyncio.Protocol]:
        def connection(gate: Gate | None = self._gate) -> Connection:
            return Connection(self._factory(), self._connections, self._head_timeout, gate, self._native)

        if tls is None:
            return connection
        return lambda: TlsProtocol(tls, connection(None), self._gate)
