"""Our registry server on a socket of its own, and a small client that shows every part of an answer."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carrack.oci import media_types as types
from carrack.registry_server.app import App, Gatekeeper, Policy
from carrack.registry_server.message import Handler, Request, query_of
from carrack.registry_server.repositories import Repositories
from carrack.registry_server.server import Server
from carrack.registry_server.uploads import Uploads


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class FakeBody:
    """A request's body in pieces; with `breaks` the client goes away after them."""

    def __init__(self, *pieces: bytes, length: int | None = None, breaks: bool = False) -> None:
        self.length: int | None = sum(map(len, pieces)) if length is None else length
        self._pieces = pieces
        self._breaks = breaks

    def pieces(self) -> Iterator[memoryview]:
        yield from (memoryview(piece) for piece in self._pieces)
        if self._breaks:
            raise ConnectionResetError("gone")

    def read(self, limit: int) -> bytes:
        return b"".join(self.pieces())


def request(method: str, target: str, body: bytes | FakeBody = b"", **headers: str) -> Request:
    """A request as the connection would make it; header names with underscores for dashes."""
    path, _, query = target.partition("?")
    names, scopes = query_of(query)
    fields = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Request(method, path, names, fields, FakeBody(body) if isinstance(body, bytes) else body, scopes=scopes)


@dataclass
class Reply:
    """An answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The specification's code of an error."""
        return str(self.json["errors"][0]["code"])


class Client:
    """One connection to a registry; call it with what `http.client` takes."""

    def __init__(self, port: int) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.request(method, path, body, fields)
        answer = self.http.getresponse()
        data = answer.read()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    def push_blob(self, name: str, data: bytes) -> str:
        digest = digest_of(data)
        reply = self("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)
        assert reply.status == 201, reply
        return digest

    def push_image(self, name: str, tag: str, layer: bytes = b"layer", **more: Any) -> str:
        """An image of one layer; returns its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "of": layer.hex()}).encode()
        document = image(config, layer, **more)
        self.push_blob(name, config)
        self.push_blob(name, layer)
        return self.push_manifest(name, tag, document)

    def push_manifest(self, name: str, reference: str, document: Mapping[str, Any]) -> str:
        data = json.dumps(document).encode()
        reply = self(
            "PUT", f"/v2/{name}/manifests/{reference or digest_of(data)}", data, Content_Type=document["mediaType"]
        )
        assert reply.status == 201, reply
        return reply.headers["docker-content-digest"]


def image(config: bytes, *layers: bytes, **more: Any) -> dict[str, Any]:
    """An OCI manifest of these."""
    return {
        "schemaVersion": 2,
        "mediaType": types.OCI_MANIFEST,
        "config": {"mediaType": types.OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": types.OCI_LAYER, "digest": digest_of(each), "size": len(each)} for each in layers],
        **more,
    }


@dataclass
class OwnRegistry:
    """The server's parts over a folder; listens once `port` is asked for. Call `close`."""

    root: Path
    gatekeeper: Gatekeeper | None = None
    policy: Policy | None = None
    handler: Handler | None = None
    _server: Server | None = field(default=None, init=False)
    _port: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.repositories = Repositories(self.root)
        self.uploads = Uploads(self.repositories)
        self.app = App(self.repositories, self.uploads, self.gatekeeper, self.policy)

    @property
    def port(self) -> int:
        if self._server is None:
            listener = socket.create_server(("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
            self._server = Server(self.handler or self.app)
            self._server.listen(listener)
        return self._port

    def client(self) -> Client:
        return Client(self.port)

    def close(self) -> None:
        if self._server is not None:
            self._server.close(grace=5.0)
