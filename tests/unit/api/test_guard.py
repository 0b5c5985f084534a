"""What the plugins are shown of requests and answers, and that handlers get nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import certificates
from tests.fakes import plugin as fake
from tests.fakes.http_peer import ask, exchange, parse, run, serving, serving_tcp

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, json_response, stream, text
from carrack.api.stream import StreamWriter
from carrack.daemon.config import Tls
from carrack.daemon.listen import tls_context
from carrack.engine.authorization import REQUEST, RESPONSE, Authorizer
from carrack.engine.plugins.registry import Plugins
from carrack.errors import NotFound

JSON = "Content-Type: application/json\r\n"
done: list[str] = []


async def create(request: Request) -> Response:
    return json_response({"got": await request.json()}, status=201)


async def fail(request: Request) -> Response:
    raise NotFound("no such thing")


async def count(request: Request) -> Response:
    return text(str(sum([len(data) async for data in request.stream()])))


async def numbers(request: Request) -> Response:
    async def produce(writer: StreamWriter) -> None:
        done.append("produced")
        await writer.start()
        await writer.write(b"1")

    return stream(produce)


async def attach(request: Request) -> Response:
    connection = await request.hijack()
    connection.write(b"attached")
    return HIJACKED


async def attach_websocket(request: Request) -> Response:
    connection = await request.websocket(framed=False)
    connection.write(b"attached")
    return HIJACKED


async def secret(request: Request) -> Response:
    return text((await request.json_object())["password"])


ROUTES = [
    Route("POST", "/things/create", create),
    Route("GET", "/things/{id:.*}/json", fail),
    Route("PUT", "/things/{id}/archive", count),
    Route("GET", "/numbers", numbers),
    Route("POST", "/things/{id}/attach", attach),
    Route("GET", "/things/{id}/ws", attach_websocket),
    Route("POST", "/auth", secret),
]


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[fake.Plugin]:
    done.clear()
    with fake.Plugin(tmp_path / "judge.sock", tmp_path, ("authz",)) as running:
        running.answers = {REQUEST: {"Allow": True}, RESPONSE: {"Allow": True}}
        yield running


def play(tmp_path: Path, client: Callable[[str], Awaitable[None]]) -> None:
    async def main() -> None:
        authorizer = Authorizer(Plugins([str(tmp_path)]), ["judge"])
        async with serving(tmp_path, ROUTES, authorizer=authorizer) as address:
            await client(address)

    run(main)


def decoded(value: str) -> Any:
    return json.loads(base64.b64decode(value))


def test_a_request_and_its_answer_are_shown(tmp_path: Path, plugin: fake.Plugin) -> None:
    async def client(address: str) -> None:
        more = JSON + "user-agent: a\r\nX-Twice: 1\r\nx-twice: 2\r\nX-Registry-Auth: c2VjcmV0\r\n"
        status, _, _ = await ask(address, "/v1.51/things/create?name=a%20b", "POST", b'{"a": 1}', more)
        assert status == 201

    play(tmp_path, client)
    (asked,), (answered,) = plugin.called(REQUEST), plugin.called(RESPONSE)
    assert (asked["RequestMethod"], asked["RequestUri"]) == ("POST", "/v1.51/things/create?name=a%20b")
    assert base64.b64decode(asked["RequestBody"]) == b'{"a": 1}'
    assert asked["RequestHeaders"] == {
        "Connection": "close", "Content-Length": "8", "Content-Type": "application/json", "User-Agent": "a",
        "X-Twice": "1, 2",
    }  # fmt: skip
    assert "User" not in asked
    assert answered.items() >= asked.items()
    assert answered["ResponseStatusCode"] == 201
    assert decoded(answered["ResponseBody"]) == {"got": {"a": 1}}
    assert answered["ResponseHeaders"]["Api-Version"] == "1.51"


@pytest.mark.parametrize("method", [REQUEST, RESPONSE])
def test_what_is_denied_gets_no_other_answer(tmp_path: Path, plugin: fake.Plugin, method: str) -> None:
    plugin.answers[method] = {"Allow": False, "Msg": "no"}
    attached = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
    websocket = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    requests = [
        ("/things/create", "POST", JSON),
        ("/things/x/json", "GET", ""),
        ("/numbers", "GET", ""),
        ("/things/x/attach", "POST", attached),
        ("/things/x/ws", "GET", websocket),
        ("/numbers", "OPTIONS", ""),
    ]

    async def client(address: str) -> None:
        for target, verb, more in requests:
            status, _, body = await ask(address, target, verb, b"{}" if verb == "POST" and more == JSON else b"", more)
            assert (target, status) == (target, 403)
            assert json.loads(body) == {"message": "authorization denied by plugin judge: no"}

    play(tmp_path, client)
    assert done == ([] if method == REQUEST else ["produced"])


def test_the_status_of_streams_and_failures_is_shown(tmp_path: Path, plugin: fake.Plugin) -> None:
    async def client(address: str) -> None:
        assert (await ask(address, "/numbers"))[2] == b"1"
        assert (await ask(address, "/things/x/json"))[0] == 404
        assert (await ask(address, "/nothing"))[0] == 404
        assert (await ask(address, "/things/x/attach", "POST"))[2] == b"attached"

    play(tmp_path, client)
    assert [one["ResponseStatusCode"] for one in plugin.called(RESPONSE)] == [200, 404, 200]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("/things/%61/json", "/things/a/json"),
        ("/things/a%2fb/json", "/things/a/b/json"),
        ("http://elsewhere/things/a/json?q=%61", "/things/a/json?q=%61"),
        ("/v1.51/things/%C3%BC%20%23/json", "/v1.51/things/%C3%BC%20%23/json"),
        ("/things/a%3Fb/json", "/things/a%3Fb/json"),
    ],
)
def test_the_path_that_is_shown_is_the_one_that_was_routed(
    tmp_path: Path, plugin: fake.Plugin, typed: str, shown: str
) -> None:
    async def client(address: str) -> None:
        await ask(address, typed)

    play(tmp_path, client)
    assert plugin.called(REQUEST)[0]["RequestUri"] == shown


def test_archives_pass_unseen_and_passwords_too(tmp_path: Path, plugin: fake.Plugin) -> None:
    async def client(address: str) -> None:
        tar = "Content-Type: application/x-tar\r\n"
        assert (await ask(address, "/things/x/archive", "PUT", b"x" * 3_000_000, tar))[2] == b"3000000"
        assert (await ask(address, "/things/x/archive", "PUT", b"[1]", JSON))[2] == b"3"
        assert (await ask(address, "/v1.51/auth", "POST", b'{"password": "p"}', JSON))[2] == b"p"

    play(tmp_path, client)
    assert [one.get("RequestBody") for one in plugin.called(REQUEST)] == [None, base64.b64encode(b"[1]").decode(), None]


def test_a_plugin_that_fails_stops_everything(tmp_path: Path, plugin: fake.Plugin) -> None:
    plugin.answers[REQUEST] = 500

    async def client(address: str) -> None:
        status, _, body = await ask(address, "/things/create", "POST", b"{}", JSON)
        assert (status, b"plugin judge failed with error" in body) == (500, True)

    play(tmp_path, client)
    assert plugin.called(RESPONSE) == []


def test_the_certificate_tells_the_user(tmp_path: Path, plugin: fake.Plugin) -> None:
    made = certificates.make(tmp_path)

    async def main() -> None:
        tls = tls_context(Tls(made.authority, made.server, made.server_key))
        authorizer = Authorizer(Plugins([str(tmp_path)]), ["judge"])
        async with serving_tcp(ROUTES, tls, authorizer=authorizer) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=made.client_context())
            writer.write(b"GET /numbers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert parse(await reader.read())[0] == 200
            writer.close()

    run(main)
    (asked,) = plugin.called(REQUEST)
    assert (asked["User"], asked["UserAuthNMethod"]) == ("client", "TLS")
    pem = base64.b64decode(asked["RequestPeerCertificates"][0]).decode()
    assert ssl.PEM_cert_to_DER_cert(pem) == ssl.PEM_cert_to_DER_cert(made.client.read_text())


def test_a_request_that_waits_for_our_word_gets_it(tmp_path: Path, plugin: fake.Plugin) -> None:
    head = f"POST /things/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{JSON}Expect: 100-continue\r\n"

    async def client(address: str) -> None:
        data = await exchange(address, f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
        assert data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201")

    play(tmp_path, client)
