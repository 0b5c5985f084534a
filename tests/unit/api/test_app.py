"""The API's face over a real unix socket, with raw bytes on the client's side."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.fakes.http_peer import ask, exchange, parse
from tests.fakes.http_peer import run_with as run

__all__ = ["ask", "run"]

from carrack.api.app import Route, Router
from carrack.api.request import Request
from carrack.api.response import Response, empty, json_response, text
from carrack.errors import Conflict, NotFound, NotModified


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
        ("/v1.99/fixed", 400, "client version 1.99 is too new. Maximum supported API version is 1.51"),
        ("/nothing", 404, "page not found"),
        ("/v1.51", 404, "page not found"),
        ("/v1.51/v1.51/fixed", 404, "page not found"),
        ("/FIXED", 404, "page not found"),
        ("/fixed/", 404, "page not found"),
        ("/things/a%00b/json", 400, "NUL"),
        ("/missing/%ff", 404, "No such thing: \ufffd"),
        ("/missing/a%2fb", 404, "No such thing: a/b"),
        ("/fixed?a=1;b=2", 400, "invalid semicolon separator in query"),
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


def test_a_version_too_old_is_told_in_plain_text(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        status, headers, body = await ask(address, "/v1.20/fixed")
        assert (status, headers["content-type"]) == (400, "text/plain; charset=utf-8")
        assert body.startswith(b"client version 1.20 is too old. Minimum supported API version is 1.41")
        assert "docker-experimental" not in headers
        assert (await ask(address, "/v1.99/fixed", "OPTIONS"))[0] == 400

    run(tmp_path, ROUTES, client)


def test_a_body_held_back_is_not_taken_for_the_next_request(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        request = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        status, headers, _ = parse(await exchange(address, request))
        assert (status, headers["connection"]) == (404, "close")

    run(tmp_path, ROUTES, client)


def test_nobody_is_named_where_no_route_is(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        assert not {"server", "api-version"} & set((await ask(address, "/nothing"))[1])
        assert "server" in (await ask(address, "/fixed"))[1]

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
