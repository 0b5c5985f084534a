"""What only the client has, over its session: see Agents of carrack.engine.build.request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from carrack.api import agents
from carrack.api.buildkit import messages as m
from carrack.errors import CarrackError
from carrack.http.grpc import Failed
from carrack.registry.credentials import ANONYMOUS, Credentials

if TYPE_CHECKING:
    from carrack.api.buildkit.sessions import Session

_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
_CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"
_CHECK_AGENT = "/moby.sshforward.v1.SSH/CheckAgent"
_FORWARD_AGENT = "/moby.sshforward.v1.SSH/ForwardAgent"
_NOT_FOUND, _UNIMPLEMENTED = 5, 12
_HUB = "https://index.docker.io/v1/"
_CHUNK = 32 << 10


class SessionAgents:
    """See Agents. ``room``: where sockets of agents are for the time of a step."""

    def __init__(self, session: Session, room: str) -> None:
        self._session = session
        self._room = room

    async def secret(self, name: str) -> bytes | None:
        """See Agents."""
        try:
            answer = await self._session.caller.ask(_SECRET, m.SECRET_REQUEST, {"ID": name}, m.BYTES)
        except Failed as error:
            if error.code in (_NOT_FOUND, _UNIMPLEMENTED):
                return None
            raise
        data: bytes = answer["data"]
        return data

    async def credentials(self, server: str) -> Credentials:
        """See Agents."""
        host = _HUB if server == "docker.io" else server
        try:
            answer = await self._session.caller.ask(_CREDENTIALS, m.CREDENTIALS_REQUEST, {"Host": host}, m.CREDENTIALS)
        except Failed:
            return ANONYMOUS
        if not answer.get("Secret"):
            return ANONYMOUS
        if not answer["Username"]:
            return Credentials(identity_token=answer["Secret"])
        return Credentials(username=answer["Username"], password=answer["Secret"])

    @asynccontextmanager
    async def ssh(self, name: str) -> AsyncIterator[str | None]:
        """See Agents."""
        try:
            await self._session.caller.ask(_CHECK_AGENT, m.AGENT_REQUEST, {"ID": name}, m.EMPTY)
        except Failed:
            yield None
            return
        async with agents.listening(self._room, lambda reader, writer: self._forward(name, reader, writer)) as path:
            yield path

    async def _forward(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One program's talk with the agent."""
        metadata = [("buildkit.ssh.id", name)]
        try:
            async with self._session.caller.open(_FORWARD_AGENT, m.BYTES, m.BYTES, metadata) as call:
                await call.send_request()
                async with asyncio.TaskGroup() as group:
                    asking = group.create_task(_up(reader, call))
                    while (message := await call.recv_message()) is not None:
                        writer.write(message["data"])
                        await writer.drain()
                    asking.cancel()
        except (CarrackError, OSError, BaseExceptionGroup):
            pass  # the program sees the end of its connection
        finally:
            writer.close()


async def _up(reader: asyncio.StreamReader, call: Any) -> None:
    while data := await reader.read(_CHUNK):
        await call.send_message({"data": data})
    await call.end()
