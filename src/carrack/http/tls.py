"""TLS on a plain asyncio transport, with half-close kept.

asyncio's own TLS transport closes the whole connection when the client ends its sending side (close_notify), so the
output that follows a client's CloseWrite is lost; `docker exec -i` over TLS depends on exactly that. Here an
`ssl.SSLObject` works on memory buffers over a plain transport, and the protocol above sees an ordinary transport
whose `eof_received` may answer "keep the writing side open" (RFC 8446 section 6.1 allows each side to close alone).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any, cast

from carrack.http.gate import Gate

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT = 30.0
"""Seconds a client may take to finish its handshake."""

_READ = 64 * 1024


class TlsProtocol(asyncio.Protocol):
    """The wire side: decrypts for, and encrypts from, the protocol above it."""

    def __init__(self, context: ssl.SSLContext, above: asyncio.Protocol, gate: Gate | None = None) -> None:
        self.above: asyncio.Protocol = above
        self._gate = gate
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._established = False
        self._ended = False
        self._shut = False
        self._wire: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol."""
        self._wire = cast(asyncio.Transport, transport)
        if self._gate is not None and not self._gate.enter(self):
            self._wire.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HANDSHAKE_TIMEOUT, self._wire.abort)

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol."""
        self._incoming.write(data)
        try:
            if not self._established and not self._handshake():
                return
            self._deliver()
        except ssl.SSLError as error:
            self._fail(error)

    def eof_received(self) -> bool:
        """asyncio.Protocol: an end without close_notify counts as the same half-close."""
        if not self._established:
            return False
        return self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol."""
        self._wire = None
        if self._gate is not None:
            self._gate.leave(self)
        self._cancel_timer()
        if self._established:
            self.above.connection_lost(exc)

    def pause_writing(self) -> None:
        """asyncio.Protocol."""
        if self._established:
            self.above.pause_writing()

    def resume_writing(self) -> None:
        """asyncio.Protocol."""
        if self._established:
            self.above.resume_writing()

    def encrypt(self, data: bytes | bytearray | memoryview) -> None:
        """Send application bytes."""
        if data and self._wire is not None and not self._shut:
            self.tls.write(data)
            self._flush()

    def shut(self) -> None:
        """Send close_notify and end the sending side; receiving goes on."""
        if self._shut or self._wire is None:
            return
        self._shut = True
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # it wants the peer's close_notify, which may come later or never
        self._flush()
        if not self._wire.is_closing():
            try:
                self._wire.write_eof()
            except OSError:
                pass  # the peer is gone already; reading tells the rest

    def _handshake(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._flush()
        self._cancel_timer()
        self._established = True
        assert self._wire is not None
        self.above.connection_made(TlsTransport(self, self._wire))
        return True

    def _deliver(self) -> None:
        while not self._ended:
            try:
                data = self.tls.read(_READ)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                if not self._end() and self._wire is not None:
                    self._wire.close()
                break
            self.above.data_received(data)
        self._flush()

    def _end(self) -> bool:
        if self._ended:
            return True
        self._ended = True
        return bool(self.above.eof_received())

    def _flush(self) -> None:
        if self._wire is not None and self._outgoing.pending:
            self._wire.write(self._outgoing.read())

    def _fail(self, error: ssl.SSLError) -> None:
        log.debug("TLS with a client failed: %s", error)
        self._flush()  # the alert that tells the client why
        if self._wire is not None:
            self._wire.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _ReceivingSide(asyncio.ReadTransport):
    """The half of a transport through which the protocol above controls what it receives."""

    _channel: TlsProtocol
    _wire: asyncio.Transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """asyncio.Transport."""
        self._channel.above = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """asyncio.Transport."""
        return self._channel.above

    def pause_reading(self) -> None:
        """asyncio.Transport."""
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        """asyncio.Transport."""
        if not self._wire.is_closing():
            self._wire.resume_reading()

    def is_reading(self) -> bool:
        """asyncio.Transport."""
        return self._wire.is_reading()


class TlsTransport(_ReceivingSide, asyncio.Transport):
    """What the protocol above holds: an ordinary transport over the encrypted wire."""

    def __init__(self, channel: TlsProtocol, wire: asyncio.Transport) -> None:
        super().__init__({"sslcontext": channel.tls.context, "ssl_object": channel.tls})
        self._channel = channel
        self._wire = wire
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The TLS object under its asyncio names, the certificate, else what the wire knows."""
        if name == "peercert":
            return self._channel.tls.getpeercert()
        return super().get_extra_info(name) or self._wire.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """asyncio.Transport."""
        if not self._closing:
            self._channel.encrypt(data)

    def can_write_eof(self) -> bool:
        """asyncio.Transport."""
        return True

    def write_eof(self) -> None:
        """asyncio.Transport."""
        self._channel.shut()

    def close(self) -> None:
        """asyncio.Transport: what was written is still sent."""
        if not self._closing:
            self._closing = True
            self._channel.shut()
            self._wire.close()

    def abort(self) -> None:
        """asyncio.Transport."""
        self._closing = True
        self._wire.abort()

    def is_closing(self) -> bool:
        """asyncio.Transport."""
        return self._closing or self._wire.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """asyncio.Transport."""
        self._wire.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """asyncio.Transport."""
        return self._wire.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """asyncio.Transport."""
        return self._wire.get_write_buffer_limits()
