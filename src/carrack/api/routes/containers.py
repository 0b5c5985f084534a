"""Containers: create, list, inspect, and the verbs that move them."""

from __future__ import annotations

import asyncio
import re

from carrack.api import older
from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, empty, encoded_json, json_response, stream
from carrack.api.stream import StreamWriter
from carrack.api.summaries import Summaries
from carrack.engine.containers import inspect, listing, logconfig, stats
from carrack.engine.containers.create import attributes
from carrack.engine.containers.merge import check_restart_policy
from carrack.engine.containers.record import Container
from carrack.engine.containers.services import ContainerServices
from carrack.errors import Conflict, Internal, InvalidArgument, NotFound
from carrack.model import schema, times
from carrack.model.container import UPDATE, Document


def routes(services: ContainerServices) -> list[Route]:
    """The route table."""
    face = _Face(services)
    return [
        Route("GET", "/containers/json", face.list),
        Route("POST", "/containers/create", face.create),
        Route("POST", "/containers/prune", face.prune),
        Route("GET", "/containers/{id}/json", face.inspect),
        Route("GET", "/containers/{id}/top", face.top),
        Route("GET", "/containers/{id}/stats", face.stats),
        Route("POST", "/containers/{id}/start", face.start),
        Route("POST", "/containers/{id}/stop", face.stop),
        Route("POST", "/containers/{id}/restart", face.restart),
        Route("POST", "/containers/{id}/kill", face.kill),
        Route("POST", "/containers/{id}/pause", face.pause),
        Route("POST", "/containers/{id}/unpause", face.unpause),
        Route("POST", "/containers/{id}/rename", face.rename),
        Route("POST", "/containers/{id}/update", face.update),
        Route("POST", "/containers/{id}/resize", face.resize),
        Route("POST", "/containers/{id}/wait", face.wait),
        Route("DELETE", "/containers/{id}", face.remove),
    ]


# dockerd's own measure: old clients send "null" or nothing, and a content type that is not JSON's.
_EMPTY_OBJECT = 7


