"""Caches that a build names: read before it begins, and asked at each step that is not known here.

They are strangers' words. A result is taken only where it lies on just the layers that the step lies on here, each
layer is judged by its digest and its diff id as it comes, and what came is found again only by builds that name that
cache.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from carrack.engine.build import keys
from carrack.engine.build.cache import Entry
from carrack.engine.build.caching import config, graph
from carrack.engine.images.board import Board
from carrack.engine.images.commit import EMPTY_LAYER
from carrack.engine.images.offer import Finder
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import digest as digests
from carrack.oci import document, image_config, reference
from carrack.oci.descriptor import Descriptor
from carrack.oci.reference import Reference
from carrack.registry.failures import Untrue

if TYPE_CHECKING:
    from carrack.engine.build.caching.config import Chains, Outcome
    from carrack.engine.build.caching.graph import Node
    from carrack.engine.build.caching.wanted import CacheAt
    from carrack.engine.build.request import Request
    from carrack.engine.build.working import Note, Tools
    from carrack.engine.images.transfer import Source, Transfers
    from carrack.registry.client import RegistryClient

log = logging.getLogger(__name__)


class Store(Protocol):
    """A folder of the client's, by digests."""

    async def size(self, digest: str) -> int | None:
        """How many bytes something has; None when it is not there."""
        ...

    def read(self, digest: str, offset: int, size: int) -> AsyncIterator[bytes]:
        """So many bytes of it from there on."""
        ...

    async def write(self, descriptor: Descriptor, chunks: AsyncIterator[bytes]) -> None:
        """Put something there; it is all there afterwards, or nothing of it."""
        ...


@dataclass(frozen=True, slots=True)
class Imported:
    """One cache, read. ``number`` tells it from others of a build; ``name`` is part of the keys of what came of it."""

    number: int
    name: str
    chains: Chains
    source: Source

    def outcome(self, node: Node, own: str, below: tuple[str, ...]) -> Outcome | None:
        """What it says a step gave, on the layers ``below``: the newest of it, None for nothing."""
        records = self.chains.records
        mine = [number for number in self.chains.by_digest.get(graph.rooted(own), ()) if not records[number].inputs]
        found = [
            outcome
            for number in (*mine, *sorted(config.find(node, self.chains, self.number)))
            for outcome in records[number].outcomes
            if _on(outcome, below)
        ]
        return max(found, key=lambda outcome: outcome.created, default=None)

    def promises(self, node: Node) -> bool:
        """Whether it says what a step gave, on whatever layers."""
        return any(self.chains.records[number].outcomes for number in config.find(node, self.chains, self.number))


def _on(outcome: Outcome, below: tuple[str, ...]) -> bool:
    """Whether it is the layers below with at most one more."""
    base, claimed = _filled(below), _filled(tuple(diff_id for _, diff_id in outcome.pieces))
    return claimed[: len(base)] == base and len(claimed) - len(base) in (0, 1)


