"""Layers in the form in which a cache is to have them. Compressing is done in threads."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

from carrack.engine.whole import whole
from carrack.errors import Internal
from carrack.oci import media_types
from carrack.oci.descriptor import Descriptor
from carrack.storage import compression
from carrack.storage.compression import Decompressed

if TYPE_CHECKING:
    from carrack.engine.build.caching.wanted import Form
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.packing import Packer
    from carrack.storage.content import ContentStore, Ingest
    from carrack.storage.tar import ByteSource

_PIECE = 1 << 20
_PLAIN = "uncompressed"


class Forms:
    """Knows the forms that layers have, and makes others."""

    def __init__(self, layers: LayerStore, content: ContentStore, packer: Packer) -> None:
        self._layers = layers
        self._content = content
        self.packer = packer

    async def formed(self, diff_id: str, form: Form, held: AsyncExitStack) -> Descriptor | None:
        """The layer as it is to travel; None for the usual: as it is, or by gzip where it has never travelled.

        What has to be made for it stays until ``held`` is left. Raises Internal, OSError, NotSupported.
        """
        known = self.packer.packed(diff_id)
        if not form.kind or (known is not None and (not form.force or _kind(known) == form.kind)):
            return None
        if form.kind == compression.GZIP and form.level is None and known is None:
            return None
        if form.kind == _PLAIN and self.packer.has(diff_id, diff_id):
            return Descriptor(media_types.OCI_LAYER, diff_id, self._layers.get(diff_id).size)
        return await self._made(diff_id, form, held)

    async def _made(self, diff_id: str, form: Form, held: AsyncExitStack) -> Descriptor:
        kind = compression.PLAIN if form.kind == _PLAIN else form.kind
        with self._content.ingest() as ingest:
            await whole(asyncio.to_thread(self._squeeze, diff_id, kind, form.level, ingest))
            blob = ingest.finish()
            await held.enter_async_context(self._layers.hold([blob.digest]))
            await whole(asyncio.to_thread(ingest.commit, blob.digest))
        media_type = media_types.OCI_LAYER_BY_COMPRESSION["" if kind == compression.PLAIN else kind]
        return Descriptor(media_type, blob.digest, blob.size)

    def _squeeze(self, diff_id: str, kind: str, level: int | None, ingest: Ingest) -> None:
        squeeze = compression.compressor(kind, level)
        file, blob, _ = self._layers.open(diff_id)
        with file:
            source = Decompressed(cast("ByteSource", file)) if blob.digest != diff_id else None
            left = self._layers.get(diff_id).size  # a tar may be part of a larger file: no more of it is read
            while left:
                piece = source.read_chunk() if source else file.read(min(left, _PIECE))
                if not piece:
                    raise Internal(f"layer {diff_id} ended early: its file is damaged; get the image again")
                left -= len(piece)
                ingest.write(squeeze.compress(piece))
            ingest.write(squeeze.flush())


def _kind(layer: Descriptor) -> str:
    return media_types.LAYER_COMPRESSION.get(layer.media_type, "") or _PLAIN
