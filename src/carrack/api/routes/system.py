"""The engine as a whole: ping, version, info, events, disk usage."""

from __future__ import annotations

from contextlib import aclosing
from typing import Protocol

from carrack.api import early, older
from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response, stream
from carrack.api.routes import later
from carrack.api.stream import StreamWriter
from carrack.engine.events import Events, matcher
from carrack.engine.system.info import SystemInfo
from carrack.engine.system.usage import DiskUsage
from carrack.errors import InvalidArgument


class System(Protocol):
    """The services behind these routes."""

    info: SystemInfo
    usage: DiskUsage
    events: Events


def routes(system: System) -> list[Route]:
    """The route table."""
    face = _Face(system)
    return [
        Route("GET", "/_ping", face.ping),
        Route("HEAD", "/_ping", face.ping),
        Route("GET", "/version", face.version),
        Route("GET", "/info", face.info),
        Route("GET", "/events", face.events),
        Route("GET", "/system/df", face.disk_usage),
        *later.routes(),
    ]


class _Face:
    def __init__(self, system: System) -> None:
        self._system = system

    async def ping(self, request: Request) -> Response:
        return early.ping(request.method)

    async def version(self, request: Request) -> Response:
        return json_response(self._system.info.version())

    async def info(self, request: Request) -> Response:
        return json_response(older.info(await self._system.info.info(), request.version))

    async def events(self, request: Request) -> Response:
        since, until = _moment(request, "since"), _moment(request, "until")
        if since is not None and until is not None and until < since:
            raise InvalidArgument(
                f"`since` time ({request.query.text('since')}) cannot be after"
                f" `until` time ({request.query.text('until')})"
            )
        filters = request.query.filters()
        matcher(filters)

        async def produce(writer: StreamWriter) -> None:
            await writer.start()
            async with aclosing(self._system.events.subscribe(since, until, filters)) as events:
                async for event in events:
                    await writer.write(event.encode())

        return stream(produce)

    async def disk_usage(self, request: Request) -> Response:
        kinds = request.query.texts("type") if request.version >= (1, 42) else []
        document = await self._system.usage.measure(kinds)
        images = document["Images"]
        if images and request.version < (1, 44):
            document["Images"] = [{**image, "VirtualSize": image["Size"]} for image in images]
        return json_response(document)


def _moment(request: Request, name: str) -> int | None:
    return request.query.moment(name)