def _filled(layers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(diff_id for diff_id in layers if diff_id != EMPTY_LAYER)


class Importer:
    """Reads caches, and fetches of them."""

    def __init__(self, tools: Tools, client: RegistryClient, transfers: Transfers) -> None:
        self._tools = tools
        self._client = client
        self._transfers = transfers

    async def load(self, at: CacheAt, number: int, request: Request) -> Imported:
        """One cache. Raises NotFound, InvalidArgument, and what a registry or the client has against it."""
        if at.kind == "local":
            return await self._of_client(at, number, request)
        name = reference.parse(at.attributes.get("ref", "")).with_default_tag()
        repository = self._client.repository(name, await request.agents.credentials(name.domain))
        top = await repository.manifest(name.digest or name.tag)
        what = f"cache {name.familiar}"
        pointer, blobs = config.manifest(top.data, what)
        if pointer is None:
            finder = Finder(repository, self._tools.content, request.platform, request.build_platform)
            offer = await finder.find(top)
            return Imported(number, f"registry {name}", _carried(offer.config, offer.layers, what), repository)
        chains = await _parsed(await _small(repository, pointer, what), blobs, what)
        return Imported(number, f"registry {name}", chains, repository)

    async def _of_client(self, at: CacheAt, number: int, request: Request) -> Imported:
        digest = digests.validate(at.attributes.get("digest", ""), "the digest of a local cache")
        if request.stores is None:
            raise InvalidArgument("a local cache needs a session: build with buildx, or with our own command")
        source = StoreSource(request.stores(at), at.place)
        what = f"cache {at.place}"
        size = await source.store.size(digest)
        if size is None:
            raise NotFound(f"{what}: {digest} is not there")
        pointer, blobs = config.manifest(await _small(source, Descriptor(config.CONFIG, digest, size), what), what)
        if pointer is None:
            raise InvalidArgument(f"{what} is no build cache")
        chains = await _parsed(await _small(source, pointer, what), blobs, what)
        return Imported(number, f"local {digest}", chains, source)

    def remembered(self, imported: Imported, own: str) -> Entry | None:
        """What came of this cache for a step before."""
        entry = self._tools.cache.find(keys.foreign(own, imported.name))
        return entry if entry is not None and all(map(self._tools.layers.has, entry.layers)) else None

    async def take(self, imported: Imported, outcome: Outcome, note: Note) -> Entry:
        """Fetch what a step gave, and remember it. Raises what a registry or the client has against it."""
        pieces = [piece for piece in outcome.pieces if piece[1] != EMPTY_LAYER]
        blob, diff_id = pieces[-1] if len(pieces) > len(_filled(note.below)) else (None, "")
        held = [*note.below, *((diff_id, blob.digest) if blob else ())]
        layers = self._tools.layers
        async with layers.hold(held):
            if blob is not None and not layers.has(diff_id):
                await self._transfers.fetch(imported.source, blob, diff_id, Board())
            entry = Entry(
                key=keys.foreign(note.key, imported.name), diff_id=diff_id, below=note.below, kind=note.kind,
                description=note.description, size=layers.size([diff_id]), created=outcome.created, inputs=note.inputs,
            )  # fmt: skip
            return await self._tools.cache.add(entry)


def _carried(data: bytes, pieces: tuple[config.Piece, ...], what: str) -> Chains:
    """What an image carries of the cache that it was built with; nothing, for most images."""
    said = document.parse(data, limit=image_config.SIZE_LIMIT, what=what).get(config.INLINE)
    if not isinstance(said, str):
        return config.Chains(())
    try:
        return config.parse_inline(base64.b64decode(said, validate=True), pieces, what)
    except binascii.Error as error:
        raise InvalidArgument(f"{what}: {config.INLINE} is no base64: {error}") from None


async def _parsed(data: bytes, blobs: list[Descriptor], what: str) -> Chains:
    """In a thread, for it may be large."""
    return await asyncio.to_thread(config.parse, data, blobs, what)


async def _small(source: Source, pointer: Descriptor, what: str) -> bytes:
    """All of a document, its digest checked. Raises InvalidArgument."""
    if pointer.size > config.SIZE_LIMIT:
        raise InvalidArgument(f"{what}: a document of {pointer.size} bytes; the limit is {config.SIZE_LIMIT}")
    async with source.blob(pointer, 0) as stream:
        data = b"".join([piece async for piece in stream])
    if digests.of(data) != pointer.digest:
        raise InvalidArgument(f"{what}: a document of digest {digests.of(data)} where {pointer.digest} should be")
    return data


class StoreSource:
    """See Source of carrack.engine.images.transfer: blobs of a client's folder."""

    def __init__(self, store: Store, folder: str) -> None:
        self.store = store
        self.name = Reference("client", folder)

    def blob(self, descriptor: Descriptor, offset: int = 0) -> AbstractAsyncContextManager[Any]:
        """See Source."""
        return _opened(self.store, descriptor, offset)

    def avoid(self, digest: str, host: str) -> bool:
        """See Source: there is nobody else to ask."""
        return False


@asynccontextmanager
async def _opened(store: Store, descriptor: Descriptor, offset: int) -> AsyncIterator[_Stream]:
    yield _Stream(lambda: store.read(descriptor.digest, offset, descriptor.size - offset), descriptor, offset)


class _Stream:
    """See Stream of carrack.engine.images.transfer."""

    def __init__(self, read: Callable[[], AsyncIterator[bytes]], descriptor: Descriptor, offset: int) -> None:
        self._read = read
        self._descriptor = descriptor
        self.offset = offset
        self.source = "the client"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._descriptor.size - self.offset
        async for piece in self._read():
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            raise Untrue(f"blob {digests.short(self._descriptor.digest)} of the client's has another size")
