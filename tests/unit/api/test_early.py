"""What is answered before the rest of the engine stands: the plainest requests, as the engine would, and no others."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeRecords, container
from tests.fakes.http_peer import exchange, parse, run, run_with

from carrack.api import versions
from carrack.api.app import Route
from carrack.api.early import Early, ping
from carrack.api.request import Request
from carrack.api.response import Response, encoded_json
from carrack.api.summaries import Summaries
from carrack.engine.containers.store import ContainerStore


def store() -> ContainerStore:
    records: Any = FakeRecords()
    made = ContainerStore(records)

    async def fill() -> None:
        for number, status in ((1, "running"), (2, "exited")):
            c = container(number, status=status)
            made.reserve(c.name, c.id)
            await made.add(c)

    run(fill)
    return made


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def early(**changes: Any) -> Early:
    return Early(store(), changes.get("minimum", versions.MINIMUM), changes.get("experimental", False))


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("GET /containers/json", ["/name1"]),
        ("GET /v1.41/containers/json", ["/name1"]),
        ("GET /v1.48/containers/json", ["/name1"]),
        ("GET /v1.51/containers/json?all=1", ["/name2", "/name1"]),
        ("GET /v1.51/containers/json?all=0", ["/name1"]),
    ],
)
def test_the_list(line: str, names: list[str]) -> None:
    answer = early().answer(head(line, "User-Agent: x", "Content-Length: 0", "connection: Keep-Alive"))
    assert answer is not None
    status, fields, body = parse(answer)
    assert (status, fields["content-type"], int(fields["content-length"])) == (200, "application/json", len(body))
    assert [name for row in json.loads(body) for name in row["Names"]] == names


@pytest.mark.parametrize(
    "request_head",
    [
        head("GET /info"),
        head("POST /containers/json"),
        head("HEAD /containers/json"),
        head("GET /containers/json?size=1"),
        head("GET /containers/json?all=1&limit=1"),
        head("GET /containers/json?all=yes"),
        head("GET /_ping?all=1"),
        head("GET /containers/json?all=1&fields=Id%2CNmaes"),
        head("GET /v1.40/containers/json"),
        head("GET /v1.99/_ping"),
        head("GET /v/_ping"),
        head("GET /_ping", "Connection: close"),
        head("GET /_ping", "Content-Length: 1"),
        head("GET /_ping", "Content-Length: 0", "Content-Length: 0"),
        head("GET /_ping", "Transfer-Encoding: chunked"),
        head("GET /_ping", "Expect: 100-continue"),
        head("GET /_ping", "Upgrade: tcp"),
        head("GET /_ping", " folded: 1"),
        b"GET /_ping HTTP/1.1\r\n\r\n",  # no host
        b"GET /_ping HTTP/1.0\r\nHost: x\r\n\r\n",
    ],
)
def test_everything_else_waits(request_head: bytes) -> None:
    assert early().answer(request_head) is None


def test_a_daemon_of_newer_clients_only() -> None:
    assert early(minimum=(1, 48)).answer(head("GET /v1.47/_ping")) is None


def test_answers_are_those_of_the_whole_engine(tmp_path: Path) -> None:
    made = store()

    async def answer_ping(request: Request) -> Response:
        return ping(request.method)

    async def answer_list(request: Request) -> Response:
        fields = request.query.text("fields")
        return encoded_json(Summaries(made).unfiltered(request.query.flag("all"), request.version, fields))

    routes = [
        Route("GET", "/_ping", answer_ping),
        Route("HEAD", "/_ping", answer_ping),
        Route("GET", "/containers/json", answer_list),
    ]

    some = "GET /containers/json?all=1&fields=Id%2CNames%2CStatus"

    async def client(address: str) -> None:
        lists = "GET /containers/json?all=true", some, "GET /v1.45/containers/json?all=1"
        for line in ("HEAD /_ping", "GET /v1.51/_ping", *lists):
            whole = await exchange(address, head(line, "Connection: close"))
            first = Early(made, versions.MINIMUM, False).answer(head(line))
            assert first is not None
            date = re.compile(rb"Date: .*\r\n(Connection: close\r\n)?")
            assert date.sub(b"", first) == date.sub(b"", whole)

    run_with(tmp_path, routes, client)
    assert b"Docker-Experimental: true" in (early(experimental=True).answer(head("GET /_ping")) or b"")
    asyncio.set_event_loop(None)
