"""Layers: each is made once however many images ask for it at once, and is kept while anything needs it.

A layer comes as a spool: a finished file of the content store's ingest folder. A worker turns it into the driver's
form; then its row is written. Whoever works with layers or blobs that no image names yet holds them; the collector and
the holders take turns, so that nothing is deleted under someone's hands.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from carrack.engine.images.cache import BlobCache, Cached
from carrack.engine.images.changed import Pack, pack_here
from carrack.engine.whole import whole
from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument, NotFound
from carrack.oci import media_types
from carrack.storage import compression
from carrack.storage.content import Blob, ContentStore, Ingest
from carrack.storage.gc import Garbage, ImageRoots, Stored, garbage
from carrack.storage.usage import room

if TYPE_CHECKING:
    from sqlite3 import Connection

    from carrack.storage.records import Records

log = logging.getLogger(__name__)


class LayerFiles(Protocol):
    """What this package needs of a snapshotter."""

    @property
    def room(self) -> int: ...
    def has_layer(self, diff_id: str) -> bool: ...
    def open_tar(self, diff_id: str) -> BinaryIO | None: ...
    def remove_layer(self, diff_id: str) -> None: ...
    def layers(self) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True)
class Layer:
    """A recorded layer: the bytes of its tar, and the blob it came as when that is kept."""

    diff_id: str
    size: int
    blob: str | None


# Turns the spool that a descriptor reads into the driver's layer and returns the bytes of its tar. Raises
# InvalidArgument when its content is damaged or is not the layer of that diff id.
Apply = Callable[[int, str, Ingest], Awaitable[int]]
Made = tuple[int, Blob | None]


class LayerStore:
    """The layers of this daemon."""

    def __init__(
        self, records: Records, content: ContentStore, files: LayerFiles, apply: Apply, pack: Pack = pack_here
    ) -> None:
        self._records = records
        self._content = content
        self._files = files
        self._apply = apply
        self.pack = pack
        self.cache = BlobCache(records, content.size, partial(room, content.root))
        self.discard = False  # blobs of layers that the driver can give back as tars
        self._known: dict[str, Layer] = {}
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._held: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    def load(self) -> None:
        """Read the rows."""
        self.cache.load()
        rows = self._records.read("SELECT diff_id, size, blob_digest FROM layer")
        self._known = {diff_id: Layer(diff_id, size, blob) for diff_id, size, blob in rows}

    @property
    def room(self) -> int:
        """Bytes that the spool of a plain tar should leave free in front, for the driver to take it over."""
        return self._files.room

    def has(self, diff_id: str) -> bool:
        """Whether the layer is recorded and really there."""
        return diff_id in self._known and self._files.has_layer(diff_id)

    def get(self, diff_id: str) -> Layer:
        """The layer's record; NotFound when there is none."""
        layer = self._known.get(diff_id)
        if layer is None:
            raise NotFound(f"layer {diff_id} does not exist")
        return layer

    def size(self, diff_ids: Iterable[str]) -> int:
        """The bytes of these layers' tars together."""
        return sum(self._known[diff_id].size for diff_id in diff_ids if diff_id in self._known)

    def blobs(self, diff_ids: Iterable[str]) -> list[str]:
        """The blobs that are kept of these layers."""
        known = (self._known.get(diff_id) for diff_id in diff_ids)
        return [layer.blob for layer in known if layer is not None and layer.blob is not None]

    def total_size(self) -> int:
        """The bytes of all layers, each once."""
        return self.size(self._known)

    @asynccontextmanager
    async def hold(self, keys: Iterable[str]) -> AsyncIterator[None]:
        """While inside, nothing named by `keys` (diff ids, blob digests) is collected."""
        held = list(keys)
        async with self._turn:
            self._held.update(held)
        try:
            yield
        finally:
            for key in held:
                self._held[key] -= 1
                if not self._held[key]:
                    del self._held[key]  # nobody holds it any more

    async def ensure(self, diff_id: str, spool: Ingest) -> bool:
        """Make the layer out of the spool unless it is there or already being made; the caller holds `diff_id`.

        Returns whether this call made it. Raises InvalidArgument when the spool's content is not that layer.
        """
        return await self.once(diff_id, partial(self._make, diff_id, spool))

    async def once(self, diff_id: str, make: Callable[[], Coroutine[Any, Any, Made]]) -> bool:
        """The same with any way to make it, which returns the bytes of its tar and the blob that it was made of, if the
        content store has that."""
        while True:
            coming = self._coming.get(diff_id)
            if coming is None:
                break
            # Another's failure may be its file's fault, not ours: then this spool gets its turn.
            await asyncio.wait([coming])
            if not coming.cancelled() and coming.exception() is None:
                return False
        if self.has(diff_id):
            return False
        task = asyncio.get_running_loop().create_task(self._recorded(diff_id, make), name=f"layer {diff_id}")
        self._coming[diff_id] = task
        try:
            await task
        finally:
            del self._coming[diff_id]
        return True

    def open(self, diff_id: str, form: str = "") -> tuple[BinaryIO, Blob, str]:
        """The layer's bytes as they came, with their digest and media type: the kept blob, else its exact tar.

        `form` is the digest of the form that is wanted. Raises Internal when it cannot be had.
        """
        layer = self.get(diff_id)
        blob = form or layer.blob
        if blob is not None and self._content.has(blob):
            file = self._content.open(blob)
            kind = compression.sniff(file.read(8))
            file.seek(0)
            media_type = media_types.OCI_LAYER_BY_COMPRESSION.get("" if kind == compression.PLAIN else kind)
            if media_type is None:
                file.close()
                raise Internal(f"layer {diff_id}: its kept blob {blob} has an unknown form ({kind})")
            return file, Blob(blob, self._content.size(blob)), media_type
        tar = self._files.open_tar(diff_id) if form in ("", diff_id) else None
        if tar is None:
            raise Internal(f"layer {diff_id}: its bytes were not kept and cannot be made again")
        return tar, Blob(diff_id, layer.size), media_types.OCI_LAYER

    async def keep(self, diff_id: str, spool: Ingest) -> Blob:
        """Keep a spool as the form in which this layer travels from now on."""
        size, blob = self.get(diff_id).size, spool.finish()

        async def made() -> Made:
            return size, await whole(asyncio.to_thread(spool.commit, blob.digest))

        async with self.hold([blob.digest]):
            await self._recorded(diff_id, made)
        return blob

    async def collect(
        self, images: Callable[[], list[ImageRoots]], held_layers: Callable[[], Iterable[str]], *, feed: bool = False
    ) -> int:
        """Delete every layer and blob that nothing needs; returns the bytes of the layers deleted. With `feed` their
        blobs may be kept for the next pull: see `cache`.

        `images` and `held_layers` are asked when nobody is between making a thing and naming it.
        """
        async with self._turn:
            found, cached = await self._find(images, held_layers, feed)
            if not found and self.cache.same(cached):
                return 0
            freed = self.size(found.layer_rows)
            await whole(self._delete(found, cached))
            return freed

    async def unneeded(self, images: Callable[[], list[ImageRoots]], held: Callable[[], Iterable[str]]) -> Garbage:
        """What collect() would delete now."""
        async with self._turn:
            return (await self._find(images, held, feed=False))[0]

    async def _find(
        self, images: Callable[[], list[ImageRoots]], held: Callable[[], Iterable[str]], feed: bool
    ) -> tuple[Garbage, tuple[Cached, ...]]:
        leased = {key for key, count in self._held.items() if count > 0} | set(self._coming)
        stored = await asyncio.to_thread(self._stored)
        found = garbage(images(), held(), leased, stored)
        return await asyncio.to_thread(self.cache.spare, found, stored, feed=feed)

    async def _delete(self, found: Garbage, cached: tuple[Cached, ...]) -> None:
        def write(connection: Connection) -> None:
            _delete_rows(connection, found)
            self.cache.write(connection, cached)

        await self._records.write(write, spare=True)
        self.cache.take(cached)
        for diff_id in found.layer_rows:
            self._known.pop(diff_id, None)
        for layer in list(self._known.values()):
            if layer.blob in found.blob_files:
                self._known[layer.diff_id] = replace(layer, blob=None)
        await asyncio.to_thread(self._delete_files, found)

    async def _make(self, diff_id: str, spool: Ingest) -> Made:
        fd = os.open(spool.path, (os.O_RDWR if spool.room else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            os.lseek(fd, spool.room, os.SEEK_SET)
            size = await self._apply(fd, diff_id, spool)
        finally:
            os.close(fd)
        return size, await whole(asyncio.to_thread(self._keep, diff_id, spool))

    async def _recorded(self, diff_id: str, make: Callable[[], Coroutine[Any, Any, Made]]) -> None:
        size, kept = await make()

        def write(connection: Connection) -> None:
            if kept is not None:
                connection.execute("INSERT OR REPLACE INTO blob VALUES (?, ?, ?)", (kept.digest, kept.size, ""))
            values = (diff_id, size, kept.digest if kept else None)
            connection.execute("INSERT OR REPLACE INTO layer (diff_id, size, blob_digest) VALUES (?, ?, ?)", values)

        await whole(self._records.write(write))
        self._known[diff_id] = Layer(diff_id, size, kept.digest if kept else None)

    def _keep(self, diff_id: str, spool: Ingest) -> Blob | None:
        """Keep the spool as a blob where it says more than the driver does: it is compressed, or no tar is kept."""
        blob = spool.finish()
        if blob.digest == diff_id:
            tar = self._files.open_tar(diff_id)
            if tar is not None:
                tar.close()
                return None
        return spool.commit(blob.digest)

    def _stored(self) -> Stored:
        layers, blobs = set(self._files.layers()), set(self._content.digests())
        blob_rows = {row[0] for row in self._records.read("SELECT digest FROM blob")}
        if self._records.put_aside:  # what has no record may be what a damaged database told of
            layers, blobs = layers & set(self._known), blobs & blob_rows
        return Stored(
            layer_rows={layer.diff_id: None if self._spares(layer) else layer.blob for layer in self._known.values()},
            layer_files=layers,
            blob_rows=blob_rows,
            blob_files=blobs,
        )

    def _spares(self, layer: Layer) -> bool:
        """Whether the layer's blob is not to be kept: its tar is, and nobody is at it."""
        if not self.discard or layer.blob is None or self._held[layer.diff_id] or layer.diff_id in self._coming:
            return False
        try:
            tar = self._files.open_tar(layer.diff_id)
        except CarrackError:
            return False
        if tar is not None:
            tar.close()
        return tar is not None

    def _delete_files(self, found: Garbage) -> None:
        for diff_id in found.layer_files:
            try:
                self._files.remove_layer(diff_id)
            except Conflict:
                # A container that the records do not tell of still stands on it; a later sweep gets it.
                log.warning("layer %s is unrecorded but in use; it is left in place", diff_id)
        for digest in found.blob_files:
            self._content.delete(digest)


def check_count(diff_ids: tuple[str, ...], count: int) -> None:
    """Refuse an image whose layers are not as many as its config says."""
    if len(diff_ids) != count:
        raise InvalidArgument(f"invalid manifest, layers length mismatch: expected {len(diff_ids)}, got {count}")


def _delete_rows(connection: Connection, found: Garbage) -> None:
    connection.executemany("DELETE FROM layer WHERE diff_id = ?", [(key,) for key in found.layer_rows])
    connection.executemany("DELETE FROM blob WHERE digest = ?", [(key,) for key in found.blob_rows])
    gone = [(key,) for key in found.blob_files]
    connection.executemany("UPDATE layer SET blob_digest = NULL WHERE blob_digest = ?", gone)
