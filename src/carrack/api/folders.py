"""Folders of our own command's, for caches of builds: see Store of carrack.engine.build.caching.importing.

The command keeps a connection for the time of its build, on which it is asked, one thing after the other::

    {"do": "size", "folder": …, "digest": …}                        ─▶ {"size": 5}, or null for what is not there
    {"do": "read", "folder": …, "digest": …, "offset": …, "size": …} ─▶ {"size": 5}, and so many bytes
    {"do": "write", "folder": …, "digest": …, "size": …, "type": …}, the bytes ─▶ {}

    {"do": "agent", "name": …, "number": …, "size": …}, a message ─▶ {"size": 5}, and the answer of so many bytes

each a line of JSON; ``{"error": …}`` answers what cannot be done. Agents: see carrack.api.agents.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from carrack.api.agents import LentAgents
from carrack.errors import InvalidArgument, NotFound, Unavailable

if TYPE_CHECKING:
    from carrack.engine.build.caching.wanted import CacheAt
    from carrack.http.grpc import Stream
    from carrack.oci.descriptor import Descriptor

_PATIENCE = 5.0
_LINE = 64 << 10


class Folders:
    """All connections that there are now, by the names that builds know them by."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    async def serve(self, stream: Stream, identity: str) -> None:
        """Keep a connection until it is gone. Raises InvalidArgument without a name, or with one that is taken."""
        if not identity or identity in self._links:
            raise InvalidArgument("folders for a build need an id that no other build has")
        self._links[identity] = _Link(stream)
        try:
            await asyncio.shield(stream.closed)
        finally:
            del self._links[identity]

    def opener(self, identity: str) -> Callable[[CacheAt], FolderStore]:
        """Opens the folders of one connection. Raises NotFound where there is none."""
        link = self._link(identity)
        return lambda at: FolderStore(link, at.attributes.get("src") or at.attributes.get("dest", ""))

    def agents(self, identity: str, names: Collection[str], room: str) -> LentAgents:
        """The ssh agents at the other end of a connection. Raises NotFound where there is none."""
        return LentAgents(self._link(identity), names, room)

    def _link(self, identity: str) -> _Link:
        link = self._links.get(identity)
        if link is None:
            raise NotFound(f"no client offers folders as {identity}")
        return link


class FolderStore:
    """One folder."""

    def __init__(self, link: _Link, folder: str) -> None:
        self._link = link
        self._folder = folder

    async def size(self, digest: str) -> int | None:
        """See Store."""
        async with self._link.asking({"do": "size", "folder": self._folder, "digest": digest}):
            found = (await self._link.answer()).get("size")
        return found if isinstance(found, int) else None

    async def read(self, digest: str, offset: int, size: int) -> AsyncIterator[bytes]:
        """See Store."""
        asked = {"do": "read", "folder": self._folder, "digest": digest, "offset": offset, "size": size}
        async with self._link.asking(asked):
            left = (await self._link.answer()).get("size")
            if not isinstance(left, int) or not 0 <= left <= size:
                raise InvalidArgument(f"the client has {left} bytes of {digest}, not {size}")
            while left:
                piece = await self._link.read(left)
                left -= len(piece)
                yield piece

    async def write(self, descriptor: Descriptor, chunks: AsyncIterator[bytes]) -> None:
        """See Store."""
        head = {"do": "write", "folder": self._folder, "digest": descriptor.digest, "size": descriptor.size}
        async with self._link.asking(head | {"type": descriptor.media_type}):
            async for chunk in chunks:
                await self._link.send(chunk)
            await self._link.answer()


class _Asking:
    """One question and its answer. What is left in the middle ends the connection, for nobody knows what is next."""

    def __init__(self, link: _Link, asked: Mapping[str, object]) -> None:
        self._link = link
        self._asked = asked

    async def __aenter__(self) -> None:
        await self._link.turn.acquire()
        try:
            await self._link.send(json.dumps(self._asked).encode() + b"\n")
        except BaseException:
            self._link.turn.release()
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._link.turn.release()
        if kind is not None and not isinstance(error, _Refused):
            self._link.end()


class _Refused(InvalidArgument):
    """The client has said no; the connection goes on."""


class _Link:
    def __init__(self, stream: Stream) -> None:
        self.turn = asyncio.Lock()
        self._stream = stream
        self._ahead = b""

    def asking(self, asked: Mapping[str, object]) -> _Asking:
        return _Asking(self, asked)

    def end(self) -> None:
        self._stream.abort()

    async def send(self, data: bytes) -> None:
        if self._stream.closed.done():
            raise Unavailable("the client with the folder of the cache has gone")
        self._stream.write(data)
        await self._stream.drain()

    async def read(self, size: int) -> bytes:
        """At most so many bytes. Raises Unavailable at the end."""
        if not self._ahead:
            self._ahead = await self._stream.read()
            if not self._ahead:
                raise Unavailable("the client with the folder of the cache has gone")
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return piece

    async def agent(self, name: str, number: int, message: bytes) -> bytes:
        """See Link of carrack.api.agents."""
        async with self.asking({"do": "agent", "name": name, "number": number, "size": len(message)}):
            await self.send(message)
            left = (await self.answer()).get("size")
            if not isinstance(left, int) or not 0 <= left <= _LINE * 8:
                raise InvalidArgument(f"the client's ssh agent answers with {left} bytes")
            found = bytearray()
            while len(found) < left:
                found += await self.read(left - len(found))
        return bytes(found)

    async def answer(self) -> dict[str, Any]:
        """The line that answers. Raises InvalidArgument for a refusal, and for what is no answer."""
        line = b""
        while not line.endswith(b"\n"):
            piece = await self.read(_LINE)
            head, newline, rest = piece.partition(b"\n")
            line += head + newline
            self._ahead = rest + self._ahead
            if len(line) > _LINE:
                raise InvalidArgument("the client's answer is no line")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"the client's answer is no JSON: {error}") from None
        if not isinstance(found, dict):
            raise InvalidArgument("the client's answer is no object")
        if found.get("error"):
            raise _Refused(str(found["error"]))
        return found
