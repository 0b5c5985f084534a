"""Connections: limits on heads, smuggling attempts, pipelining with bodies, keep-alive."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from tests.fakes.http_peer import exchange, parse, run, run_with, serving, serving_tcp

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response, stream
from carrack.api.stream import StreamWriter
from carrack.http import server


async def size(request: Request) -> Response:
    return json_response(len(await request.body()))


async def ignore(request: Request) -> Response:
    return json_response("ignored")


ROUTES = [Route("POST", "/size", size), Route("GET", "/size", size), Route("POST", "/ignore", ignore)]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /size HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"POST /size HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /size HTTP/1.1\r\nX: a\n\r\n\r\n", 400),
        (b"GET /size\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /size HTTP/1.1\r\nX: " + b"a" * 70000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    ],
)
def test_malformed_requests_are_refused_and_the_connection_ends(tmp_path: Path, request_: bytes, status: int) -> None:
    async def client(address: str) -> None:
        assert parse(await exchange(address, request_))[0] == status

    run_with(tmp_path, ROUTES, client)


def test_a_slow_head_is_cut_off_but_an_idle_connection_is_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, ROUTES, head_timeout=0.05) as address:
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(b"GET /size HTTP/1.1\r\nHost:")
            assert parse(await reader.read())[0] == 408
            writer.close()
            reader, writer = await asyncio.open_unix_connection(address)
            await asyncio.sleep(0.1)
            writer.write(b"GET /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert parse(await reader.read())[0] == 200
            writer.close()

    run(main)


def test_a_silent_client_is_cut_off_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SILENCE", 0.05)

    async def client(address: str) -> None:
        assert await exchange(address, b"") == b""
        # who has asked once may stay
        reader, writer = await asyncio.open_unix_connection(address)
        request = b"GET /size HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(2):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n0\n")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.1)
        writer.close()

    run_with(tmp_path, ROUTES, client)


def test_there_is_room_for_so_many_clients(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, ROUTES, most=2) as address:
            pairs = [await asyncio.open_unix_connection(address) for _ in range(2)]
            await asyncio.sleep(0.05)
            status, _, body = parse(await exchange(address, b""))
            assert (status, b"2 clients" in body) == (503, True)
            for _, writer in pairs:
                writer.close()
                await writer.wait_closed()
            answer = b""
            while not answer.startswith(b"HTTP/1.1 200"):
                answer = await exchange(address, b"GET /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    run(main)


def test_who_does_not_read_answers_gets_no_further_ones(tmp_path: Path) -> None:
    made = 0

    async def large(request: Request) -> Response:
        nonlocal made
        made += 1
        return json_response("x" * 1_000_000)

    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address, limit=4096)
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        await asyncio.sleep(0.2)
        assert made <= 2
        whole = 0
        while whole < 50 * 1_000_000:
            whole += len(await reader.read(1 << 20))
        assert made == 50
        writer.close()

    run_with(tmp_path, [Route("GET", "/large", large)], client)


def test_pipelined_requests_with_bodies_of_both_kinds(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        counted = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        chunked = b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n"
        unread = b"POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
        last = b"GET /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        data = await exchange(address, counted + chunked + unread + counted + last)
        bodies = [part.partition(b"\r\n\r\n")[2] for part in data.split(b"HTTP/1.1 200 OK")[1:]]
        assert bodies == [b"5\n", b"3\n", b'"ignored"\n', b"5\n", b"0\n"]

    run_with(tmp_path, ROUTES, client)


def test_a_connection_serves_many_requests_one_after_another(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        for number in range(50):
            writer.write(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % number + bytes(number))
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].split()[0])
            assert int(await reader.readexactly(length)) == number
        writer.close()

    run_with(tmp_path, ROUTES, client)


def test_many_stalled_clients_do_not_stop_others(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        stalled = [await asyncio.open_unix_connection(address) for _ in range(200)]
        for _, writer in stalled:
            writer.write(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        answer = await exchange(address, b"GET /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert parse(answer)[0] == 200
        for _, writer in stalled:
            writer.close()

    run_with(tmp_path, ROUTES, client)


def test_origin_is_refused_on_tcp() -> None:
    async def main() -> None:
        async with serving_tcp(ROUTES) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: http://evil\r\n\r\n")
            status, _, body = parse(await reader.read())
            assert (status, b"web pages" in body) == (403, True)
            writer.close()

    run(main)


def test_stopping_ends_streams_at_once_and_lets_handlers_finish(tmp_path: Path) -> None:
    answers: list[bytes] = []
    begun = asyncio.Event()

    async def endless(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            await writer.start()
            await asyncio.sleep(60)

        return stream(produce)

    async def slow(request: Request) -> Response:
        begun.set()
        await asyncio.sleep(0.1)
        return json_response("finished")

    async def main() -> None:
        async with serving(tmp_path, [Route("GET", "/endless", endless), Route("GET", "/slow", slow)]) as address:
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            reader2, writer2 = await asyncio.open_unix_connection(address)
            writer2.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await begun.wait()
        answers.append(await reader.read())
        answers.append(await reader2.read())
        writer.close()
        writer2.close()
        assert answers[0] == b""
        assert parse(answers[1])[2] == b'"finished"\n'

    run(main)


def test_hundreds_may_connect_before_one_is_accepted(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, ROUTES) as address:
            clients = [socket.socket(socket.AF_UNIX) for _ in range(400)]
            for client in clients:
                client.setblocking(False)
                client.connect(address)  # refused at once (EAGAIN) where the backlog is full
            for client in clients:
                client.close()

    run(main)
