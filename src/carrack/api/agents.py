"""The ssh agents that our own command lends to one build, over its connection for folders (see carrack.api.folders).

An agent answers each message with one, and both say first how long they are; so they are carried message by message.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from carrack.errors import CarrackError

_HEAD = 4
_MOST = 256 << 10  # bytes of a message, as with OpenSSH's agent


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Link(Protocol):
    """The client's end."""

    async def agent(self, name: str, number: int, message: bytes) -> bytes:
        """What an agent answers a message of a program's connection; nothing when the message, too, is nothing, which
        ends the connection."""
        ...


@asynccontextmanager
async def listening(room: str, talk: Talk) -> AsyncIterator[str]:
    """The socket of an agent, in a folder of its own in ``room``, each of whose connections is a ``talk``."""
    os.makedirs(room, mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ssh-", dir=room) as folder:
        path = os.path.join(folder, "agent")
        async with await asyncio.start_unix_server(talk, path):
            yield path


class LentAgents:
    """Those of one build. ``room``: where their sockets are for the time of a step."""

    def __init__(self, link: Link, names: Collection[str], room: str) -> None:
        self._link = link
        self._names = names
        self._room = room
        self._numbers = itertools.count()

    @asynccontextmanager
    async def ssh(self, name: str) -> AsyncIterator[str | None]:
        """See Agents of carrack.engine.build.request."""
        if name not in self._names:
            yield None
            return
        async with listening(self._room, lambda reader, writer: self._talk(name, reader, writer)) as path:
            yield path

    async def _talk(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One program's talk with the agent."""
        number = next(self._numbers)
        try:
            while (message := await _message(reader)) is not None:
                writer.write(await self._link.agent(name, number, message))
                await writer.drain()
        except (CarrackError, OSError):
            pass  # the program sees the end of its connection
        finally:
            writer.close()
            with suppress(CarrackError, OSError):
                await self._link.agent(name, number, b"")


async def _message(reader: asyncio.StreamReader) -> bytes | None:
    """The next one, with its length; None at the end, and for what is none."""
    try:
        head = await reader.readexactly(_HEAD)
        size = int.from_bytes(head)
        return head + await reader.readexactly(size) if 0 < size <= _MOST else None
    except asyncio.IncompleteReadError:
        return None
