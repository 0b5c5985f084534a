"""A server whose requests a plugin judges, and what both of them took for the body."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.fakes import plugin as fake
from tests.fakes.http_peer import run, serving

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, text
from carrack.engine.authorization import REQUEST, RESPONSE, Authorizer
from carrack.engine.plugins.registry import Plugins

EVIL = b'"Privileged": true'


class Judged:
    """`shown` are the bodies that the plugin saw, `parsed` those that a handler got, in their order, as digests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown: list[str] = []
        self.parsed: list[str] = []
        self.targets: list[str] = []
        self._plugin = fake.Plugin(path / "policy.sock", path, ("authz",))
        self._plugin.answers = {REQUEST: self._decide, RESPONSE: {"Allow": True}}

    def play(self, client: Callable[[str], Awaitable[None]]) -> None:
        """Run `client` on the server's address."""
        routes = [
            Route("POST", "/containers/create", self._handle),
            Route("POST", "/exec/{id}/start", self._take_over),
            Route("GET", "/_ping", self._handle),
        ]

        async def main() -> None:
            authorizer = Authorizer(Plugins([str(self.path)]), ["policy"])
            async with serving(self.path, routes, authorizer=authorizer) as address:
                await client(address)

        with self._plugin:
            run(main)
        shown = iter(self.shown)
        assert all(digest in shown for digest in self.parsed), "a handler parsed what no plugin saw"

    def _decide(self, document: dict[str, Any]) -> dict[str, Any]:
        body = base64.b64decode(document.get("RequestBody", ""))
        self.targets.append(document["RequestUri"])
        self.shown.append(digest(body))
        return {"Allow": EVIL not in body, "Msg": "nothing privileged"}

    async def _handle(self, request: Request) -> Response:
        body = await request.body()
        self.parsed.append(digest(body))
        assert EVIL not in body, "it was let in"
        return text(digest(body))

    async def _take_over(self, request: Request) -> Response:
        await self._handle(request)
        connection = await request.hijack()
        connection.write(b"taken over; ")
        connection.write(await connection.read())
        return HIJACKED


def digest(body: bytes) -> str:
    """A short name of some bytes."""
    return hashlib.sha256(body).hexdigest()
