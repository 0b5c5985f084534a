"""TLS in front of the API: who gets in, and half-close in both directions."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.fakes import certificates
from tests.fakes.certificates import Certificates
from tests.fakes.http_peer import run, serving_tcp

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, json_response, text
from carrack.daemon.config import Tls
from carrack.daemon.listen import tls_context


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("certs"))


class Client:
    """A blocking TLS client that can end its sending side and go on reading, as Go's clients do."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        self._run(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view[: 1 << 16]) :]
            self._flush()

    def end(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def receive(self) -> bytes:
        data = b""
        while True:
            try:
                piece = self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                if not self._fill():
                    return data
                continue
            except ssl.SSLZeroReturnError:
                return data
            if not piece:
                return data
            data += piece

    def close(self) -> None:
        self._sock.close()

    def _run(self, step: Callable[[], None]) -> None:
        while True:
            try:
                step()
            except ssl.SSLWantReadError:
                self._flush()
                if not self._fill():
                    raise ConnectionResetError("ended in the handshake") from None
            else:
                self._flush()
                return

    def _flush(self) -> None:
        if self._out.pending:
            self._sock.sendall(self._out.read())

    def _fill(self) -> bool:
        data = self._sock.recv(1 << 16)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()
        return bool(data)


async def ping(request: Request) -> Response:
    return text("OK")


async def swallow(request: Request) -> Response:
    return json_response(sum([len(data) async for data in request.stream()]))


async def big(request: Request) -> Response:
    return Response(200, bytes(3_000_000), "application/octet-stream")


async def echo_at_end(request: Request) -> Response:
    """Everything the client sent, but only after it has ended its side."""
    peer = await request.hijack()
    got = b""
    while data := await peer.read():
        got += data
    peer.write(b"first;")
    await asyncio.sleep(0.02)
    for start in range(0, len(got), 1 << 16):
        peer.write(got[start : start + (1 << 16)])
        await peer.drain()
    return HIJACKED


async def speak_first(request: Request) -> Response:
    """Ends its own side at once; the client is still sending."""
    peer = await request.hijack()
    peer.write(b"bye")
    return HIJACKED


ROUTES = [
    Route("GET", "/_ping", ping),
    Route("POST", "/swallow", swallow),
    Route("GET", "/big", big),
    Route("POST", "/attach", echo_at_end),
    Route("POST", "/bye", speak_first),
]

HIJACK = b"POST /%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def with_server(certs: Certificates, client: Callable[[int], Awaitable[None]]) -> None:
    async def main() -> None:
        context = tls_context(Tls(certs.authority, certs.server, certs.server_key))
        async with serving_tcp(ROUTES, context) as port:
            await client(port)

    run(main)


def talk(certs: Certificates, request: bytes, *, end: bool) -> bytes:
    answer = b""

    def blocking(port: int) -> bytes:
        client = Client(port, certs.client_context())
        try:
            client.send(request)
            if end:
                client.end()
            return client.receive()
        finally:
            client.close()

    async def main(port: int) -> None:
        nonlocal answer
        answer = await asyncio.to_thread(blocking, port)

    with_server(certs, main)
    return answer


def test_requests_and_large_answers(certs: Certificates) -> None:
    close = b"Host: x\r\nConnection: close\r\n\r\n"
    answer = talk(certs, b"GET /_ping HTTP/1.1\r\n" + close, end=False)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nOK")
    answer = talk(certs, b"GET /big HTTP/1.1\r\n" + close, end=False)
    assert len(answer.partition(b"\r\n\r\n")[2]) == 3_000_000


def test_a_large_body_comes_in_whole(certs: Certificates) -> None:
    head = b"POST /swallow HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n"
    assert talk(certs, head + bytes(3_000_000), end=False).endswith(b"\r\n\r\n3000000\n")


@pytest.mark.parametrize("size", [0, 10, 2_000_000])
def test_output_after_the_client_s_half_close_arrives(certs: Certificates, size: int) -> None:
    sent = bytes(range(250)) * (size // 250)
    answer = talk(certs, HIJACK % b"attach" + sent, end=True)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 UPGRADED")
    assert body == b"first;" + sent


def test_our_own_ending_is_no_reset_while_the_client_sends(certs: Certificates) -> None:
    assert talk(certs, HIJACK % b"bye" + bytes(100_000), end=False).endswith(b"\r\n\r\nbye")


@pytest.mark.parametrize("stranger", ["anonymous", "other authority", "no TLS"])
def test_strangers_do_not_get_in(certs: Certificates, tmp_path: Path, stranger: str) -> None:
    def blocking(port: int) -> bytes:
        if stranger == "no TLS":
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
                return sock.recv(1000)
        context = certs.client_context(anonymous=True)
        if stranger == "other authority":
            other = certificates.make(tmp_path)
            context.load_cert_chain(other.client, other.client_key)
        client = Client(port, context)
        try:
            client.send(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
            return client.receive()
        finally:
            client.close()

    async def main(port: int) -> None:
        try:
            answer = await asyncio.to_thread(blocking, port)
        except (ssl.SSLError, ConnectionError):
            return
        assert b"OK" not in answer

    with_server(certs, main)
