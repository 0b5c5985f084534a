"""What is answered before the rest of the engine stands, over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeRecords, container
from tests.fakes.http_peer import ask, run

from carrack.api.app import Application, Route
from carrack.api.request import Request
from carrack.api.response import Response, text
from carrack.api.routes import early
from carrack.engine.containers.store import ContainerStore
from carrack.http.server import Server


async def whole(request: Request) -> Response:
    return text("by the whole engine")


WHOLE = [Route("GET", "/containers/json", whole), Route("GET", "/info", whole), *early.pings()]


async def starting(folder: Path) -> tuple[str, Application, Server]:
    records: Any = FakeRecords()
    store = ContainerStore(records)
    for number, status in ((1, "running"), (2, "exited")):
        c = container(number, status=status)
        store.reserve(c.name, c.id)
        await store.add(c)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(folder / "api.sock"))
    app = Application(None)
    app.begin(early.routes(store, app.later))
    server = Server(app)
    await server.listen(sock)
    return str(folder / "api.sock"), app, server


def test_the_list_and_ping_are_answered_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        address, _, server = await starting(tmp_path)
        for path, names in (("/v1.47/containers/json", ["/name1"]), ("/containers/json?all=1", ["/name2", "/name1"])):
            status, headers, body = await ask(address, path)
            assert (status, headers["content-type"]) == (200, "application/json")
            assert [name for row in json.loads(body) for name in row["Names"]] == names
        assert (await ask(address, "/_ping"))[2] == b"OK"
        await server.close(0.1)

    run(main)


@pytest.mark.parametrize(
    "path",
    [
        "/v1.47/info",
        "/v1.47/containers/json?size=1",
        "/v1.47/containers/json?limit=1",
        "/v1.47/containers/json?filters=%7B%7D",
        "/v1.44/containers/json",
    ],
)
def test_others_wait_for_the_rest(tmp_path: Path, path: str) -> None:
    async def main() -> None:
        address, app, server = await starting(tmp_path)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask(address, path))
            await asyncio.sleep(0.05)
            assert not asked.done()
            app.complete(WHOLE, None)
        assert asked.result()[2] == b"by the whole engine"
        assert (await ask(address, "/v1.47/containers/json"))[2] == b"by the whole engine"
        await server.close(0.1)

    run(main)


def test_what_there_is_not_at_all_is_told_then_too(tmp_path: Path) -> None:
    async def main() -> None:
        address, app, server = await starting(tmp_path)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask(address, "/nothing"))
            await asyncio.sleep(0.05)
            assert not asked.done()
            app.complete(WHOLE, None)
        assert asked.result()[0] == 404
        await server.close(0.1)

    run(main)
