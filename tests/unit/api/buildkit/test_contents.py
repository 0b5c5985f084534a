"""A folder of the client's, over a session that is a few functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.fakes.buildkit import FakeSession

from carrack.api.buildkit.contents import opener
from carrack.engine.build.caching.wanted import CacheAt
from carrack.errors import InvalidArgument, NotSupported
from carrack.http.grpc import Failed
from carrack.oci.descriptor import Descriptor

DIGEST = "sha256:" + "a" * 64


class _Folder:
    """See Caller: blobs that are read, and one that is written, of which it says to have ``takes`` bytes at most."""

    def __init__(self, blobs: dict[str, bytes], takes: int = 1 << 30, refusal: Failed | None = None) -> None:
        self.blobs = blobs
        self.takes = takes
        self.refusal = refusal
        self.written = bytearray()
        self.messages: list[dict[str, Any]] = []
        self.names: set[str] = set()
        self._out: list[dict[str, Any]] = []

    @asynccontextmanager
    async def open(self, path: str, request: Any, reply: Any, metadata: Any = None) -> AsyncIterator[Any]:
        self.names.add(dict(metadata)["buildkit-attachable-store-id"])
        self._method = path.rpartition("/")[2]
        yield self

    async def send_message(self, message: dict[str, Any], end: bool = False) -> None:
        self.messages.append(message)
        if self.refusal is not None:
            raise self.refusal
        if self._method == "Write":
            self.written += message.get("data", b"")
            self._out.append({"offset": min(len(self.written), self.takes)})
            return
        data = self.blobs.get(message["digest"])
        if data is None:
            raise Failed(5, "not found")
        if self._method == "Info":
            self._out.append({"info": {"digest": message["digest"], "size": len(data)}})
        else:
            part = data[message["offset"] : message["offset"] + message["size"]]
            self._out += [{"data": part[:2]}, {"data": part[2:]}]

    async def end(self) -> None:
        pass

    async def recv_message(self) -> dict[str, Any] | None:
        return self._out.pop(0) if self._out else None


def _store(folder: _Folder, **attributes: str) -> Any:
    session: Any = FakeSession(folder)  # type: ignore[arg-type]
    return opener(session)(CacheAt("local", attributes or {"src": "d"}))


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_sizes_and_reading() -> None:
    async def run() -> None:
        folder = _Folder({DIGEST: b"0123456789"})
        store = _store(folder)
        assert await store.size(DIGEST) == 10
        assert await store.size("sha256:" + "b" * 64) is None
        assert b"".join([piece async for piece in store.read(DIGEST, 3, 5)]) == b"34567"
        assert folder.names == {"local:d"}
        with pytest.raises(Failed):
            await _store(_Folder({}, refusal=Failed(13, "broken"))).size(DIGEST)

    asyncio.run(run())


def test_writing() -> None:
    async def run() -> None:
        folder = _Folder({})
        await _store(folder, dest="out").write(Descriptor("t", DIGEST, 5), _pieces(b"abc", b"de"))
        assert bytes(folder.written) == b"abcde"
        last = folder.messages[-1]
        assert (last["action"], last["offset"], last["expected"], last["total"]) == (2, 5, DIGEST, 5)
        assert folder.names == {"local:out"}

    asyncio.run(run())


def test_what_is_there_need_not_be_written_and_less_is_not_enough() -> None:
    async def run() -> None:
        await _store(_Folder({}, refusal=Failed(6, "already exists"))).write(Descriptor("t", DIGEST, 1), _pieces(b"a"))
        with pytest.raises(InvalidArgument, match="has taken"):
            await _store(_Folder({}, takes=1)).write(Descriptor("t", DIGEST, 3), _pieces(b"abc"))
        with pytest.raises(Failed):
            await _store(_Folder({}, refusal=Failed(8, "full"))).write(Descriptor("t", DIGEST, 1), _pieces(b"a"))

    asyncio.run(run())


def test_a_client_without_folders() -> None:
    async def run() -> None:
        session: Any = FakeSession(_Folder({}))  # type: ignore[arg-type]
        session.offers = lambda path: False
        with pytest.raises(NotSupported):
            await opener(session)(CacheAt("local", {"src": "d"})).size(DIGEST)

    asyncio.run(run())
