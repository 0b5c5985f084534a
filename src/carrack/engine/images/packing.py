"""Layers as they travel: compressed once, when first asked for, and kept so that their digest stays what it was.

The same tar does not give the same bytes with every version of every library; what was once published must.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from carrack.engine.whole import whole
from carrack.errors import Internal, Unavailable
from carrack.oci import media_types
from carrack.oci.descriptor import Descriptor
from carrack.storage import compression

if TYPE_CHECKING:
    from typing import BinaryIO

    from carrack.engine.images.layers import LayerStore
    from carrack.storage.content import Blob, ContentStore, Ingest

_PIECE = 1 << 20


class Growing:
    """A file that is being written, for who reads along; `whole` tells in the end what it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._fd = file.fileno()
        self._size = 0
        self._changed = asyncio.Event()
        self._ended: asyncio.Future[Descriptor] = asyncio.get_running_loop().create_future()

    def grow(self, size: int) -> None:
        """So many bytes are there by now."""
        self._size = max(self._size, size)
        self._changed.set()

    def end(self, descriptor: Descriptor | None) -> None:
        """It is all there, or (None) will never be."""
        if descriptor is None:
            self._ended.cancel()
        else:
            self._size = descriptor.size
            self._ended.set_result(descriptor)
        self._changed.set()

    async def whole(self) -> Descriptor:
        """What it is, once it is that."""
        return await asyncio.shield(self._ended)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All its bytes, as they come. Raises Unavailable when they end too early."""
        at = 0
        while not self._ended.done() or at < self._size:
            self._changed.clear()
            if at < self._size:
                piece = os.pread(self._fd, min(_PIECE, self._size - at), at)
                at += len(piece)
                yield piece
            else:
                await self._changed.wait()
        if self._ended.cancelled():
            raise Unavailable("the layer could not be compressed")


Send = Callable[[Growing], Coroutine[Any, Any, None]]


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

    async def pack(self, diff_id: str, send: Send | None = None) -> Descriptor:
        """The layer as it travels; who comes while another compresses it gets the other's.

        Where it has to be compressed, `send` gets it while it grows, and may be at it until it is all there. The
        caller holds `diff_id`. Raises Internal when its bytes are not what they were, OSError when the disk fails.
        """
        turn = self._turns.setdefault(diff_id, asyncio.Lock())
        try:
            async with turn:
                return self.packed(diff_id) or await self._compress(diff_id, send)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            if not turn.locked():
                self._turns.pop(diff_id, None)

    async def _compress(self, diff_id: str, send: Send | None) -> Descriptor:
        file, tar, _ = self._layers.open(diff_id)
        with file, self._content.ingest() as ingest, ingest.path.open("rb", buffering=0) as packed:
            growing = Growing(packed)
            async with asyncio.TaskGroup() as group:
                if send is not None:
                    group.create_task(send(growing))
                try:
                    blob = await self._squeezed(file, tar, ingest, growing)
                except BaseException:
                    growing.end(None)
                    raise
                growing.end(Descriptor(media_types.OCI_LAYER_GZIP, blob.digest, blob.size))
                await self._layers.keep(diff_id, ingest)
        return await growing.whole()

    async def _squeezed(self, file: BinaryIO, tar: Blob, ingest: Ingest, growing: Growing) -> Blob:
        loop, stop = asyncio.get_running_loop(), threading.Event()

        def grown(size: int) -> None:
            loop.call_soon_threadsafe(growing.grow, size)

        work = loop.create_task(asyncio.to_thread(_squeeze, file, tar, ingest, stop, grown))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            await whole(_end(work))
            raise
        return ingest.finish()


async def _end(work: asyncio.Task[None]) -> None:
    await asyncio.wait([work])
    if not work.cancelled():
        work.exception()  # looked at: the cancellation goes before it


def _squeeze(source: BinaryIO, tar: Blob, ingest: Ingest, stop: threading.Event, grown: Callable[[int], None]) -> None:
    """Compress the tar into `ingest`. Another processor meanwhile writes what is done, and sees to the digests."""
    squeeze, digest, left, size = compression.compressor(compression.GZIP), hashlib.sha256(), tar.size, 0

    def settle(piece: bytes, data: bytes) -> None:
        nonlocal size
        digest.update(piece)
        ingest.write(data)
        if data:
            size += len(data)
            grown(size)

    with ThreadPoolExecutor(1) as beside:
        before: Future[Any] = beside.submit(int)
        while left and not stop.is_set() and (piece := source.read(min(left, _PIECE))):
            left -= len(piece)
            data = squeeze.compress(piece)
            before.result()
            before = beside.submit(settle, piece, data)
        before.result()
    settle(b"", squeeze.flush())
    if not stop.is_set() and (left or f"sha256:{digest.hexdigest()}" != tar.digest):
        raise Internal(f"layer {tar.digest}: its bytes have changed on disk; the push is given up, get the image again")
