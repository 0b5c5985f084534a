"""gRPC on a connection that was taken over: as its server, or the other way round as its client.

grpclib speaks HTTP/2 and gRPC; messages are dicts by the tables of :mod:`carrack.http.protobuf`. It is imported when
the first such connection comes, for no start should wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from carrack.errors import CarrackError, InvalidArgument, NotFound, Unavailable, words
from carrack.http import h2_limits, protobuf
from carrack.http.bulk import Bulk
from carrack.http.h2data import Feeder

if TYPE_CHECKING:
    from carrack.http.protobuf import Message, Table

#: how messages go: one or many of them, from the client and from the server
UNARY, ANSWERS, STREAM = "unary", "answers", "stream"
log = logging.getLogger(__name__)
_WINDOW = 4 << 20
_TOGETHER = 64 << 10
_NOT_FOUND, _UNIMPLEMENTED = 5, 12
#: google.rpc.Status
STATUS = protobuf.table(
    code=(1, "int"),
    message=(2, "text"),
    details=(3, protobuf.table(type_url=(1, "text"), value=(2, "bytes")), "list"),
)


class Stream(Protocol):
    """A stream of bytes: a connection that was taken over (``HijackedStream``), or a call that carries bytes
    (``Tunnel``)."""

    closed: asyncio.Future[None]

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        ...

    async def drain(self) -> None:
        """Wait until enough of them is gone. Raises ConnectionResetError."""
        ...

    def close(self) -> None:
        """Send what was written, and end."""
        ...

    def abort(self) -> None:
        """End at once."""
        ...


class Call(Protocol):
    """One call, from the server's side or the client's."""

    metadata: Mapping[str, Any]

    async def recv_message(self) -> Message | None:
        """The next message; None when there are no more."""
        ...

    async def send_message(self, message: Message) -> None:
        """Send one."""
        ...


@dataclass(frozen=True, slots=True)
class Method:
    """``serve`` answers a call of ``kind``; its messages are by these tables."""

    serve: Callable[[Any], Coroutine[Any, Any, None]]
    kind: str
    request: Table
    reply: Table


class Failed(CarrackError):
    """The other side has refused a call; ``code`` is gRPC's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Refused(InvalidArgument):
    """What refuses a call with more than a text; ``details``: messages of any kind, as ``type_url`` and ``value``."""

    def __init__(self, text: str, details: Sequence[Message]) -> None:
        super().__init__(text)
        self.details = details


class Service:
    """Answers calls (by their paths, ``/package.Service/Method``) on any number of connections. What grpclib wants to
    have for that is made once, when the first comes: a client that builds opens six."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods
        self._server: Any = None

    async def serve(self, stream: Stream) -> None:
        """Answer until the client has gone; calls that it leaves behind are cancelled."""
        if self._server is None:
            self._server = _server(self._methods)
        protocol = self._server._protocol_factory()
        wire = _Wire(stream)
        protocol.connection_made(wire)
        h2_limits.bound(protocol, stream.abort)
        await _pump(wire, protocol, protocol.data_received)


def _server(methods: Mapping[str, Method]) -> Any:
    from grpclib.const import Cardinality, Handler
    from grpclib.server import Server

    kinds = {
        UNARY: Cardinality.UNARY_UNARY,
        ANSWERS: Cardinality.UNARY_STREAM,
        STREAM: Cardinality.STREAM_STREAM,
    }
    mapping = {
        path: Handler(_translated(method), kinds[method.kind], method.request, method.reply)
        for path, method in methods.items()
    }
    server = Server([], codec=_codec("strict"), status_details_codec=_details_codec(), config=_configuration())
    server._mapping = _Paths(mapping, Handler(_unknown, Cardinality.UNARY_UNARY, {}, {}))
    return server


class _Paths(dict[str, Any]):
    """Handlers by path; one for all others, as grpclib's own answer to them is none for Go's clients."""

    def __init__(self, known: Mapping[str, Any], unknown: Any) -> None:
        super().__init__(known)
        self._unknown = unknown

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, self._unknown)


async def _unknown(call: Any) -> None:
    from grpclib.const import Status
    from grpclib.exceptions import GRPCError

    raise GRPCError(Status.UNIMPLEMENTED, f"unknown method {call._method_name}")


def _translated(method: Method) -> Callable[[Any], Awaitable[None]]:
    """Failures of ours in gRPC's words."""

    async def handler(call: Any) -> None:
        from grpclib.const import Status
        from grpclib.exceptions import GRPCError

        if method.kind != STREAM:
            call.recv_message = partial(_asked, call.recv_message)
        try:
            await method.serve(call)
        except Exception as error:
            if call._stream.wrapper.cancelled:
                raise asyncio.CancelledError from error  # the client has gone while this failed: nobody is told
            if not isinstance(error, CarrackError | OSError):
                raise
            status = Status.NOT_FOUND if isinstance(error, NotFound) else Status.UNKNOWN
            details = error.details if isinstance(error, Refused) else None
            text = words(error).encode("utf-8", "replace").decode()  # which a file's name need not be
            raise GRPCError(status, text, details) from error

    return handler


