"""Agents that are lent, seen by a program."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from carrack.api.agents import LentAgents
from carrack.errors import Unavailable


class FakeLink:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int, bytes]] = []

    async def agent(self, name: str, number: int, message: bytes) -> bytes:
        self.asked.append((name, number, message))
        if message.endswith(b"bad"):
            raise Unavailable("gone")
        return message[::-1] if message else b""


def test_messages_are_carried_and_ends_are_told(tmp_path: Path) -> None:
    link = FakeLink()
    agents = LentAgents(link, {"default"}, str(tmp_path / "room"))

    async def talk(path: str, data: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(data)
        writer.write_eof()
        found = await reader.read()
        writer.close()
        return found

    async def run() -> None:
        async with agents.ssh("other") as none:
            assert none is None
        async with agents.ssh("default") as path:
            assert path is not None
            assert await talk(path, b"\0\0\0\1a\0\0\0\2bc\0\0") == b"a\1\0\0\0cb\2\0\0\0"
            assert await talk(path, b"\0\0\0\3bad\0\0\0\1a") == b""
            assert await talk(path, b"\xff\xff\xff\xff") == b""
        assert os.listdir(tmp_path / "room") == []

    asyncio.run(run())
    assert [(number, message[4:]) for _, number, message in link.asked] == [
        (0, b"a"), (0, b"bc"), (0, b""), (1, b"bad"), (1, b""), (2, b""),
    ]  # fmt: skip
