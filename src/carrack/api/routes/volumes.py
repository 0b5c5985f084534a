"""Volumes."""

from __future__ import annotations

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, empty, json_response
from carrack.api.routes.later import NO_MANAGER
from carrack.engine.volumes.store import VolumeStore
from carrack.errors import InvalidArgument, Unavailable
from carrack.model import schema
from carrack.model.schema import ANY, LABELS, STRING, Field, Table

_CREATE: Table = {
    "Name": Field(STRING, ""),
    "Driver": Field(STRING, ""),
    "DriverOpts": Field(LABELS, None),
    "Labels": Field(LABELS, None),
    "ClusterVolumeSpec": Field(ANY, None),
}


def routes(volumes: VolumeStore) -> list[Route]:
    """The route table."""
    face = _Face(volumes)
    return [
        Route("GET", "/volumes", face.list),
        Route("POST", "/volumes/create", face.create),
        Route("POST", "/volumes/prune", face.prune),
        Route("GET", "/volumes/{name}", face.inspect),
        Route("PUT", "/volumes/{name}", face.update),
        Route("DELETE", "/volumes/{name}", face.remove),
    ]


class _Face:
    def __init__(self, volumes: VolumeStore) -> None:
        self._volumes = volumes

    async def list(self, request: Request) -> Response:
        try:
            filters = request.query.filters()
        except InvalidArgument as error:
            raise InvalidArgument(f"error reading volume filters: {error}") from None
        chosen, warnings = await self._volumes.select(filters)
        documents = [await self._volumes.document(volume, about) for volume, about in chosen]
        return json_response({"Volumes": documents, "Warnings": warnings or None})

    async def create(self, request: Request) -> Response:
        body = schema.check(await request.json_object("volume.CreateOptions"), _CREATE, "CreateOptions")
        if body["ClusterVolumeSpec"] is not None:
            raise Unavailable(NO_MANAGER)
        volume = await self._volumes.create(body["Name"], body["Driver"], body["DriverOpts"], body["Labels"])
        return json_response(await self._volumes.document(volume), status=201)

    async def inspect(self, request: Request) -> Response:
        volume = await self._volumes.find(request.path["name"])
        return json_response(await self._volumes.document(volume))

    async def update(self, request: Request) -> Response:
        raise Unavailable("volume update only valid for cluster volumes, but swarm is unavailable")

    async def remove(self, request: Request) -> Response:
        await self._volumes.remove(request.path["name"], request.query.flag("force"))
        return empty()

    async def prune(self, request: Request) -> Response:
        filters = request.query.filters()
        if request.version < (1, 42):
            filters["all"] = ["true"]
        removed, freed = await self._volumes.prune(filters)
        return json_response({"VolumesDeleted": removed, "SpaceReclaimed": freed})
