"""``attach/ws``, which dashboards in a browser use: each parameter is seen in the messages or in the container."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp
import pytest
from tests.cli.running import Cli

pytestmark = pytest.mark.root


async def _talk(docker: Cli, name: str, query: str, sent: Sequence[bytes], until: bytes) -> bytes:
    """What comes in messages until it holds ``until``, or until the other side closes."""
    connector = aiohttp.UnixConnector(str(docker.daemon.socket))
    got = b""
    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession("http://daemon", connector=connector) as session,
        session.ws_connect(f"/v1.51/containers/{name}/attach/ws?{query}") as stream,
    ):
        for each in sent:
            await stream.send_bytes(each)
        async for message in stream:
            got += message.data
            if until and until in got:
                break
    return got


def talk(docker: Cli, name: str, query: str, *sent: bytes, until: bytes = b"") -> bytes:
    return asyncio.run(_talk(docker, name, query, sent, until))


@pytest.mark.census(
    "GET /containers/{id}/attach/ws",
    "GET /containers/{id}/attach/ws?stream",
    "GET /containers/{id}/attach/ws?stdin",
    "GET /containers/{id}/attach/ws?stdout",
)
def test_a_conversation(docker: Cli, image: str) -> None:
    docker("run", "-d", "-i", "--name", "hears", image, "cat")
    assert talk(docker, "hears", "stream=1&stdin=1&stdout=1", b"one\n", b"two\n", until=b"two\n") == b"one\ntwo\n"


@pytest.mark.census("GET /containers/{id}/attach/ws?logs", "GET /containers/{id}/attach/ws?stderr")
def test_what_was_said_before(docker: Cli, image: str) -> None:
    docker("run", "--name", "said", image, "sh", "-c", "echo out; echo err >&2")
    assert talk(docker, "said", "logs=1&stdout=1") == b"out\n"
    assert talk(docker, "said", "logs=1&stderr=1") == b"err\n"


@pytest.mark.census("GET /containers/{id}/attach/ws?detachKeys")
def test_keys_to_leave_by(docker: Cli, image: str) -> None:
    docker("run", "-d", "-it", "--name", "hears", image, "cat")
    talk(docker, "hears", "stream=1&stdin=1&stdout=1&detachKeys=ctrl-x", b"left\x18lost\n")
    assert docker("inspect", "-f", "{{.State.Running}}", "hears").stdout == "true\n"
