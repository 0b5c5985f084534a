"""HTTP/2 from the first byte, and peers on it that want to wear us out."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpclib.client import Channel
from grpclib.const import Cardinality
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated
from tests.fakes import certificates
from tests.fakes.http_peer import parse, run, serving, serving_tcp
from tests.unit.http.test_grpc import METHODS, TEXT

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, json_response
from carrack.daemon.config import Tls
from carrack.daemon.listen import tls_context
from carrack.errors import Forbidden
from carrack.http import grpc, h2_limits
from carrack.http.grpc import STREAM, Method
from carrack.http.preface import PREFACE

PSEUDO = [(":method", "POST"), (":scheme", "http"), (":authority", "x")]
HEAD = [("te", "trailers"), ("content-type", "application/grpc")]
begun: list[int] = []


async def _wait(call: Any) -> None:
    begun.append(1)
    await asyncio.sleep(60)


async def _all(call: Any) -> None:
    while (message := await call.recv_message()) is not None:
        await call.send_message({"text": str(len(message["text"]))})


SERVED = {**METHODS, "/t.T/Wait": Method(_wait, STREAM, TEXT, TEXT), "/t.T/All": Method(_all, STREAM, TEXT, TEXT)}


async def _native(request: Request) -> Response:
    await grpc.Service(SERVED).serve(await request.hijack(upgrade="h2c"))
    return HIJACKED


async def _plain(request: Request) -> Response:
    return json_response("plain")


ROUTES = [Route("POST", "/grpc", _native), Route("GET", "/plain", _plain)]


class Raw:
    """A client that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._reader, self._writer = reader, writer
        self.h2.initiate_connection()

    async def send(self, data: bytes = b"") -> None:
        self._writer.write(self.h2.data_to_send() + data)
        await self._writer.drain()

    def call(self, path: str) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [*PSEUDO, (":path", path), *HEAD])
        return stream

    async def told(self) -> str:
        """With what message a call fails."""
        while True:
            for event in self.h2.receive_data(await asyncio.wait_for(self._reader.read(65536), 5)):
                found = dict(getattr(event, "headers", None) or ())
                if "grpc-message" in found:
                    return str(found["grpc-message"])

    async def ended(self) -> bool:
        """Whether the other side ends the connection."""
        try:
            while data := await asyncio.wait_for(self._reader.read(65536), 5):
                if any(isinstance(event, ConnectionTerminated) for event in self.h2.receive_data(data)):
                    return True
        except ConnectionError:
            pass
        return True


def attack(path: Path, act: Callable[[Raw], Awaitable[None]], *, ends: bool = True) -> None:
    """Let a client act; afterwards its connection has ended, and others are served as before."""

    async def main() -> None:
        async with serving(path, ROUTES, native="/grpc") as address:
            reader, writer = await asyncio.open_unix_connection(address)
            raw = Raw(reader, writer)
            try:
                await act(raw)
            except ConnectionError:
                pass
            assert not ends or await raw.ended()
            writer.close()
            await hello(Channel(path=address, codec=grpc._codec()))

    begun.clear()
    run(main)


async def hello(channel: Any) -> None:
    async with channel, channel.request("/t.T/Hello", Cardinality.UNARY_UNARY, TEXT, TEXT) as call:
        await call.send_message({"text": "you"}, end=True)
        assert await call.recv_message() == {"text": "hello you"}


def test_a_client_from_the_first_byte(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, ROUTES, native="/grpc") as address:
            await hello(Channel(path=address, codec=grpc._codec()))
            reader, writer = await asyncio.open_unix_connection(address)
            for byte in b"GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert parse(await reader.read())[2] == b'"plain"\n'
            writer.close()

    run(main)


def test_with_tls(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    served = tls_context(Tls(None, made.server, made.server_key))

    async def main() -> None:
        async with serving_tcp(ROUTES, served, native="/grpc") as port:
            context = made.client_context()
            for offered, chosen in ((["h2"], "h2"), (["h2", "http/1.1"], "http/1.1"), (["other"], None)):
                context.set_alpn_protocols(offered)
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=context, server_hostname="localhost"
                )
                assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
                raw = Raw(reader, writer)
                raw.h2.ping(b"12345678")
                await raw.send()
                assert b"12345678" in await asyncio.wait_for(reader.read(65536), 5)
                writer.close()

    run(main)


