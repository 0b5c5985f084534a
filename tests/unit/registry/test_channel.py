from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from pathlib import Path

import pytest
from tests.fakes import certificates

from carrack.registry.channel import FAIR, Plain, Tls


def _pair() -> tuple[Plain, Plain, socket.socket, socket.socket]:
    left, right = socket.socketpair()
    for one in (left, right):
        one.setblocking(False)
    return Plain(left), Plain(right), left, right


def _pair_of_tcp() -> tuple[Plain, Plain]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = socket.create_connection(listener.getsockname())
        right, _ = listener.accept()
    for one in (left, right):
        one.setblocking(False)
    return Plain(left), Plain(right)


async def _all(channel: Plain | Tls, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := await channel.receive(5)):
        data += more
    return data


def test_plain_bytes_both_ways() -> None:
    async def run() -> None:
        left, right, *_ = _pair()
        data = os.urandom(3_000_000)
        _, got = await asyncio.gather(left.send(data, 5), _all(right, len(data)))
        assert got == data
        assert right.ready() is None
        with pytest.raises(TimeoutError):
            await right.receive(0.01)
        left.close()
        left.close()
        assert right.ready() == b""
        assert await right.receive(5) == b""
        right.close()

    asyncio.run(run())


def test_a_full_pipe_is_waited_for_only_so_long() -> None:
    async def run() -> None:
        left, right, *_ = _pair()
        with pytest.raises(TimeoutError):
            await left.send(bytes(10_000_000), 0.05)
        left.close()
        right.close()

    asyncio.run(run())


def test_a_fast_stream_lets_others_have_their_turn() -> None:
    class Endless(Plain):
        def ready(self) -> bytes:
            return bytes(1024 * 1024)

    async def run() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        channel = Endless(socket.socket())
        async with asyncio.TaskGroup() as group:
            task = group.create_task(other())
            for _ in range(4 * FAIR // (1024 * 1024)):
                await channel.receive(1)
            task.cancel()
        channel.close()
        return turns

    assert asyncio.run(run()) >= 2


def test_a_fast_stream_comes_in_large_pieces_and_a_slow_one_at_once() -> None:
    async def run() -> None:
        left, right = _pair_of_tcp()
        data = os.urandom(20_000_000)

        async def take() -> list[bytes]:
            pieces: list[bytes] = []
            while (left_over := len(data) - sum(map(len, pieces))) and (more := await right.receive(5, left_over)):
                pieces.append(more)
            return pieces

        _, pieces = await asyncio.gather(left.send(data, 5), take())
        assert b"".join(pieces) == data
        assert max(map(len, pieces[1:])) > 256 * 1024
        begun = time.monotonic()
        await left.send(b"few", 5)
        assert await right.receive(5, 1_000_000) == b"few"  # though more are announced
        assert time.monotonic() - begun < 4
        await left.send(b"last", 5)
        left.close()
        assert await right.receive(5, 1_000_000) == b"last"
        assert await right.receive(5, 1_000_000) == b""
        right.close()

    asyncio.run(run())


def _contexts(made: certificates.Certificates) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.server, made.server_key)
    return ssl.create_default_context(cafile=str(made.authority)), server


def test_tls_over_a_channel(tmp_path: Path) -> None:
    client_context, server_context = _contexts(certificates.make(tmp_path))

    asyncio.run(_serve_and_ask(client_context, server_context))


async def _serve_and_ask(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> None:
    data, sent = os.urandom(2_000_000), os.urandom(1_000_000)
    got: list[bytes] = []
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        got.append(await reader.readexactly(len(sent)))
        await writer.drain()
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
    async with server:
        sock = socket.create_connection(server.sockets[0].getsockname())
        sock.setblocking(False)
        client = Tls(Plain(sock), client_context, "127.0.0.1")
        await client.handshake(5)
        _, received = await asyncio.gather(client.send(sent, 5), _all(client, len(data)))
        assert received == data
        await done.wait()
        assert got == [sent]
        assert await client.receive(5) == b""
        client.close()


def test_a_certificate_for_somebody_else_is_refused(tmp_path: Path) -> None:
    client_context, server_context = _contexts(certificates.make(tmp_path))

    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
        async with server:
            sock = socket.create_connection(server.sockets[0].getsockname())
            sock.setblocking(False)
            client = Tls(Plain(sock), client_context, "other.example.com")
            with pytest.raises(ssl.SSLCertVerificationError):
                await client.handshake(5)
            client.close()

    asyncio.run(run())
