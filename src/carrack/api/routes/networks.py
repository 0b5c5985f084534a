"""Networks."""

from __future__ import annotations

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response
from carrack.engine.networks.store import Networks
from carrack.errors import InvalidArgument, NotFound


def routes(networks: Networks) -> list[Route]:
    """The route table."""
    face = _Face(networks)
    return [
        Route("GET", "/networks", face.list),
        Route("GET", "/networks/", face.list),
        Route("POST", "/networks/create", face.create),
        Route("POST", "/networks/prune", face.prune),
        Route("GET", "/networks/{id}", face.inspect),
        Route("DELETE", "/networks/{id}", face.remove),
        Route("POST", "/networks/{id}/connect", face.change),
        Route("POST", "/networks/{id}/disconnect", face.change),
    ]


class _Face:
    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    async def list(self, request: Request) -> Response:
        return json_response(self._networks.select(request.query.filters()))

    async def inspect(self, request: Request) -> Response:
        scope = request.query.text("scope")
        if scope not in ("", "local"):
            raise NotFound(f"network {request.path['id']} not found")
        return json_response(self._networks.inspect(request.path["id"]))

    async def create(self, request: Request) -> Response:
        body = await request.json_object(required=True)
        name = body.get("Name")
        if not isinstance(name, str) or not name.strip():
            raise InvalidArgument("invalid network name: name is empty")
        return self._networks.create(name)

    async def remove(self, request: Request) -> Response:
        return self._networks.remove(request.path["id"])

    async def change(self, request: Request) -> Response:
        await request.json_object(required=True)
        return self._networks.change(request.path["id"])

    async def prune(self, request: Request) -> Response:
        return json_response({"NetworksDeleted": self._networks.prune(request.query.filters()) or None})
