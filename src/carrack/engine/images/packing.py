"""Layers as they travel: compressed once, when first asked for, and kept so that their digest stays what it was.

The same tar does not give the same bytes with every version of every library; what was once published must.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from typing import TYPE_CHECKING

from carrack.engine.whole import whole
from carrack.errors import Internal
from carrack.oci import media_types
from carrack.oci.descriptor import Descriptor
from carrack.storage import compression

if TYPE_CHECKING:
    from typing import BinaryIO

    from carrack.engine.images.layers import LayerStore
    from carrack.storage.content import Blob, ContentStore, Ingest

_PIECE = 1 << 20


class Packer:
    """Compresses layers, in threads: the libraries that do the work let others run meanwhile."""

    def __init__(self, layers: LayerStore, content: ContentStore) -> None:
        self._layers = layers
        self._content = content
        self._turns: dict[str, asyncio.Lock] = {}

    def packed(self, diff_id: str) -> Descriptor | None:
        """The layer as it is kept for travelling, None when it has to be compressed first. Raises NotFound."""
        if self._layers.get(diff_id).blob is None:
            return None
        file, blob, media_type = self._layers.open(diff_id)
        file.close()
        return None if media_type == media_types.OCI_LAYER else Descriptor(media_type, blob.digest, blob.size)

    def has(self, diff_id: str, digest: str) -> bool:
        """Whether the layer can be had in the form that has this digest."""
        try:
            self._layers.open(diff_id, digest)[0].close()
        except Internal:
            return False
        return True

    async def pack(self, diff_id: str) -> Descriptor:
        """The layer as it travels; who comes while another compresses it gets the other's.

        The caller holds `diff_id`. Raises Internal when its bytes are not what they were, OSError when the disk fails.
        """
        turn = self._turns.setdefault(diff_id, asyncio.Lock())
        try:
            async with turn:
                return self.packed(diff_id) or await self._compress(diff_id)
        finally:
            if not turn.locked():
                self._turns.pop(diff_id, None)

    async def _compress(self, diff_id: str) -> Descriptor:
        file, tar, _ = self._layers.open(diff_id)
        stop = threading.Event()
        with file, self._content.ingest() as ingest:
            work = asyncio.get_running_loop().create_task(
                asyncio.to_thread(_squeeze, file, tar, ingest, stop), name=f"compress layer {diff_id}"
            )
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                stop.set()
                await whole(_end(work))
                raise
            blob = await self._layers.keep(diff_id, ingest)
        return Descriptor(media_types.OCI_LAYER_GZIP, blob.digest, blob.size)


async def _end(work: asyncio.Task[None]) -> None:
    await asyncio.wait([work])
    if not work.cancelled():
        work.exception()  # looked at: the cancellation goes before it


def _squeeze(source: BinaryIO, tar: Blob, ingest: Ingest, stop: threading.Event) -> None:
    """Compress the tar into `ingest`; its own digest is checked on the way."""
    squeeze, digest, left = compression.compressor(compression.GZIP), hashlib.sha256(), tar.size
    while left and not stop.is_set():
        piece = source.read(min(left, _PIECE))
        if not piece:
            break
        left -= len(piece)
        digest.update(piece)
        if data := squeeze.compress(piece):
            ingest.write(data)
    ingest.write(squeeze.flush())
    if not stop.is_set() and (left or f"sha256:{digest.hexdigest()}" != tar.digest):
        raise Internal(f"layer {tar.digest}: its bytes have changed on disk; nothing was sent, get the image again")
