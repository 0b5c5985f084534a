"""Where a classic build has its files from: out of the request, by a list of them, or from elsewhere."""

from __future__ import annotations

import base64
import contextlib
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from carrack.api.app import Route
from carrack.api.response import Response, json_response
from carrack.api.routes.named_contexts import NamedContexts
from carrack.engine import pump
from carrack.engine.build import order
from carrack.engine.images import progress
from carrack.engine.images.board import Board
from carrack.errors import InvalidArgument
from carrack.registry.credentials import decode_config
from carrack.storage.compression import PLAIN, Decompressed, sniff
from carrack.storage.tarheader import TarError
from carrack.storage.trees.tarred import in_memory, receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from carrack.api.folders import Folders
    from carrack.api.request import Query, Request
    from carrack.engine.build.service import Builder
    from carrack.engine.images.progress import Emit
    from carrack.storage.trees.base import Tree

_DOWNLOADING = "Downloading context"
_SMALL = 128 * 1024  # bytes of a context for which no file is made, nor a thread: some milliseconds of looking through


def secrets_of(request: Request) -> dict[str, bytes]:
    """Those that came with the request, by their names. Raises InvalidArgument."""
    text = request.headers.get("X-Carrack-Build-Secrets", "")
    if not text:
        return {}
    try:
        return {str(name): base64.b64decode(data) for name, data in json.loads(base64.b64decode(text)).items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidArgument("X-Carrack-Build-Secrets: a JSON object of base64 in base64 is wanted") from None


class BuildContexts:
    """Contexts for one builder. ``folders``: the connections by which clients lend agents; ``room``: a folder for the
    sockets of these."""

    def __init__(self, builder: Builder, folders: Folders, room: str) -> None:
        self._builder = builder
        self._folders = folders
        self._room = room
        self.named = NamedContexts(builder, self.received)

    def routes(self) -> list[Route]:
        """What is asked about contexts alone."""
        return [
            Route("POST", "/build/context", self.announce),
            Route("POST", "/build/context/files", self.named.files),
            Route("POST", "/build/dockerfile", self.dockerfile),
        ]

    async def received(self, request: Request) -> Tree:
        """What comes with the request, taken in whole; the caller closes it."""
        listed = request.query.text("context")
        if listed:
            return await self._builder.cache.contexts.receive(listed, request.source())
        data, chunks = await request.small(_SMALL)
        if data is not None and sniff(data[:8]) == PLAIN:
            with contextlib.suppress(TarError):  # the thread takes long names, and says what is wrong
                return in_memory(data)
        return await self._spooled(chunks if data is None else _once(data))

    async def _spooled(self, chunks: AsyncIterator[bytes]) -> Tree:
        taken: list[Tree] = []
        spool = self._builder.tools.content.ingest()
        try:
            await pump.consume(chunks, lambda source: taken.append(receive(Decompressed(source), spool)))
        except BaseException:
            for tree in taken:  # all had come when the client went
                tree.close()
            spool.discard()
            raise
        return taken[0]

    async def fetched(self, asked: order.Asked, held: AsyncExitStack, emit: Emit) -> tuple[order.Asked, Tree, bool]:
        """What ``remote`` names, until ``held`` ends; and whether it is a Dockerfile and nothing else, as the changed
        request says. How far a download is goes to ``emit`` as dockerd tells it."""
        agents, keep = order.given(asked), order.keeps_git(asked)
        async with Board().handed_out(progress.silent if asked.quiet else emit) as board:
            found = await self._builder.fetcher.remote(
                asked.remote,
                agents,
                held,
                keep_git_dir=keep,
                moved=lambda what, current, total: board.count(what, _DOWNLOADING, current, total),
            )
        alone = bool(found.dockerfile)
        return replace(asked, dockerfile=found.dockerfile) if alone else asked, found.tree, alone

    def lent(self, query: Query, asked: order.Asked) -> order.Asked:
        """The request with the ssh agents that it names. Raises NotFound without a connection to ask them by."""
        if not asked.keys:
            return asked
        return replace(asked, lent=self._folders.agents(query.text("folders"), asked.keys, self._room).ssh)

    async def announce(self, request: Request) -> Response:
        """The list of a context's files (see carrack.engine.build.listing); answered with which of them to send."""
        incoming = await self._builder.cache.contexts.announce(request.query.text("key"), request.source())
        return json_response({"ID": incoming.id, "Wanted": incoming.wanted})

    async def dockerfile(self, request: Request) -> Response:
        """The Dockerfile of a context that lies elsewhere, or that is sent as an archive: its name and its bytes."""
        query = request.query
        asked = order.Asked(
            dockerfile=query.text("dockerfile") or order.DOCKERFILE,
            remote=query.text("remote"),
            quiet=True,
            credentials=decode_config(request.headers.get("X-Registry-Config", "")),
            secrets=secrets_of(request),
            keys=frozenset(filter(None, query.texts("ssh"))),
        )
        asked = self.lent(query, asked)
        async with AsyncExitStack() as held:
            if asked.remote:
                asked, tree, _ = await self.fetched(asked, held, progress.silent)
            else:
                tree = await self.received(request)
                held.callback(tree.close)
            data = order.read(tree, asked.dockerfile)
        return json_response({"Name": asked.dockerfile, "Data": base64.b64encode(data).decode()})


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
