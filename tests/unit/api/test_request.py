"""What handlers read from a request: query parameters by type, JSON bodies, raw bodies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.fakes.http_peer import ask, exchange, parse, run_with

from carrack.api.app import Route
from carrack.api.request import Query, Request
from carrack.api.response import Response, json_response
from carrack.errors import InvalidArgument


async def echo_json(request: Request) -> Response:
    return json_response({"got": await request.json()})


ROUTES = [Route("POST", "/echo", echo_json)]


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
            (b"[" * 66 + b"]" * 66, kind, "exceeded max depth"),
            (b"[" * 100000, kind, "exceeded max depth"),
        ]:
            status, answer = await post(body, headers)
            assert (status, words in answer) == (400, True), (body[:20], answer)
        oversized = f"POST /echo HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: 99999999\r\nConnection: close\r\n\r\n"
        status, _, body = parse(await exchange(address, oversized.encode(), eof=False))
        assert (status, b"too large" in body) == (400, True)

    # The oversized body is never sent; the answer comes first, then the connection ends.
    run_with(tmp_path, ROUTES, client)


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

    run_with(tmp_path, ROUTES, client)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", False),
        ("x=", False),
        ("x=0", False),
        ("x=No", False),
        ("x=FALSE", False),
        ("x=none", False),
        ("x=+0+", False),
        ("x=1", True),
        ("x=yes", True),
        ("x=anything", True),
        ("x", False),
    ],
)
def test_flags_follow_docker_s_rule(raw: str, expected: bool) -> None:
    assert Query(raw).flag("x") is expected


def test_query_parameters_by_type() -> None:
    query = Query("a=1&a=2&b=&s=%C3%A9+x&n=-5&j=%7B%22k%22%3A1%7D")
    assert (query.text("a"), query.texts("a"), query.text("s")) == ("1", ["1", "2"], "é x")
    assert (query.integer("n"), query.integer("b"), query.integer("zz", 7)) == (-5, None, 7)
    assert query.flag("zz", default=True)
    assert query.json("j") == {"k": 1}
    assert query.json("zz") is None
    assert "b" in query
    assert query.names() == ["a", "b", "s", "n", "j"]
    for bad in ("n=x", "n=1e3", "n=٣", "n=" + "9" * 30):
        with pytest.raises(InvalidArgument, match="invalid syntax"):
            Query(bad).integer("n")


def test_filters_in_both_forms() -> None:
    def filters(text: str) -> dict[str, list[str]]:
        return Query("filters=" + text).filters()

    assert filters("") == {}
    assert filters('{"label":["a=b","c"],"n":[]}') == {"label": ["a=b", "c"], "n": []}
    assert filters('{"label":{"a=b":true,"c":false}}') == {"label": ["a=b"]}
    for bad in ("{x", "[]", '"a"', '{"a":1}', '{"a":[1]}', '{"a":{"b":1}}'):
        with pytest.raises(InvalidArgument, match=r"^invalid filter$"):
            filters(bad)


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="malformed query"):
        Query("&".join(["a=1"] * 1001))


def test_a_body_is_streamed_and_a_client_that_leaves_inside_it_is_noticed(tmp_path: Path) -> None:
    seen: list[object] = []
    ended = asyncio.Event()

    async def upload(request: Request) -> Response:
        size = 0
        try:
            async for data in request.stream():
                size += len(data)
        except ConnectionError as error:
            seen.append(type(error).__name__)
            ended.set()
            raise
        return json_response(size)

    async def client(address: str) -> None:
        head = b"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        whole = head + b"".join(b"8000\r\n" + bytes(0x8000) + b"\r\n" for _ in range(40)) + b"0\r\n\r\n"
        assert json.loads(parse(await exchange(address, whole))[2]) == 40 * 0x8000
        _, writer = await asyncio.open_unix_connection(address)
        writer.write(whole[:70000])
        await writer.drain()
        writer.close()
        await ended.wait()
        assert seen

    run_with(tmp_path, [Route("POST", "/upload", upload)], client)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_small_body_comes_whole_and_a_large_one_piece_by_piece(tmp_path: Path, chunked: bool) -> None:
    seen: list[tuple[int | None, int]] = []

    async def upload(request: Request) -> Response:
        whole, rest = await request.small(1000)
        seen.append((None if whole is None else len(whole), sum([len(each) async for each in rest])))
        return Response(200)

    async def client(address: str) -> None:
        for size in (0, 10, 1000, 1001, 300_000):
            body = b"x" * size
            head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
            sent = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if chunked and size else body
            if chunked and not size:
                sent = b"0\r\n\r\n"
            answer = await exchange(
                address, b"POST /u HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + b"\r\n\r\n" + sent
            )
            assert answer.startswith(b"HTTP/1.1 200")

    run_with(tmp_path, [Route("POST", "/u", upload)], client)
    assert seen == [(0, 0), (10, 0), (1000, 0), (None, 1001), (None, 300_000)]
