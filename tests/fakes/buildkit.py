"""A buildx that is a few functions: its session, and calls of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from carrack.api.buildkit.filesync import DATA, FIN, REQ, STAT
from carrack.api.buildkit.messages import PACKET
from carrack.http import protobuf
from carrack.http.grpc import Failed

Packet = dict[str, Any]
FOLDER, LINK = 1 << 31, 1 << 27


def stat(path: str, mode: int = 0o644, size: int = 0, **more: Any) -> Packet:
    """One line of a listing."""
    found = {"path": path, "mode": mode, "uid": 5, "gid": 5, "size": size, "mod_time": 7_000_000_000, "linkname": ""}
    return {**found, "devmajor": 0, "devminor": 0, "xattrs": {}, **more}


class Sender:
    """Plays fsutil's sender of files in a folder: path → text, None for a folder. ``stats`` replaces its listing. After
    the end it begins again, for the next call."""

    def __init__(self, files: Mapping[str, str | None], stats: list[Packet] | None = None) -> None:
        self._texts = [files[path] for path in sorted(files)]
        listed = [
            stat(path, FOLDER | 0o755 if text is None else 0o644, len((text or "").encode()))
            for path, text in sorted(files.items())
        ]
        self._stats = stats if stats is not None else listed
        self._out: asyncio.Queue[Packet | None] = asyncio.Queue()
        self._list()
        self.asked: list[int] = []

    def _list(self) -> None:
        for each in (*self._stats, None):
            self._out.put_nowait({"type": STAT, "stat": each, "ID": 0, "data": b""})

    async def send_request(self) -> None:
        pass

    async def recv_message(self) -> Packet | None:
        return await self._out.get()

    async def send_message(self, message: Packet, end: bool = False) -> None:
        if message["type"] == FIN:
            self._out.put_nowait({"type": FIN, "stat": None, "ID": 0, "data": b""})
            self._list()
        elif message["type"] == REQ:
            self.asked.append(message["ID"])
            data = (self._texts[message["ID"]] or "").encode()
            for piece in (*filter(None, (data[: len(data) // 2], data[len(data) // 2 :])), b""):
                self._out.put_nowait({"type": DATA, "stat": None, "ID": message["ID"], "data": piece})


class FakeBulk:
    """See Bulk: in front of a sender, with its packets as bytes."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def begin(self) -> None:
        await self._sender.send_request()

    async def receive(self) -> list[bytes]:
        packet = await self._sender.recv_message()
        return [] if packet is None else [protobuf.encode(packet, PACKET)]

    async def send(self, messages: Iterable[bytes], *, end: bool = False) -> None:
        for message in messages:
            await self._sender.send_message(protobuf.decode(message, PACKET), end)


class Receiver:
    """Plays whoever takes files: asks for all (or for the numbers in ``asks``), and keeps them; or takes one, as
    ``data``."""

    def __init__(self, asks: list[int] | None = None) -> None:
        self._asks = asks
        self._out: asyncio.Queue[Packet | None] = asyncio.Queue()
        self.stats: list[Packet] = []
        self.files: dict[str, bytes] = {}
        self.data = bytearray()
        self._waiting = 0

    async def send_request(self) -> None:
        pass

    async def recv_message(self) -> Packet | None:
        return await self._out.get()

    async def end(self) -> None:
        self._out.put_nowait(None)

    async def send_message(self, message: Packet, end: bool = False) -> None:
        kind, number = message.get("type"), message.get("ID", 0)
        if kind is None:
            self.data += message["data"]
        elif kind == FIN:
            self._out.put_nowait(None)
        elif kind == DATA:
            path = self.stats[number]["path"]
            self.files[path] = self.files.get(path, b"") + message.get("data", b"")
            self._waiting -= not message.get("data")
            self._finish()
        elif message.get("stat"):
            self.stats.append(message["stat"])
        else:
            files = [at for at, stat in enumerate(self.stats) if not stat["mode"] >> 19]
            asked = files if self._asks is None else self._asks
            self._waiting = len(asked)
            for at in asked:
                self._out.put_nowait({"type": REQ, "stat": None, "ID": at, "data": b""})
            self._finish()

    def _finish(self) -> None:
        if not self._waiting:
            self._out.put_nowait({"type": FIN, "stat": None, "ID": 0, "data": b""})


class FakeCaller:
    """Plays a client's session: ``folders`` by name, ``answers`` by path; ``target`` takes what is sent."""

    def __init__(
        self,
        folders: Mapping[str, Sender],
        answers: Mapping[str, Any] | None = None,
        target: Receiver | None = None,
    ) -> None:
        self._target = target
        self._folders = folders
        self._answers = answers or {}
        self.opened: list[tuple[str, list[tuple[str, str]]]] = []

    async def ask(self, path: str, request: Any, message: Packet, reply: Any) -> Packet:
        answer = self._answers.get(path, Failed(12, "unimplemented"))
        if callable(answer):
            answer = answer(message)
        if isinstance(answer, Exception):
            raise answer
        found: Packet = answer
        return found

    @asynccontextmanager
    async def bulk(self, path: str, metadata: Any = None) -> AsyncIterator[FakeBulk]:
        self.opened.append((path, list(metadata or ())))
        yield FakeBulk(self._folders[dict(metadata).get("dir-name", "")])

    @asynccontextmanager
    async def open(self, path: str, request: Any, reply: Any, metadata: Any = None) -> AsyncIterator[Any]:
        self.opened.append((path, list(metadata or ())))
        name = dict(metadata).get("dir-name", "")
        yield self._folders[name] if name else self._target


class FakeSession:
    """See Session."""

    def __init__(self, caller: FakeCaller, identity: str = "session", shared: str = "") -> None:
        self.shared = shared
        self.id = identity
        self.caller = caller

    def offers(self, path: str) -> bool:
        return True


class FakeCall:
    """A call of the client: what it sends, and what it gets."""

    def __init__(self, message: Packet, **metadata: str) -> None:
        self._message: Packet | None = message
        self.metadata = metadata
        self.sent: list[Packet] = []

    async def recv_message(self) -> Packet | None:
        message, self._message = self._message, None
        return message

    async def send_initial_metadata(self, *, metadata: Mapping[str, str]) -> None:
        self.told = dict(metadata)

    async def send_message(self, message: Packet) -> None:
        self.sent.append(message)
