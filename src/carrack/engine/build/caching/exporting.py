"""Caches that a build gives: its steps and their layers, to a registry, into a folder of the client's, or in the image.

A cache is an image manifest (or an index, for readers of old) whose layers are those of the steps, and whose config is
the document of :mod:`carrack.engine.build.caching.config`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from carrack.engine.build.caching import config, wanted
from carrack.engine.images.layer_push import LayerPush, Parcel
from carrack.errors import Internal
from carrack.model import times
from carrack.oci import digest as digests
from carrack.oci import document, media_types, reference
from carrack.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from carrack.engine.build.caching.forms import Forms
    from carrack.engine.build.caching.graph import Node
    from carrack.engine.build.caching.importing import Store
    from carrack.engine.build.caching.wanted import CacheAt
    from carrack.engine.build.request import Request
    from carrack.engine.build.results import Result
    from carrack.engine.images.layer_push import Transfer
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.progress import Emit
    from carrack.engine.images.push import Pusher

_UNCOMPRESSED, _CREATED = "containerd.io/uncompressed", "buildkit/createdat"
_PIECE = 1 << 20
_DOCKER = {
    media_types.OCI_LAYER: media_types.DOCKER_LAYER,
    media_types.OCI_LAYER_GZIP: media_types.DOCKER_LAYER_GZIP,
    media_types.OCI_LAYER_ZSTD: media_types.DOCKER_LAYER_ZSTD,
}


class Target(Protocol):
    """Where a cache goes."""

    async def layers(self, parcels: list[Parcel]) -> list[Descriptor]:
        """Bring layers there; returns how each travelled, in the same order."""
        ...

    async def small(self, pointer: Descriptor, data: bytes) -> None:
        """Bring a document there."""
        ...

    async def manifest(self, pointer: Descriptor, data: bytes) -> None:
        """Bring the manifest there, which is what the cache is found by."""
        ...


class CacheExporter:
    """Writes caches."""

    def __init__(self, layers: LayerStore, forms: Forms, pusher: Pusher) -> None:
        self._layers = layers
        self._forms = forms
        self._pusher = pusher

    async def export(self, at: CacheAt, results: Sequence[Result], request: Request, emit: Emit) -> Descriptor:
        """Write the cache of a build, of all platforms it was for; returns the descriptor of its manifest. The caller
        holds the layers of all steps.

        Raises what a registry or the client has against it.
        """
        target = await self._target(at, request, emit)
        kept, tops = _kept(at, results), [result.node for result in results if result.node is not None]
        nodes = [node for node in config.lowest_first(*tops) if kept(node)]
        diff_ids = list(dict.fromkeys(each for node in nodes for each in node.layers or ()))
        async with AsyncExitStack() as held:
            form = wanted.form(at)
            parcels = [Parcel(each, await self._forms.formed(each, form, held)) for each in diff_ids]
            travelled = dict(zip(diff_ids, await target.layers(parcels), strict=True))
        made = {node.layers[-1]: node.created for node in nodes if node.layers}
        layers, records = config.write(tops, kept, lambda diff_id: travelled[diff_id].digest)
        blobs = _described(travelled, made, [layer["blob"] for layer in layers], at.flag("oci-mediatypes", True))
        data = document.encode({"layers": layers, "records": records})
        pointer = Descriptor(config.CONFIG, digests.of(data), len(data))
        await target.small(pointer, data)
        manifest = _manifest(at, pointer, blobs)
        data = document.encode(manifest)
        pointer = Descriptor(manifest["mediaType"], digests.of(data), len(data))
        await target.manifest(pointer, data)
        return pointer

    async def _target(self, at: CacheAt, request: Request, emit: Emit) -> Target:
        if at.kind == "local":
            if request.stores is None:
                raise Internal("a local cache without a way to the client")
            return StoreTarget(request.stores(at), self._forms, self._layers)
        name = reference.parse(at.attributes["ref"]).with_default_tag()
        credentials = await request.agents.credentials(name.domain)
        return RegistryTarget(self._pusher.transfer(name, credentials, emit), name.tag)


def carried(result: Result) -> Result:
    """The same with its cache for the image's config (``--cache-to type=inline``)."""
    if result.node is None:
        return result
    _, records = config.write([result.node], _on_top([result]), lambda diff_id: diff_id, result.layers)
    return replace(result, cache=base64.b64encode(document.encode(records)).decode())