async def _asked(receive: Callable[[], Awaitable[Message | None]]) -> Message:
    """The one message that every call but a stream has."""
    message = await receive()
    if message is None:
        raise InvalidArgument("the call came without its message")
    return message


class Caller:
    """The client's side of a connection. Use as a context: its end closes the connection."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._channel: Any = None
        self._pumping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Caller:
        from grpclib.client import Channel

        channel = Channel(codec=_codec(), config=_configuration())
        protocol = channel._protocol_factory()
        wire = _Wire(self._stream)
        protocol.connection_made(wire)
        h2_limits.bound(protocol, self._stream.abort)
        pumping = asyncio.get_running_loop().create_task(_pump(wire, protocol, Feeder(protocol).feed), name="session")

        async def connected() -> Any:
            return protocol

        channel._create_connection = connected  # type: ignore[method-assign]
        self._channel, self._pumping = channel, pumping
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._pumping is not None
        self._channel.close()
        self._stream.close()
        self._pumping.cancel()
        await asyncio.wait([self._pumping])

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is."""
        return self._stream.closed

    async def ask(self, path: str, request: Table, message: Message, reply: Table) -> Message:
        """One message there, one back. Raises Failed, Unavailable."""
        async with self.open(path, request, reply) as call:
            await call.send_message(message)
            await call.end()
            answer: Message | None = await call.recv_message()
        return answer or {}

    @asynccontextmanager
    async def bulk(self, path: str, metadata: Any = None) -> AsyncIterator[Bulk]:
        """The same for very many messages, which go and come as bytes."""
        async with self.open(path, {}, {}, metadata) as call:
            yield Bulk(call)

    @asynccontextmanager
    async def open(self, path: str, request: Table, reply: Table, metadata: Any = None) -> AsyncIterator[Any]:
        """A call with any number of messages both ways; it is ended when the context is left. Raises Failed, and
        InvalidArgument for metadata that no header can hold."""
        from grpclib.const import Cardinality
        from grpclib.exceptions import GRPCError, StreamTerminatedError
        from h2.exceptions import ProtocolError, StreamClosedError

        for key, value in metadata or ():
            if not value or not value.isascii() or not value.isprintable():
                raise InvalidArgument(f"{key} {value!r}: a client is asked for what is named in ASCII only")
        try:
            async with self._channel.request(
                path, Cardinality.STREAM_STREAM, request, reply, metadata=metadata or {}
            ) as call:
                yield call
                with contextlib.suppress(StreamClosedError):  # the other side was quicker
                    await call.cancel()
        except GRPCError as error:
            raise Failed(error.status.value, error.message or error.status.name) from error
        except (StreamTerminatedError, ProtocolError, ConnectionError) as error:
            raise Unavailable(f"the client has gone: {error}") from error


@cache
def _configuration() -> Any:
    from grpclib.config import Configuration

    return Configuration(http2_connection_window_size=_WINDOW, http2_stream_window_size=_WINDOW)


@cache
def _codec(errors: str = "surrogateescape") -> Any:
    from grpclib.encoding.base import CodecBase

    class _Tables(CodecBase):
        __content_subtype__ = "proto"

        def encode(self, message: Any, message_type: Any) -> bytes:
            return protobuf.encode(message, message_type)

        def decode(self, data: bytes, message_type: Any) -> Any:
            return protobuf.decode(data, message_type, errors)

    return _Tables()


@cache
def _details_codec() -> Any:
    from grpclib.encoding.base import StatusDetailsCodecBase

    class _Details(StatusDetailsCodecBase):
        def encode(self, status: Any, message: str | None, details: Any) -> bytes:
            return protobuf.encode({"code": status.value, "message": message or "", "details": details}, STATUS)

        def decode(self, status: Any, message: str | None, data: bytes) -> Any:
            return protobuf.decode(data, STATUS)["details"]

    return _Details()


async def _pump(wire: _Wire, protocol: Any, feed: Callable[[bytes], None]) -> None:
    """Feed a protocol from a stream until either ends; not faster than its answers go out."""
    try:
        while data := await wire.stream.read():
            h2_limits.feed(feed, data)
            await wire.stream.drain()
    except (ConnectionResetError, InvalidArgument) as error:
        log.debug("a connection of HTTP/2 ended: %s", error)
    finally:
        protocol.connection_lost(None)
        wire.close()


class _Wire(asyncio.Transport):
    """A stream as the transport that a protocol writes to. What is written before the loop goes on goes together: of a
    short answer head, message and end, for each of which the other side would wake up."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(bytes(data))
        self._size += len(data)
        if self._size >= _TOGETHER:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            held, self._held, self._size = b"".join(self._held), [], 0
            self.stream.write(held)

    def is_closing(self) -> bool:
        return self.stream.closed.done()

    def close(self) -> None:
        self._flush()
        self.stream.close()

    def abort(self) -> None:
        self.stream.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass
