"""Containers' streams and files: attach, logs, archive, export, changes."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing
from typing import Any
from urllib.parse import quote_plus

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, empty, json_response, stream
from carrack.api.stream import StreamWriter
from carrack.engine.containers import attach, jsonlog, locallog, logconfig, logs
from carrack.engine.containers.attach import Stream
from carrack.engine.containers.create import attributes
from carrack.engine.containers.record import Container
from carrack.engine.containers.services import ContainerServices
from carrack.errors import InvalidArgument, NotSupported
from carrack.http.hijack import MULTIPLEXED, RAW

_HEAD = struct.Struct(">BxxxI")


def routes(services: ContainerServices) -> list[Route]:
    """The route table."""
    face = _Face(services)
    return [
        Route("POST", "/containers/{id}/attach", face.attach),
        Route("GET", "/containers/{id}/attach/ws", face.attach_websocket),
        Route("GET", "/containers/{id}/logs", face.logs),
        Route("GET", "/containers/{id}/archive", face.archive),
        Route("HEAD", "/containers/{id}/archive", face.archive_info),
        Route("PUT", "/containers/{id}/archive", face.extract),
        Route("GET", "/containers/{id}/export", face.export),
        Route("GET", "/containers/{id}/changes", face.changes),
    ]


class _Face:
    def __init__(self, services: ContainerServices) -> None:
        self._s = services

    async def attach(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        return await self._attach(c, request, lambda: request.hijack(multiplexed=not c.config["Tty"]))

    async def attach_websocket(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        return await self._attach(c, request, lambda: request.websocket(framed=not c.config["Tty"]))

    async def _attach(self, c: Container, request: Request, take_over: Callable[[], Awaitable[Stream]]) -> Response:
        query, tty = request.query, bool(c.config["Tty"])
        wanted = {name: query.flag(name) for name in ("stdin", "stdout", "stderr")}
        keys = attach.DetachKeys(query.text("detachKeys"))
        with ExitStack() as undo:
            sock = None
            if query.flag("stream"):
                sock = undo.enter_context(await self._s.attachments.attach(c, **wanted))
                undo.callback(self._s.attachments.gone, c, sock)
            connection = await take_over()
            self._s.events.publish("container", "attach", c.id, attributes(c))
            if query.flag("logs"):
                asked = logs.LogQuery(stdout=wanted["stdout"], stderr=wanted["stderr"])
                async for batch in _lines(self._s, c, asked):
                    connection.write(b"".join(_framed(line, line.text, tty) for line in batch))
                    await connection.drain()
            if sock is not None and await attach.pump(connection, sock, keys if tty else None):
                self._s.events.publish("container", "detach", c.id, attributes(c))
        return HIJACKED

    async def logs(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        if not logconfig.readable(c.host_config["LogConfig"]):
            raise NotSupported("configured logging driver does not support reading")
        asked = _log_query(request)
        if not (asked.stdout or asked.stderr):
            raise InvalidArgument("Bad parameters: you must choose at least one stream")
        stamps, details, tty = request.query.flag("timestamps"), request.query.flag("details"), bool(c.config["Tty"])

        async def produce(out: StreamWriter) -> None:
            await out.start()
            async with aclosing(_lines(self._s, c, asked)) as batches:
                async for batch in batches:
                    shown = ((line, _shown(line, stamps=stamps, details=details)) for line in batch)
                    await out.write(b"".join(_framed(line, text, tty) for line, text in shown))

        return stream(produce, content_type=RAW if tty or request.version < (1, 42) else MULTIPLEXED)

    async def archive(self, request: Request) -> Response:
        c, path = self._s.store.find(request.path["id"]), request.query.text("path")
        headers = {"X-Docker-Container-Path-Stat": _encoded(await self._s.files.stat(c, path))}
        return stream(_copier(self._s.files.get(c, path)), content_type="application/x-tar", headers=headers)

    async def archive_info(self, request: Request) -> Response:
        c, path = self._s.store.find(request.path["id"]), request.query.text("path")
        return empty(200, headers={"X-Docker-Container-Path-Stat": _encoded(await self._s.files.stat(c, path))})

    async def extract(self, request: Request) -> Response:
        c, query = self._s.store.find(request.path["id"]), request.query
        await self._s.files.put(
            c,
            query.text("path"),
            request.source(),
            keep_kinds=query.flag("noOverwriteDirNonDir"),
            copy_owner=query.flag("copyUIDGID"),
        )
        return empty(200)

    async def export(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        return stream(_copier(self._s.files.export(c)), content_type="application/octet-stream")

    async def changes(self, request: Request) -> Response:
        return json_response(await self._s.files.changes(self._s.store.find(request.path["id"])))


async def _lines(
    services: ContainerServices, c: Container, asked: logs.LogQuery
) -> AsyncGenerator[list[logs.LogLine], None]:
    """A container's log; who reads no more does not wait for its end any longer."""
    ended, paths = c.ended(), services.paths
    plain = c.host_config["LogConfig"]["Type"] == "json-file"
    path, form = (paths.log(c.id), jsonlog.FORMAT) if plain else (paths.local_log(c.id), locallog.FORMAT)
    try:
        async with aclosing(logs.read(path, form, asked, ended)) as batches:
            async for batch in batches:
                yield batch
    finally:
        ended.cancel()


def _log_query(request: Request) -> logs.LogQuery:
    query = request.query
    tail = query.text("tail", "all")
    return logs.LogQuery(
        stdout=query.flag("stdout"),
        stderr=query.flag("stderr"),
        since=query.moment("since") or 0,
        until=query.moment("until") or 0,
        # As with Docker, what is no number means everything.
        tail=int(tail) if tail.isdecimal() else None,
        follow=query.flag("follow"),
    )


def _shown(line: logs.LogLine, *, stamps: bool, details: bool) -> bytes:
    """The text of an entry with what was asked for before it: its time, the labels and variables that it carries."""
    words = [line.time] if stamps else []
    if details:
        pairs = sorted((line.attributes or {}).items())
        words.append(",".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs))
    return "".join(f"{word} " for word in words).encode() + line.text


def _framed(line: logs.LogLine, text: bytes, tty: bool) -> bytes:
    return text if tty else _HEAD.pack(line.stream, len(text)) + text


def _encoded(document: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def _copier(chunks: AsyncIterator[bytes]) -> Any:
    async def produce(out: StreamWriter) -> None:
        async for data in chunks:
            await out.write(data)

    return produce
