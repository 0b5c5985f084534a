"""Named contexts of builds by the classic request (``--build-context NAME=…``), which our own command alone asks for.

Query ``contexts``: a JSON object of what each name stands for: ``docker-image://IMAGE``, the address of a file or of a
repository, ``oci-layout://FOLDER:TAG@DIGEST`` out of the folders that the client offers (``folders``), or ``sent:ID``
for a folder that came beforehand by ``POST /build/context/files``: as a tar, whole or what is missing of a list.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from carrack.api.response import Response, json_response
from carrack.engine.build import giturl, layouts, order
from carrack.engine.build.caching.wanted import CacheAt
from carrack.engine.build.request import Elsewhere, Files, Once
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import reference

if TYPE_CHECKING:
    from carrack.api.request import Request
    from carrack.engine.build.request import OpenFiles
    from carrack.engine.build.service import Builder
    from carrack.storage.trees.base import Tree

#: seconds that folders wait for their builds once no other folder is on its way, and how many may
PATIENCE = 60.0
_WAITING = 32


def read(text: str) -> dict[str, str]:
    """What was asked for, by names as people know images by. Raises InvalidArgument."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"contexts: invalid JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise InvalidArgument("contexts: must be an object of strings")
    return {_name(name): place for name, place in found.items()}


def _name(text: str) -> str:
    try:
        return reference.parse(text).familiar.removesuffix(":latest")
    except InvalidArgument:
        return text  # as one for a platform, alpine::linux/arm64


class NamedContexts:
    """Those of one builder. ``received`` takes in a folder that comes with a request."""

    def __init__(self, builder: Builder, received: Callable[[Request], Awaitable[Tree]]) -> None:
        self._builder = builder
        self._received = received
        self._sent: dict[str, Tree] = {}
        self._coming = 0
        self._end: asyncio.TimerHandle | None = None

    async def files(self, request: Request) -> Response:
        """A folder for the build that is to come; answered with its id. While others of that build come, it waits."""
        self._coming += 1
        self._bound()
        try:
            tree = await self._received(request)
        finally:
            self._coming -= 1
            self._bound()
        while len(self._sent) >= _WAITING:
            self._forget(next(iter(self._sent)))
        identity = secrets.token_hex(16)
        self._sent[identity] = tree
        return json_response({"ID": identity})

    def opened(self, asked: order.Asked, held: AsyncExitStack) -> order.Asked:
        """The request with its contexts, which stay until ``held`` ends. Raises InvalidArgument, NotFound."""
        contexts = {name: self._context(name, place, asked, held) for name, place in asked.named.items()}
        return replace(asked, contexts=contexts)

    def _context(self, name: str, place: str, asked: order.Asked, held: AsyncExitStack) -> OpenFiles | str | Elsewhere:
        kind, _, rest = place.partition("://")
        if kind == "docker-image":
            return rest
        if place.startswith(order.SENT):
            tree = self._sent.pop(place.removeprefix(order.SENT), None)
            if tree is None:
                raise NotFound(f"no folder {place.removeprefix(order.SENT)} waits for its build: send it again")
            held.callback(tree.close)
            return _there(Files(tree, name=name))
        if kind == "oci-layout":
            return self._layout(place, asked, held)
        if kind in ("http", "https") or place.startswith(giturl.GITHUB) or giturl.is_git(place):
            return Once(name, lambda: self._fetched(place, asked, held))
        raise InvalidArgument(f"the build context {name}={place} is neither an image, nor an address, nor a folder")

    async def _fetched(self, place: str, asked: order.Asked, held: AsyncExitStack) -> Tree:
        return (await self._builder.fetcher.remote(place, order.given(asked), held, unpack=False)).tree

    def _layout(self, place: str, asked: order.Asked, held: AsyncExitStack) -> Elsewhere:
        opener, (folder, digest) = self._builder.layouts, layouts.parse(place)
        if opener is None or asked.stores is None:
            raise InvalidArgument(f"{place}: the client offers no folders: build with buildx")
        store = asked.stores(CacheAt("local", {"src": folder}))
        return Elsewhere(lambda platform: opener.open(store, folder, digest, platform, held))

    def _bound(self) -> None:
        """Begin the time anew that what has come may wait."""
        if self._end is not None:
            self._end.cancel()
        later = asyncio.get_running_loop().call_later
        self._end = None if self._coming else later(PATIENCE, self._forget_all)

    def _forget_all(self) -> None:
        for identity in list(self._sent):
            self._forget(identity)

    def _forget(self, identity: str) -> None:
        tree = self._sent.pop(identity, None)
        if tree is not None:
            tree.close()


def _there(files: Files) -> OpenFiles:
    async def give() -> Files:
        return files

    return give
