"""Networks."""

from __future__ import annotations

from typing import Protocol

from carrack.api import older
from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response
from carrack.engine.networks.store import Networks
from carrack.errors import InvalidArgument, NotFound
from carrack.model import schema
from carrack.model.container import ENDPOINT
from carrack.model.schema import BOOLEAN, LABELS, STRING, Document, Field, ListOf, Table

_POOL: Table = {
    "Subnet": Field(STRING, ""),
    "IPRange": Field(STRING, ""),
    "Gateway": Field(STRING, ""),
    "AuxiliaryAddresses": Field(LABELS, None),
}
_IPAM: Table = {
    "Driver": Field(STRING, ""),
    "Config": Field(ListOf(_POOL, "network.IPAMConfig")),
    "Options": Field(LABELS, None),
}
_CREATE: Table = {
    "Name": Field(STRING, ""),
    "Driver": Field(STRING, ""),
    "Scope": Field(STRING, ""),
    "Internal": Field(BOOLEAN, False),
    "Attachable": Field(BOOLEAN, False),
    "Ingress": Field(BOOLEAN, False),
    "ConfigOnly": Field(BOOLEAN, False),
    "ConfigFrom": Field({"Network": Field(STRING, "")}, None, go="network.ConfigReference"),
    "IPAM": Field(_IPAM, None, go="network.IPAM"),
    "EnableIPv4": Field(BOOLEAN, None),
    "EnableIPv6": Field(BOOLEAN, None),
    "Options": Field(LABELS, None),
    "Labels": Field(LABELS, None),
}
_CONNECT: Table = {
    "Container": Field(STRING, ""),
    "EndpointConfig": Field(ENDPOINT, None, go="network.EndpointSettings"),
}
_DISCONNECT: Table = {"Container": Field(STRING, ""), "Force": Field(BOOLEAN, False)}

_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")


class Live(Protocol):
    """Who puts running containers on networks and takes them off; the containers' side."""

    async def connect(self, network: str, container: str, wanted: Document | None) -> None:
        """Put a container on a network as `wanted` (EndpointSettings, all fields) says."""

    async def disconnect(self, network: str, container: str, force: bool) -> None:
        """Take it off again."""


def routes(networks: Networks, live: Live) -> list[Route]:
    """The route table."""
    face = _Face(networks, live)
    return [
        Route("GET", "/networks", face.list),
        Route("GET", "/networks/", face.list),
        Route("POST", "/networks/create", face.create),
        Route("POST", "/networks/prune", face.prune),
        Route("GET", "/networks/{id}", face.inspect),
        Route("DELETE", "/networks/{id}", face.remove),
        Route("POST", "/networks/{id}/connect", face.connect),
        Route("POST", "/networks/{id}/disconnect", face.disconnect),
    ]


class _Face:
    def __init__(self, networks: Networks, live: Live) -> None:
        self._networks = networks
        self._live = live

    async def list(self, request: Request) -> Response:
        return json_response(self._networks.select(request.query.filters()))

    async def inspect(self, request: Request) -> Response:
        query = request.query
        if "verbose" in query and query.text("verbose") not in _BOOLEANS:
            value = query.text("verbose")
            raise InvalidArgument(
                f'invalid value for verbose: {value}: strconv.ParseBool: parsing "{value}": invalid syntax'
            )
        found = self._networks.inspect(request.path["id"])
        if query.text("scope") not in ("", found["Scope"]):
            raise NotFound(f"network {request.path['id']} not found")
        return json_response(found)

    async def create(self, request: Request) -> Response:
        given = await request.json_object("network.CreateRequest")
        body = schema.check(older.network_request(given, request.version), _CREATE, "CreateRequest")
        network, warning = await self._networks.create(body)
        return json_response({"Id": network.id, "Warning": warning}, status=201)

    async def remove(self, request: Request) -> Response:
        await self._networks.remove(request.path["id"])
        return Response(204)

    async def connect(self, request: Request) -> Response:
        body = schema.check(await request.json_object("network.ConnectOptions"), _CONNECT, "ConnectOptions")
        await self._live.connect(request.path["id"], _container(body), body["EndpointConfig"])
        return Response(200)

    async def disconnect(self, request: Request) -> Response:
        body = schema.check(await request.json_object("network.DisconnectOptions"), _DISCONNECT, "DisconnectOptions")
        await self._live.disconnect(request.path["id"], _container(body), body["Force"])
        return Response(200)

    async def prune(self, request: Request) -> Response:
        removed = await self._networks.prune(request.query.filters())
        return json_response({"NetworksDeleted": removed or None})


def _container(body: Document) -> str:
    if not body["Container"]:
        raise InvalidArgument('invalid name or ID supplied: ""')
    return str(body["Container"])
