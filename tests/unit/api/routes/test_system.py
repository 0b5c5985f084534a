"""The system's routes over a real socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.fakes.http_peer import ask, run_with

from carrack.api.app import Route
from carrack.api.routes.system import routes
from carrack.engine.events import Events
from carrack.engine.system.info import Counts, Settings, SystemInfo
from carrack.engine.system.usage import DiskUsage, Sources


class Engine:
    """The services behind the routes, with one image and nothing else."""

    def __init__(self) -> None:
        self.events = Events()
        self.info = SystemInfo(
            Settings("id-1", "/data", "erofs"),
            counts=self._counts,
            listeners=lambda: self.events.listeners,
            api_version="1.51",
            minimum_api_version="1.41",
        )
        self.usage = DiskUsage(Sources(self._images, self._none, self._none, self._none, self._size))

    async def _counts(self) -> Counts:
        return Counts(images=1)

    async def _images(self) -> list[dict[str, Any]]:
        return [{"Id": "sha256:x", "Size": 7}]

    async def _none(self) -> list[dict[str, Any]]:
        return []

    async def _size(self) -> int:
        return 7


def table() -> list[Route]:
    return routes(Engine())


def test_ping_in_both_methods(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        for method, body in (("GET", b"OK"), ("HEAD", b"")):
            status, headers, got = await ask(address, "/v1.41/_ping", method)
            assert (status, got) == (200, body)
            assert headers["api-version"] == "1.51"
            assert headers["swarm"] == "inactive"
            assert headers["cache-control"] == "no-cache, no-store, must-revalidate"
            assert headers["content-length"] == str(len(body))

    run_with(tmp_path, table(), client)


def test_info_version_and_disk_usage(tmp_path: Path) -> None:
    async def client(address: str) -> None:
        async def get(target: str) -> Any:
            status, _, body = await ask(address, target)
            assert status == 200
            return json.loads(body)

        info = await get("/info")
        assert (info["ID"], info["Images"]) == ("id-1", 1)
        assert info["KernelVersion"]
        assert info["MemTotal"] > 0
        assert (await get("/version"))["MinAPIVersion"] == "1.41"
        usage = await get("/system/df")
        assert usage["Images"] == [{"Id": "sha256:x", "Size": 7}]
        assert (usage["LayersSize"], usage["BuildCache"]) == (7, [])
        assert (await get("/v1.43/system/df"))["Images"][0]["VirtualSize"] == 7
        assert (await get("/system/df?type=volume&type=container"))["Images"] is None
        assert (await get("/v1.41/system/df?type=volume"))["Images"] is not None

    run_with(tmp_path, table(), client)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/events?since=soon", 'strconv.ParseInt: parsing "soon": invalid syntax'),
        ("/events?since=5&until=2", "`since` time (5) cannot be after `until` time (2)"),
        ("/events?filters=%7Bx", "invalid filter"),
        ("/system/df?type=foo", "unknown object type: foo"),
    ],
)
def test_refusals(tmp_path: Path, target: str, words: str) -> None:
    async def client(address: str) -> None:
        status, _, body = await ask(address, target)
        assert (status, words in json.loads(body)["message"]) == (400, True)

    run_with(tmp_path, table(), client)


def test_events_are_told_as_they_happen(tmp_path: Path) -> None:
    engine = Engine()

    async def client(address: str) -> None:
        engine.events.publish("volume", "create", "old")
        reader, writer = await asyncio.open_unix_connection(address)
        filters = quote('{"type":{"volume":true}}')
        writer.write(f"GET /v1.44/events?since=1&filters={filters} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")

        async def event() -> Any:
            await reader.readline()
            line = await reader.readline()
            await reader.readline()
            return json.loads(line)

        assert (await event())["Actor"]["ID"] == "old"
        engine.events.publish("container", "start", "not asked for")
        engine.events.publish("volume", "destroy", "new", {"driver": "local"})
        told = await event()
        assert (told["Action"], told["Actor"]) == ("destroy", {"ID": "new", "Attributes": {"driver": "local"}})
        assert engine.events.listeners == 1
        writer.close()
        for _ in range(500):
            await asyncio.sleep(0.01 if engine.events.listeners else 0)
        assert engine.events.listeners == 0

    run_with(tmp_path, routes(engine), client)


def test_events_of_the_past_end_by_themselves(tmp_path: Path) -> None:
    engine = Engine()
    engine.events.publish("volume", "create", "v")

    async def client(address: str) -> None:
        status, _, body = await ask(address, "/events?until=1")
        assert (status, body) == (200, b"")

    run_with(tmp_path, routes(engine), client)
