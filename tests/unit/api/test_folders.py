"""Folders of our own command's, from both ends: the daemon's side asks, the command's answers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from carrack.api.folders import Folders, FolderStore
from carrack.cli.build_caches import _Folders, find
from carrack.engine.build.caching.wanted import CacheAt
from carrack.errors import InvalidArgument, NotFound, Unavailable
from carrack.http.client import Stream as ClientStream
from carrack.oci.descriptor import Descriptor

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class _Stream:
    """See Stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        return await self._reader.read(1000)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()
        if not self.closed.done():
            self.closed.set_result(None)

    abort = close


def _descriptor(data: bytes, media_type: str = "layer") -> Descriptor:
    return Descriptor(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _with(client: Callable[[socket.socket], None], work: Callable[[Folders], Awaitable[None]]) -> None:
    """Do ``work`` while ``client`` answers as the one called "me"."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=client, args=(theirs,))
        thread.start()
        stream = _Stream(*await asyncio.open_connection(sock=ours))
        folders = Folders()
        async with asyncio.TaskGroup() as group:
            group.create_task(folders.serve(stream, "me"))
            await asyncio.sleep(0)
            try:
                await work(folders)
            finally:
                stream.close()
        await asyncio.to_thread(thread.join)
        theirs.close()

    asyncio.run(run())


def _serving(readable: set[str], writable: dict[str, str]) -> Callable[[socket.socket], None]:
    return lambda sock: _Folders(readable, writable).serve(ClientStream(sock))


def _store(folders: Folders, folder: str) -> FolderStore:
    return folders.opener("me")(CacheAt("local", {"src": folder}))


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    data, folder = b"0123456789" * 500, str(tmp_path / "cache")

    async def work(folders: Folders) -> None:
        store = _store(folders, folder)
        assert await store.size(_descriptor(data).digest) is None
        await store.write(_descriptor(data), _pieces(data[:7], data[7:]))
        assert await store.size(_descriptor(data).digest) == len(data)
        read = [piece async for piece in store.read(_descriptor(data).digest, 10, 4000)]
        assert b"".join(read) == data[10:4010]
        await store.write(_descriptor(b"{}", MANIFEST), _pieces(b"{}"))
        await store.write(_descriptor(b"{ }", MANIFEST), _pieces(b"{ }"))

    _with(_serving(set(), {folder: "mine"}), work)
    assert find(folder, "mine") == _descriptor(b"{ }").digest
    assert find(folder, "latest") == ""
    index = json.loads((tmp_path / "cache" / "index.json").read_text())
    assert len(index["manifests"]) == 1
    assert json.loads((tmp_path / "cache" / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


def test_what_nobody_has_named_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")

    async def work(folders: Folders) -> None:
        readable = _store(folders, str(tmp_path))
        with pytest.raises(InvalidArgument, match="not for this"):
            await _store(folders, "/etc").size("sha256:" + "0" * 64)
        with pytest.raises(InvalidArgument, match="not for this"):
            await readable.size("sha256:../../../secret")
        with pytest.raises(InvalidArgument, match="not for this"):
            await readable.write(_descriptor(b"x"), _pieces(b"x"))
        assert await readable.size("sha256:" + "0" * 64) is None, "and the connection goes on"

    _with(_serving({str(tmp_path)}, {}), work)
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_what_has_another_digest_is_not_kept(tmp_path: Path) -> None:
    async def work(folders: Folders) -> None:
        with pytest.raises(InvalidArgument, match="what came is not"):
            await _store(folders, str(tmp_path)).write(_descriptor(b"good"), _pieces(b"evil"))

    _with(_serving(set(), {str(tmp_path): "latest"}), work)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", Unavailable),
        (b"no json\n", InvalidArgument),
        (b"[]\n", InvalidArgument),
        (b"x" * 70_000, InvalidArgument),
        (b'{"size": -1}\n', InvalidArgument),
        (b'{"size": 999}\n', InvalidArgument),
        (b'{"size": 3}\nab', Unavailable),
        (b'{"error": "broken"}\n', InvalidArgument),
    ],
)
def test_clients_that_answer_nonsense(answer: bytes, failure: type[Exception]) -> None:
    def client(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(answer)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1000):
            pass

    async def work(folders: Folders) -> None:
        with pytest.raises(failure):
            async for _ in _store(folders, "d").read("sha256:" + "0" * 64, 0, 5):
                pass

    _with(client, work)


def test_names_of_connections() -> None:
    async def work(folders: Folders) -> None:
        with pytest.raises(NotFound):
            folders.opener("other")
        for name in ("", "me"):
            with pytest.raises(InvalidArgument):
                await folders.serve(None, name)  # type: ignore[arg-type]

    _with(_serving(set(), {}), work)
