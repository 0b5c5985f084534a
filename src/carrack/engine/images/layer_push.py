"""The layers of one image on their way to a registry: found there, mounted from a neighbour, or uploaded; several at
once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.images import progress
from carrack.errors import CarrackError, Internal
from carrack.oci import digest as digests
from carrack.oci import manifest as manifests
from carrack.oci.manifest import Manifest

if TYPE_CHECKING:
    from typing import BinaryIO

    from carrack.engine.images.packing import Growing
    from carrack.engine.images.progress import Line
    from carrack.engine.images.push import PushServices
    from carrack.oci.descriptor import Descriptor
    from carrack.registry.repository import Repository
    from carrack.storage.content import ContentStore

log = logging.getLogger(__name__)

_PIECE = 1 << 20
_PAUSE = 0.1  # seconds between two messages of one layer's progress
_MOUNTS_MOST = 3  # repositories that a layer is asked of

Open = Callable[[int], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A layer, and the form in which it travels; None while it has never been compressed."""

    diff_id: str
    layer: Descriptor | None


class Transfer:
    """One push: the repository it goes to, the line to the client, and what has arrived so far."""

    def __init__(self, repository: Repository, services: PushServices, slots: asyncio.Semaphore, line: Line) -> None:
        self.repository = repository
        self.services = services
        self.slots = slots
        self.line = line
        self.arrived: dict[str, Descriptor] = {}
        self._neighbours: dict[str, list[str]] | None = None

    async def small(self, descriptor: Descriptor, data: bytes) -> None:
        """Upload a config, unless it is there."""
        if descriptor.digest in self.arrived:
            return

        async def chunks(offset: int) -> AsyncIterator[bytes]:
            yield data[offset:]

        async with self.slots:
            if await self.repository.size_of(descriptor.digest) is None:
                await self.repository.upload(descriptor, chunks, lambda _: None)
        self.arrived[descriptor.digest] = descriptor

    async def neighbours(self, digest: str) -> list[str]:
        """Repositories of the same registry that have the blob, by what images here were pulled from and pushed to."""
        if self._neighbours is None:
            name, known = self.repository.name, list[tuple[str, list[str]]]()
            for image in self.services.store:
                names = (each for each in image.references if each.domain == name.domain and each.digest)
                if paths := [each.path for each in names if each.path != name.path]:
                    known.append((image.manifest, sorted(set(paths))))
            self._neighbours = await asyncio.to_thread(_holders, self.services.content, known)
        found = self._neighbours.get(digest, [])
        return sorted(found, key=lambda path: _likeness(path, self.repository.name.path), reverse=True)[:_MOUNTS_MOST]


class LayerPush:
    """Brings the layers of one image to the registry."""

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer
        self._line = transfer.line

    async def push(self, parcels: list[Parcel]) -> list[Descriptor]:
        """The layers as they have arrived, in the order of `parcels` (base first); the top one is begun first."""
        once = {parcel.diff_id: parcel for parcel in reversed(parcels)}
        for diff_id in once:
            await self._line.step("Preparing", digests.short(diff_id))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {diff_id: group.create_task(self._one(parcel)) for diff_id, parcel in once.items()}
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [tasks[parcel.diff_id].result() for parcel in parcels]

    async def _one(self, parcel: Parcel) -> Descriptor:
        transfer, name = self._transfer, digests.short(parcel.diff_id)
        if transfer.slots.locked():
            await self._line.step("Waiting", name)
        async with transfer.slots:
            layer, sent = await self._packed(parcel)
            if sent:
                await self._line.step("Pushed", name)
            elif layer.digest in transfer.arrived or await transfer.repository.size_of(layer.digest) is not None:
                await self._line.step("Layer already exists", name)
            elif (source := await self._mounted(layer.digest)) is not None:
                await self._line.step(f"Mounted from {source}", name)
            else:
                await transfer.repository.upload(layer, self._reader(parcel.diff_id, layer), lambda _: None)
                await self._line.step("Pushed", name)
        transfer.arrived[layer.digest] = layer
        return layer

    async def _packed(self, parcel: Parcel) -> tuple[Descriptor, bool]:
        """The layer as it travels, and whether it has arrived: what must be compressed is sent at the same time."""
        packer, repository = self._transfer.services.packer, self._transfer.repository
        if (known := parcel.layer or packer.packed(parcel.diff_id)) is not None:
            return known, False
        name, size, arrived = (
            digests.short(parcel.diff_id),
            self._transfer.services.layers.size([parcel.diff_id]),
            False,
        )

        async def send(growing: Growing) -> None:
            nonlocal arrived
            try:
                await repository.upload_along(lambda: self._told(growing.chunks(), name, size), growing.whole)
                arrived = True
            except (CarrackError, OSError) as error:
                log.info("layer %s is sent again, once it is compressed: %s", name, error)

        return await packer.pack(parcel.diff_id, send), arrived

    async def _told(
        self, chunks: AsyncGenerator[bytes, None], name: str, size: int, sent: int = 0
    ) -> AsyncIterator[bytes]:
        """The same, with word to the client of how many of `size` bytes it is by now."""
        told = 0.0
        async with aclosing(chunks):
            async for chunk in chunks:
                sent += len(chunk)
                if time.monotonic() - told > _PAUSE:
                    told = time.monotonic()
                    await self._line.say(progress.layer("Pushing", name, sent, size))
                yield chunk

    async def _mounted(self, digest: str) -> str | None:
        for path in await self._transfer.neighbours(digest):
            if await self._transfer.repository.mount(digest, path):
                return path
        return None

    def _reader(self, diff_id: str, layer: Descriptor) -> Open:
        """The layer's bytes from an offset on, telling how far they are read."""

        async def bytes_from(offset: int) -> AsyncGenerator[bytes, None]:
            with self._transfer.services.layers.open(diff_id, layer.digest)[0] as file:
                file.seek(offset, 1)
                while offset < layer.size:
                    piece = await asyncio.to_thread(_read, file, min(_PIECE, layer.size - offset), diff_id)
                    offset += len(piece)
                    yield piece

        def chunks(offset: int) -> AsyncIterator[bytes]:
            return self._told(bytes_from(offset), digests.short(diff_id), layer.size, offset)

        return chunks


def _read(file: BinaryIO, size: int, diff_id: str) -> bytes:
    data = file.read(size)
    if not data:
        raise Internal(f"layer {diff_id} ended early: its file is damaged; get the image again")
    return data


def _holders(content: ContentStore, known: list[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """The repositories that have each layer: of manifests by digest, with the repositories that have these."""
    found: dict[str, list[str]] = {}
    for digest, paths in known:
        if not digest:
            continue
        try:
            parsed = manifests.parse(content.read(digest, manifests.SIZE_LIMIT))
        except (CarrackError, OSError):  # another image's damage is not this one's
            continue
        for layer in parsed.layers if isinstance(parsed, Manifest) else ():
            have = found.setdefault(layer.digest, [])
            have += [path for path in paths if path not in have]
    return found


def _likeness(one: str, other: str) -> int:
    """How many components two paths share at their begin."""
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(one.count("/"), other.count("/")) + 1)