def _kept(at: CacheAt, results: Sequence[Result]) -> Callable[[Node], bool]:
    """Whose layers go out: those of all steps, or of the steps that a result lies on."""
    return (lambda node: bool(node.layers)) if at.whole else _on_top(results)


def _on_top(results: Sequence[Result]) -> Callable[[Node], bool]:
    below = {result.layers[:count] for result in results for count in range(1, len(result.layers) + 1)}
    return lambda node: bool(node.layers) and node.layers in below


def _described(travelled: dict[str, Descriptor], made: dict[str, int], order: list[str], oci: bool) -> list[Descriptor]:
    """The layers as the manifest has them, in the order of the config."""
    found: dict[str, Descriptor] = {}
    for diff_id, blob in travelled.items():
        notes = {_UNCOMPRESSED: diff_id} | ({_CREATED: times.rfc3339(made[diff_id])} if made.get(diff_id) else {})
        kind = blob.media_type if oci else _DOCKER.get(blob.media_type, blob.media_type)
        found[blob.digest] = Descriptor(kind, blob.digest, blob.size, notes)
    return [found[digest] for digest in dict.fromkeys(order)]


def _manifest(at: CacheAt, pointer: Descriptor, blobs: list[Descriptor]) -> dict[str, Any]:
    oci = at.flag("oci-mediatypes", True)
    if at.flag("image-manifest", oci):
        return {
            "schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": pointer.document(),
            "layers": [blob.document() for blob in blobs],
        }  # fmt: skip
    kind = media_types.OCI_INDEX if oci else media_types.DOCKER_INDEX
    return {"schemaVersion": 2, "mediaType": kind, "manifests": [each.document() for each in (*blobs, pointer)]}


class RegistryTarget:
    """See Target: a tag in a registry."""

    def __init__(self, transfer: Transfer, tag: str) -> None:
        self._transfer = transfer
        self._tag = tag

    async def layers(self, parcels: list[Parcel]) -> list[Descriptor]:
        """See Target."""
        return await LayerPush(self._transfer).push(parcels)

    async def small(self, pointer: Descriptor, data: bytes) -> None:
        """See Target."""
        await self._transfer.small(pointer, data)

    async def manifest(self, pointer: Descriptor, data: bytes) -> None:
        """See Target."""
        await self._transfer.repository.put_manifest(self._tag, data, pointer.media_type)


class StoreTarget:
    """See Target: a folder of the client's, which notes itself what the cache is found by."""

    def __init__(self, store: Store, forms: Forms, layers: LayerStore) -> None:
        self._store = store
        self._forms = forms
        self._layers = layers

    async def layers(self, parcels: list[Parcel]) -> list[Descriptor]:
        """See Target."""
        found = []
        for parcel in parcels:
            blob = parcel.layer or await self._forms.packer.pack(parcel.diff_id)
            if await self._store.size(blob.digest) != blob.size:
                await self._store.write(blob, self._chunks(parcel.diff_id, blob))
            found.append(blob)
        return found

    async def _chunks(self, diff_id: str, blob: Descriptor) -> AsyncIterator[bytes]:
        file, _, _ = self._layers.open(diff_id, blob.digest)
        with file:
            left = blob.size
            while left and (piece := await asyncio.to_thread(file.read, min(_PIECE, left))):
                left -= len(piece)
                yield piece
        if left:
            raise Internal(f"layer {diff_id} ended early: its file is damaged; get the image again")

    async def small(self, pointer: Descriptor, data: bytes) -> None:
        """See Target."""

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        await self._store.write(pointer, chunks())

    async def manifest(self, pointer: Descriptor, data: bytes) -> None:
        """See Target."""
        await self.small(pointer, data)
