"""Extra processes in running containers."""

from __future__ import annotations

import asyncio

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, empty, json_response
from carrack.api.routes.containers import size_of
from carrack.engine.containers import attach
from carrack.engine.containers.services import ContainerServices
from carrack.errors import CarrackError, InvalidArgument
from carrack.http import stdcopy
from carrack.http.hijack import HijackedStream

_RECORDED = 10.0
"""Seconds between the end of an exec's streams and its exit that we wait for; a child that closed them may live on."""


def routes(services: ContainerServices) -> list[Route]:
    """The route table."""
    face = _Face(services)
    return [
        Route("POST", "/containers/{id}/exec", face.create),
        Route("POST", "/exec/{id}/start", face.start),
        Route("POST", "/exec/{id}/resize", face.resize),
        Route("GET", "/exec/{id}/json", face.inspect),
    ]


class _Face:
    def __init__(self, services: ContainerServices) -> None:
        self._execs = services.execs

    async def create(self, request: Request) -> Response:
        process = self._execs.create(request.path["id"], await request.json_object("container.ExecOptions"))
        return json_response({"Id": process.id}, status=201)

    async def start(self, request: Request) -> Response:
        body = await request.json_object("container.ExecStartOptions")
        process = self._execs.find(request.path["id"])
        self._execs.check(process)
        if body.get("Detach"):
            await self._execs.start(process, body, attach=False)
            return empty(200)
        tty, raw = bool(process.config["Tty"]), bool(body.get("Tty"))
        if raw and not tty:
            raise InvalidArgument("Tty: the exec was created without a terminal, so it cannot be started on one")
        hijacked = await request.hijack(multiplexed=not raw, named=True)
        connection = hijacked if raw or not tty else _Framed(hijacked)
        try:
            sock = await self._execs.start(process, body, attach=True)
        except CarrackError as error:
            # The connection is the stream already: its reader is told there, and by the exit code.
            text = f"{error}\r\n".encode()
            hijacked.write(text if raw else stdcopy.frame(stdcopy.STDOUT, text))
            return HIJACKED
        assert sock is not None
        detached = await attach.pump(connection, sock, attach.DetachKeys(process.config["DetachKeys"]) if tty else None)
        if detached:
            self._execs.left(process)
        elif not connection.closed.done() and process.watching is not None:
            # A client asks for the exit code as soon as the stream ends.
            await asyncio.wait({process.watching}, timeout=_RECORDED)
        return HIJACKED

    async def resize(self, request: Request) -> Response:
        await self._execs.resize(self._execs.find(request.path["id"]), *size_of(request))
        return empty(200)

    async def inspect(self, request: Request) -> Response:
        return json_response(self._execs.document(self._execs.find(request.path["id"])))


class _Framed:
    """The stream of a terminal for a client that asked for frames: it did not say Tty when it started the exec."""

    def __init__(self, stream: HijackedStream) -> None:
        self._stream = stream
        self.closed = stream.closed

    async def read(self) -> bytes:
        return await self._stream.read()

    def write(self, data: bytes) -> None:
        self._stream.write(stdcopy.frame(stdcopy.STDOUT, data))

    async def drain(self) -> None:
        await self._stream.drain()

    def close(self) -> None:
        self._stream.close()