def test_who_is_not_let_in(tmp_path: Path) -> None:
    async def refuse(request: Request) -> Response:
        raise Forbidden("not you")

    async def main() -> None:
        async with serving(tmp_path, [Route("POST", "/grpc", refuse)], native="/grpc") as address:
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(PREFACE)
            assert parse(await reader.readuntil(b"not you"))[0] == 403
            writer.close()

    run(main)


def test_half_a_preface(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, ROUTES, head_timeout=0.05, native="/grpc") as address:
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(PREFACE[:10])
            assert parse(await reader.read())[0] == 408
            writer.close()
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(PREFACE[:10])
            writer.write_eof()
            assert parse(await reader.read())[0] == 400
            writer.close()

    run(main)


def test_streams_opened_to_be_reset(tmp_path: Path) -> None:
    async def act(raw: Raw) -> None:
        for _ in range(50):
            for _ in range(40):
                raw.h2.reset_stream(raw.call("/t.T/Wait"))
            await raw.send()

    attack(tmp_path, act)
    assert len(begun) <= h2_limits.MOST_RESETS + 40


def test_resets_now_and_then_are_nothing_bad() -> None:
    now, ended = [0.0], []

    class Protocol:
        class handler:
            cancel = staticmethod(lambda stream: None)

        class connection:
            create_stream = None

    h2_limits.bound(Protocol, lambda: ended.append(1), lambda: now[0])
    for _ in range(1000):
        now[0] += h2_limits.PERIOD / h2_limits.MOST_RESETS + 0.001
        Protocol.handler.cancel(None)
    assert not ended


def test_many_streams_at_once(tmp_path: Path) -> None:
    async def act(raw: Raw) -> None:
        for _ in range(150):
            raw.call("/t.T/Wait")
        await raw.send()

    attack(tmp_path, act)
    assert len(begun) <= 100


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def test_headers_without_an_end(tmp_path: Path) -> None:
    async def act(raw: Raw) -> None:
        await raw.send(_frame(1, 0, 1, b"\x82"))  # HEADERS without END_HEADERS
        for _ in range(500):
            await raw.send(_frame(9, 0, 1, b"\x00\x01a\x01b" * 1000))  # CONTINUATION

    attack(tmp_path, act)
    assert not begun


def test_headers_too_large(tmp_path: Path) -> None:
    async def act(raw: Raw) -> None:
        raw.h2.send_headers(1, [*PSEUDO, (":path", "/t.T/Wait"), *HEAD, *((f"x-{n}", "y" * 1000) for n in range(100))])
        await raw.send()

    attack(tmp_path, act)
    assert not begun


def test_a_message_longer_than_any(tmp_path: Path) -> None:
    async def act(raw: Raw) -> None:
        raw.h2.send_data(raw.call("/t.T/All"), b"\0" + struct.pack(">I", 0xFFFFFFFF) + b"x" * 1000)
        await raw.send()
        assert "a message of 4294967295 bytes: the limit is" in await raw.told()

    attack(tmp_path, act, ends=False)


def test_messages_that_wait_for_their_ends(tmp_path: Path) -> None:
    async def act(raw: Raw) -> None:
        begin = b"\0" + struct.pack(">I", h2_limits.MOST_MESSAGE) + b"x"
        for _ in range(h2_limits.MOST_AT_ONCE // h2_limits.MOST_MESSAGE):
            raw.h2.send_data(raw.call("/t.T/All"), begin)
        raw.h2.send_data(raw.call("/t.T/All"), begin)
        await raw.send()
        assert "at once" in await raw.told()

    attack(tmp_path, act, ends=False)


def test_pings_whose_answers_nobody_reads(tmp_path: Path) -> None:
    """The server stops reading; nothing piles up there."""

    async def act(raw: Raw) -> None:
        await raw.send()
        pings = _frame(6, 0, 0, b"12345678") * 10_000

        async def flood() -> None:
            for _ in range(200):
                await raw.send(pings)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flood(), 0.5)
        raw._writer.transport.abort()

    attack(tmp_path, act, ends=False)


def test_frames_that_nobody_expects(tmp_path: Path) -> None:
    async def act(raw: Raw) -> None:
        await raw.send(_frame(0xEE, 0, 0, b"what"))

    attack(tmp_path, act)