class _Face:
    def __init__(self, services: ContainerServices) -> None:
        self._s = services
        self._summaries = Summaries(services.store)

    async def list(self, request: Request) -> Response:
        query, fields = request.query, request.query.text("fields")
        if not ("filters" in query or "limit" in query or "size" in query):
            return encoded_json(self._summaries.unfiltered(query.flag("all"), request.version, fields))
        filters = query.filters()
        images = {word: await self._s.image_ids(word) for word in filters.get("ancestor", ())}
        chosen = listing.select(
            self._s.store,
            self._s.store.find,
            lambda word: images[word],
            everything=request.query.flag("all"),
            limit=request.query.integer("limit", 0) or 0,
            filters=filters,
        )
        if not query.flag("size"):
            return encoded_json(self._summaries.of(chosen, request.version, fields))
        if fields:
            raise InvalidArgument("fields: sizes are only told with all fields: leave out either fields or size")
        now = times.now()
        rows = [listing.row(c, now) for c in chosen]
        for row, c in zip(rows, chosen, strict=True):
            await self._add_size(row, c)
        rows = [listing.sized(row) for row in rows]
        return json_response(older.container_rows(rows, request.version))

    async def _add_size(self, document: Document, c: Container) -> None:
        size = await self._s.files.size(c)
        document["SizeRw"], document["SizeRootFs"] = size, size + self._s.image_size(c)

    async def create(self, request: Request) -> Response:
        body = await request.json_object("container.CreateRequest", required=True)
        body = older.create_request(body, request.version)
        c, warnings = await self._s.creator.create(request.query.text("name"), body, request.query.text("platform"))
        return json_response({"Id": c.id, "Warnings": warnings}, status=201)

    async def inspect(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        document = inspect.inspect(c, self._s.paths, self._s.graph(c), self._s.security, self._s.links.told(c))
        if (troubles := logconfig.status(c, self._s.paths)) is not None:
            document["LogStatus"] = troubles
        if request.query.flag("size"):
            await self._add_size(document, c)
        return json_response(older.container(document, request.version))

    async def top(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        shim = c.shim
        if not c.state.running or shim is None:
            raise Conflict(f"container {c.id} is not running")
        words = (request.query.text("ps_args") or "-ef").split()
        listing_text = await _ps(words)
        document = stats.top(c, await shim.pids(), listing_text)
        self._s.events.publish("container", "top", c.id, attributes(c))
        return json_response(document)

    async def stats(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        streaming = request.query.flag("stream", True)
        if not streaming:
            if request.query.flag("one-shot") or c.shim is None:
                document = await stats.sample(c, None)
                # Docker names the container in a stream's documents, and where there is nothing to tell.
                return json_response({k: v for k, v in document.items() if c.shim is None or k not in ("name", "id")})
            return json_response(await stats.once(c))

        async def produce(out: StreamWriter) -> None:
            before = None
            while True:
                before = await stats.sample(c, before)
                await out.json(before)
                if c.state.status == "removing":
                    return
                await asyncio.sleep(1)

        return stream(produce)

    async def start(self, request: Request) -> Response:
        for name in ("checkpoint", "checkpoint-dir", "detachKeys"):
            if request.query.text(name):
                raise InvalidArgument(f"{name} is not supported by this version of Carrack: leave it out")
        if len(await request.body()) > _EMPTY_OBJECT:
            raise InvalidArgument(
                "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
            )
        await self._s.lifecycle.start(self._s.store.find(request.path["id"]))
        return empty()

    async def stop(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        await self._s.lifecycle.stop(c, request.query.text("signal"), request.query.integer("t"))
        return empty()

    async def restart(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        await self._s.lifecycle.restart(c, request.query.text("signal"), request.query.integer("t"))
        return empty()

    async def kill(self, request: Request) -> Response:
        name = request.path["id"]
        try:
            await self._s.lifecycle.kill(self._s.store.find(name), request.query.text("signal"))
        except (NotFound, Conflict, InvalidArgument) as error:
            raise type(error)(f"cannot kill container: {name}: {error}") from error
        return empty()

    async def pause(self, request: Request) -> Response:
        await self._s.lifecycle.pause(self._s.store.find(request.path["id"]))
        return empty()

    async def unpause(self, request: Request) -> Response:
        await self._s.lifecycle.unpause(self._s.store.find(request.path["id"]))
        return empty()

    async def rename(self, request: Request) -> Response:
        await self._s.changes.rename(self._s.store.find(request.path["id"]), request.query.text("name"))
        return empty()

    async def update(self, request: Request) -> Response:
        body = await request.json_object("container.UpdateConfig")
        schema.check(body, UPDATE, "UpdateConfig")
        if (policy := body.get("RestartPolicy")) and policy.get("Name"):
            check_restart_policy({"MaximumRetryCount": 0, **policy})
        c = self._s.store.find(request.path["id"])
        return json_response({"Warnings": await self._s.changes.update(c, body) or None})

    async def resize(self, request: Request) -> Response:
        c = self._s.store.find(request.path["id"])
        await self._s.lifecycle.resize(c, *size_of(request))
        return empty(200)

    async def wait(self, request: Request) -> Response:
        condition = request.query.text("condition", "not-running") or "not-running"
        departed = self._s.store.departed.get(request.path["id"])
        if departed is not None and condition in ("not-running", "removed"):
            return json_response({"StatusCode": departed})
        c = self._s.store.find(request.path["id"])
        if condition not in ("not-running", "next-exit", "removed"):
            raise InvalidArgument(f'invalid condition: "{condition}"')
        ended = c.wait(condition)
        if condition == "not-running" and not c.state.running:
            c.notify("not-running")

        async def produce(out: StreamWriter) -> None:
            await out.start()
            code, error = await ended
            await out.json({"StatusCode": code, **({"Error": {"Message": error}} if error else {})})

        return stream(produce)

    async def remove(self, request: Request) -> Response:
        if request.query.flag("link"):
            await self._s.changes.unlink(request.path["id"])
            return empty()
        c = self._s.store.find(request.path["id"])
        await self._s.remover.remove(
            c, kill=self._s.lifecycle.kill, force=request.query.flag("force"), volumes=request.query.flag("v")
        )
        return empty()

    async def prune(self, request: Request) -> Response:
        removed, freed = await self._s.remover.prune(request.query.filters())
        return json_response({"ContainersDeleted": removed or None, "SpaceReclaimed": freed})


def size_of(request: Request) -> tuple[int, int]:
    """Height and width of a resize request, in characters. Raises InvalidArgument."""
    return _extent(request, "h", "height"), _extent(request, "w", "width")


def _extent(request: Request, name: str, what: str) -> int:
    text = request.query.text(name)
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise InvalidArgument(f'invalid resize {what} "{text}": invalid syntax')
    if not 0 <= int(text[:20]) < 65536:  # as the kernel has it
        raise InvalidArgument(f'invalid resize {what} "{text}": value out of range')
    return int(text)


async def _ps(words: list[str]) -> str:
    """The host's process listing, by its own ps, so that every format word works. Raises Internal with ps's words."""
    try:
        process = await asyncio.create_subprocess_exec(
            "ps",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise Internal("top needs the program ps on the host: install the procps package") from None
    out, err = await process.communicate()
    if process.returncode:
        first = err.decode(errors="replace").strip().partition("\n")[0]  # help follows
        raise InvalidArgument(f"ps: {first}")
    return out.decode(errors="replace")
