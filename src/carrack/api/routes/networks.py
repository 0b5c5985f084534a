"""Networks."""

from __future__ import annotations

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response
from carrack.engine.networks.store import Networks
from carrack.errors import InvalidArgument, NotFound
from carrack.model import schema
from carrack.model.container import ENDPOINT
from carrack.model.schema import BOOLEAN, LABELS, STRING, Field, ListOf, Table

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
    # What an endpoint may say is asked once connecting is built; until then only its types are.
    "EndpointConfig": Field(
        {name: field._replace(built=True) for name, field in ENDPOINT.items()}, None, go="network.EndpointSettings"
    ),
}
_DISCONNECT: Table = {"Container": Field(STRING, ""), "Force": Field(BOOLEAN, False)}

_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")


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
        Route("POST", "/networks/{id}/connect", face.connect),
        Route("POST", "/networks/{id}/disconnect", face.disconnect),
    ]


class _Face:
    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    async def list(self, request: Request) -> Response:
        return json_response(self._networks.select(request.query.filters()))

    async def inspect(self, request: Request) -> Response:
        query = request.query
        if "verbose" in query and query.text("verbose") not in _BOOLEANS:
            value = query.text("verbose")
            raise InvalidArgument(
                f'invalid value for verbose: {value}: strconv.ParseBool: parsing "{value}": invalid syntax'
            )
        scope = query.text("scope")
        if scope not in ("", "local"):
            raise NotFound(f"network {request.path['id']} not found")
        return json_response(self._networks.inspect(request.path["id"]))

    async def create(self, request: Request) -> Response:
        body = await request.json_object("network.CreateRequest")
        name = schema.check(body, _CREATE, "CreateRequest")["Name"]
        if not name.strip():
            raise InvalidArgument("invalid name: name is empty")
        return self._networks.create(name)

    async def remove(self, request: Request) -> Response:
        return self._networks.remove(request.path["id"])

    async def connect(self, request: Request) -> Response:
        body = await request.json_object("network.ConnectOptions")
        return self._change(request, schema.check(body, _CONNECT, "ConnectOptions"))

    async def disconnect(self, request: Request) -> Response:
        body = await request.json_object("network.DisconnectOptions")
        return self._change(request, schema.check(body, _DISCONNECT, "DisconnectOptions"))

    def _change(self, request: Request, body: schema.Document) -> Response:
        if not body["Container"]:
            raise InvalidArgument('invalid name or ID supplied: ""')
        return self._networks.change(request.path["id"])

    async def prune(self, request: Request) -> Response:
        return json_response({"NetworksDeleted": self._networks.prune(request.query.filters()) or None})
