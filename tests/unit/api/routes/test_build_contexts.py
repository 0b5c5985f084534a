"""Contexts that come with the request: small ones stay in memory, others become a file until they are closed."""

from __future__ import annotations

import asyncio
import gzip
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.fakes.http_peer import ask, run_with
from tests.unit.storage.trees.conftest import archive

from carrack.api.app import Route
from carrack.api.folders import Folders
from carrack.api.request import Query, Request
from carrack.api.response import Response, json_response
from carrack.api.routes.build_contexts import BuildContexts
from carrack.engine.build import order
from carrack.errors import NotFound
from carrack.storage.content import ContentStore
from carrack.storage.trees.base import walk

SMALL = archive({"a/b": "1", "c": "2"})
LONG = archive({f"{'a/' * 80}b": "1"})
LARGE = archive({"a": os.urandom(1000).hex() * 200, "c": "2"})


def test_agents_need_who_lends_them(tmp_path: Path) -> None:
    contexts = Place(tmp_path).contexts
    asked = order.Asked(dockerfile="d")
    assert contexts.lent(Query("folders=x"), asked) is asked
    with pytest.raises(NotFound):
        contexts.lent(Query("folders=x"), replace(asked, keys=frozenset({"default"})))


class Place:
    """Where contexts are received, and what was seen there."""

    def __init__(self, folder: Path) -> None:
        self.store = ContentStore(folder / "content")
        tools = SimpleNamespace(content=self.store)
        self.contexts = BuildContexts(SimpleNamespace(tools=tools), Folders(), str(folder))  # type: ignore[arg-type]
        self.failed = asyncio.Event()
        self.files: list[int] = []

    async def received(self, request: Request) -> Response:
        try:
            tree = await self.contexts.received(request)
        except BaseException:
            self.failed.set()
            raise
        self.files.append(self.spools())
        found = [os.fsdecode(entry.path) for entry in walk(tree, b"")]
        tree.close()
        return json_response(found)

    def spools(self) -> int:
        return len(list((self.store.root / "ingest").iterdir()))

    def routes(self) -> list[Route]:
        return [Route("POST", "/x", self.received)]


async def send(address: str, body: bytes, *, chunked: bool = False) -> bytes:
    """The answer to a body, in one piece or in many."""
    reader, writer = await asyncio.open_unix_connection(address)
    kind = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + kind + b"\r\n\r\n")
    for at in range(0, len(body), 4096) if chunked else ():
        piece = body[at : at + 4096]
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(b"0\r\n\r\n" if chunked else body)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("chunked", [False, True])
def test_small_ones_need_no_file(tmp_path: Path, chunked: bool) -> None:
    place = Place(tmp_path)

    async def client(address: str) -> None:
        assert (await send(address, SMALL, chunked=chunked)).endswith(b'["a","a/b","c"]\n')
        assert (await send(address, LARGE, chunked=chunked)).endswith(b'["a","c"]\n')
        assert (await send(address, LONG, chunked=chunked)).endswith(b'/a/b"]\n')
        assert (await send(address, gzip.compress(SMALL), chunked=chunked)).endswith(b'["a","a/b","c"]\n')

    run_with(tmp_path, place.routes(), client)
    assert place.files == [0, 1, 1, 1]
    assert place.spools() == 0


@pytest.mark.parametrize("body", [SMALL[:1100], b"x" * 2000, LARGE[:200_000], gzip.compress(SMALL, mtime=0)[:50]])
def test_damaged_ones_leave_nothing(tmp_path: Path, body: bytes) -> None:
    place = Place(tmp_path)

    async def client(address: str) -> None:
        for chunked in (False, True):
            assert (await send(address, body, chunked=chunked)).startswith(b"HTTP/1.1 400")
        assert (await ask(address, "/none"))[0] == 404

    run_with(tmp_path, place.routes(), client)
    assert (place.files, place.spools()) == ([], 0)


@pytest.mark.parametrize("body", [SMALL, LARGE])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_goes_in_the_middle(tmp_path: Path, body: bytes, chunked: bool) -> None:
    place = Place(tmp_path)

    async def client(address: str) -> None:
        _, writer = await asyncio.open_unix_connection(address)
        kind = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
        half = body[: len(body) // 2]
        writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\n" + kind + b"\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n" % (len(half), half) if chunked else half)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await place.failed.wait()

    run_with(tmp_path, place.routes(), client)
    assert (place.files, place.spools()) == ([], 0)
