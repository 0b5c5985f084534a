"""The API's face over a real unix socket, with raw bytes on the client's side."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carrack.api.app import Application, Route, Router
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, empty, json_response, stream, text
from carrack.api.stream import StreamWriter
from carrack.errors import Conflict, NotFound, NotModified
from carrack.http.server import Server

Answer = tuple[int, dict[str, str], bytes]


@asynccontextmanager
async def serving(path: Path, routes: list[Route]) -> AsyncIterator[str]:
    address = str(path / "api.sock")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(address)
    server = Server(Application(routes))
    await server.listen(sock)
    try:
        yield address
    finally:
        await server.close(0.5)


def run(tmp_path: Path, routes: list[Route], client: Callable[[str], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), serving(tmp_path, routes) as address:
            await client(address)

    asyncio.run(main())


async def exchange(address: str, request: bytes, *, eof: bool = False) -> bytes:
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(request)
    if eof:
        writer.write_eof()
    data = await reader.read()
    writer.close()
    return data


async def ask(address: str, target: str, method: str = "GET", body: bytes = b"", headers: str = "") -> Answer:
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    return parse(await exchange(address, head.encode() + b"\r\n" + body))


def parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if fields.get("transfer-encoding") == "chunked":
        body = unchunk(body)
    return int(lines[0].split()[1]), fields, body


def unchunk(data: bytes) -> bytes:
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        out += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return out


async def echo(request: Request) -> Response:
    return json_response({"path": dict(request.path), "version": request.version, "q": request.query.text("q")})


async def echo_json(request: Request) -> Response:
    return json_response({"got": await request.json()})


async def fail_not_found(request: Request) -> Response:
    raise NotFound(f"No such thing: {request.path['id']}")


async def fail_defect(request: Request) -> Response:
    raise KeyError("secret detail")


async def fail_conflict(request: Request) -> Response:
    raise Conflict("busy")


async def fail_not_modified(request: Request) -> Response:
    raise NotModified("as it was")


ROUTES = [
    Route("GET", "/things/{id}/json", echo),
    Route("GET", "/names/{name:.*}/json", echo),
    Route("GET", "/names/{name:.*}/history", echo),
    Route("GET", "/fixed", echo),
    Route("POST", "/echo", echo_json),
    Route("GET", "/missing/{id}", fail_not_found),
    Route("GET", "/defect", fail_defect),
    Route("GET", "/conflict", fail_conflict),
    Route("POST", "/same", fail_not_modified),
]


def message(body: bytes) -> str:
    document = json.loads(body)
    assert list(document) == ["message"]
    return str(document["message"])


def test_versions_paths_and_headers(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        status, headers, body = await ask(address, "/v1.43/things/abc/json?q=a+b%2F")
        assert (status, json.loads(body)) == (200, {"path": {"id": "abc"}, "version": [1, 43], "q": "a b/"})
        assert headers["api-version"] == "1.51"
        assert headers["ostype"] == "linux"
        assert headers["docker-experimental"] == "false"
        assert headers["server"].startswith("Carrack/")
        assert headers["content-type"] == "application/json"
        status, _, body = await ask(address, "/names/host:5000/a/b%2Fc:1/json")
        assert (status, json.loads(body)["path"]) == (200, {"name": "host:5000/a/b/c:1"})
        assert json.loads((await ask(address, "/fixed"))[2])["version"] == [1, 51]
        assert json.loads((await ask(address, "http://host/fixed?q=1"))[2])["q"] == "1"

    run(tmp_path, ROUTES, client)


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        ("/v1.20/fixed", 400, "client version 1.20 is too old. Minimum supported API version is 1.41"),
        ("/v1.99/fixed", 400, "client version 1.99 is too new. Maximum supported API version is 1.51"),
        ("/v1./fixed", 400, "invalid API version"),
        ("/nothing", 404, "page not found"),
        ("/v1.51", 404, "page not found"),
        ("/v1.51/v1.51/fixed", 404, "page not found"),
        ("/FIXED", 404, "page not found"),
        ("/fixed/", 404, "page not found"),
        ("/things/a%00b/json", 400, "NUL"),
        ("/things/%ff/json", 400, "UTF-8"),
        ("/fixed?q=%zz", 400, 'invalid URL escape "%zz"'),
        ("/missing/x", 404, "No such thing: x"),
        ("/conflict", 409, "busy"),
        ("/defect", 500, "internal error (KeyError)"),
    ],
)
def test_refusals_are_docker_error_documents(tmp_path: Path, target: str, status: int, words: str) -> None:
    async def client(address: str) -> None:
        answer = await ask(address, target)
        assert answer[0] == status
        assert words in message(answer[2])
        assert "secret" not in message(answer[2])

    run(tmp_path, ROUTES, client)


def test_unclean_paths_are_redirected(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        for target in ("//fixed?q=1", "/x/../fixed?q=1", "/%2e/fixed?q=1"):
            status, headers, _ = await ask(address, target)
            assert (status, headers["location"]) == (301, "/fixed?q=1")

    run(tmp_path, ROUTES, client)


def test_wrong_method_is_not_found_and_304_has_no_body(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        assert (await ask(address, "/fixed", "POST"))[0] == 404
        assert (await ask(address, "/fixed", "HEAD"))[0::2] == (404, b"")
        status, headers, body = await ask(address, "/anything", "OPTIONS")
        assert (status, headers["api-version"], body) == (200, "1.51", b"")
        status, _, body = await ask(address, "/same", "POST")
        assert (status, body) == (304, b"")

    run(tmp_path, ROUTES, client)


def test_json_bodies(tmp_path: Path) -> None:
    kind = "Content-Type: application/json\r\n"

    async def client(address: str) -> None:
        async def post(body: bytes, headers: str = kind) -> tuple[int, str]:
            status, _, answer = await ask(address, "/echo", "POST", body, headers)
            return status, answer.decode()

        assert await post(b'{"a": [1, null]}') == (200, '{"got":{"a":[1,null]}}\n')
        assert await post(b"") == (200, '{"got":null}\n')
        assert await post(b"", "") == (200, '{"got":null}\n')
        assert (await post(b"{}", "Content-Type: Application/JSON; charset=utf-8\r\n"))[0] == 200
        for body, headers, words in [
            (b"{}", "Content-Type: text/plain\r\n", "unsupported Content-Type header (text/plain): must be"),
            (b"{}", "", "malformed Content-Type header (): mime: no media type"),
            (b"{", kind, "invalid JSON: unexpected EOF"),
            (b"{} {}", kind, "unexpected content after JSON"),
            (b"{x}", kind, "invalid JSON"),
            (b"\xff", kind, "invalid JSON"),
            (b"[NaN]", kind, "invalid JSON: invalid character 'N' looking for beginning of value"),
            (b"[" * 66 + b"]" * 66, kind, "exceeded max depth (64)"),
            (b"[" * 100000, kind, "exceeded max depth (64)"),
        ]:
            status, answer = await post(body, headers)
            assert (status, words in answer) == (400, True), (body[:20], answer)
        oversized = f"POST /echo HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: 99999999\r\nConnection: close\r\n\r\n"
        status, _, body = parse(await exchange(address, oversized.encode(), eof=False))
        assert (status, "too large" in message(body)) == (400, True)

    # The oversized body is never sent; the answer comes first, then the connection ends.
    run(tmp_path, ROUTES, client)


def test_a_half_closed_client_still_gets_its_answer(tmp_path: Path) -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.05)
        return text("late")

    async def client(address: str) -> None:
        status, _, body = parse(await exchange(address, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", eof=True))
        assert (status, body) == (200, b"late")

    run(tmp_path, [Route("GET", "/slow", slow)], client)


def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        first = b"GET /fixed?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
        second = b"GET /fixed?q=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        data = await exchange(address, first + second)
        assert data.index(b'"q":"1"') < data.index(b'"q":"2"')
        assert data.count(b"HTTP/1.1 200 OK") == 2

    run(tmp_path, ROUTES, client)


def test_a_stream_flushes_each_write_and_fails_properly_before_the_first(tmp_path: Path) -> None:
    async def early(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            raise NotFound("nothing to stream")

        return stream(produce)

    async def ticking(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            await writer.json({"n": 1})
            await step.wait()
            await writer.write(b"end")

        return stream(produce, content_type="text/plain")

    step = asyncio.Event()

    async def client(address: str) -> None:
        assert (await ask(address, "/early"))[0] == 404
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"GET /ticking HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = await reader.readuntil(b'{"n":1}\n')
        step.set()
        status, headers, body = parse(head + await reader.read())
        assert (status, headers["content-type"], body) == (200, "text/plain", b'{"n":1}\nend')
        writer.close()

    run(tmp_path, [Route("GET", "/early", early), Route("GET", "/ticking", ticking)], client)


@pytest.mark.parametrize("started", [False, True])
def test_a_stream_is_cancelled_when_its_client_goes(tmp_path: Path, started: bool) -> None:
    seen: list[str] = []

    async def wait(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            if started:
                await writer.start()
            running.set()
            try:
                await asyncio.sleep(60)
            finally:
                seen.append("cancelled")
                done.set()

        return stream(produce)

    running, done = asyncio.Event(), asyncio.Event()

    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await running.wait()
        if started:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        await done.wait()
        assert seen == ["cancelled"]

    run(tmp_path, [Route("GET", "/wait", wait)], client)


def test_a_failure_after_the_first_write_cuts_the_stream_short(tmp_path: Path) -> None:
    async def broken(request: Request) -> Response:
        async def produce(writer: StreamWriter) -> None:
            await writer.write(b"some")
            raise RuntimeError("disk on fire")

        return stream(produce)

    async def client(address: str) -> None:
        try:
            data = await exchange(address, b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
        except ConnectionResetError:
            return
        assert not data.endswith(b"0\r\n\r\n")

    run(tmp_path, [Route("GET", "/broken", broken)], client)


def test_hijack_hands_on_the_bytes_that_followed_and_keeps_half_close(tmp_path: Path) -> None:
    async def attach(request: Request) -> Response:
        body = await request.json_object()
        peer = await request.hijack(multiplexed=True)
        got = b""
        while data := await peer.read():
            got += data
        peer.write(b"%s:%s" % (body["x"].encode(), got))
        await asyncio.sleep(0.02)
        peer.write(b":late")
        return HIJACKED

    async def client(address: str) -> None:
        for headers, line in [
            (b"Connection: Upgrade\r\nUpgrade: tcp\r\n", b"HTTP/1.1 101 UPGRADED\r\n"),
            (b"", b"HTTP/1.1 200 OK\r\n"),
        ]:
            request = b"POST /v1.44/attach HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            request += b'Content-Length: 9\r\n%s\r\n{"x":"y"}GET / HTTP/1.1\r\n\r\n' % headers
            data = await exchange(address, request, eof=True)
            head, _, body = data.partition(b"\r\n\r\n")
            assert head.startswith(line)
            assert (b"Upgrade: tcp" in head) == bool(headers)
            kind = b"multiplexed" if headers else b"raw"
            assert b"Content-Type: application/vnd.docker.%s-stream" % kind in head
            assert body == b"y:GET / HTTP/1.1\r\n\r\n:late"

    run(tmp_path, [Route("POST", "/attach", attach)], client)


def test_expect_continue_is_answered_before_the_body(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert parse(await reader.read())[0] == 200
        writer.close()

    run(tmp_path, ROUTES, client)


def test_empty_answers_name_no_content_type(tmp_path: Path) -> None:
    async def none(request: Request) -> Response:
        return empty()

    async def client(address: str) -> None:
        status, headers, body = await ask(address, "/none", "POST")
        assert (status, body) == (204, b"")
        assert "content-type" not in headers

    run(tmp_path, [Route("POST", "/none", none)], client)


def test_the_same_route_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Router([Route("GET", "/a", echo), Route("GET", "/a", echo_json)])
