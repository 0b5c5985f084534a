"""`push`: an image's blobs, then its manifest, to the registry that its name says.

::

    name ─▶ image ─▶ kept manifest, or a fresh one ─▶ layers ┬─ there already
                                                             ├─ mounted from another repository of that registry
                                                             └─ uploaded, compressed first where they never travelled
                                         config ─────────────┘
    then the manifest under its tag; of an index all its manifests under their digests, then the index.

What was pulled goes out byte for byte, so that its digest stays. The messages are those of dockerd.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.images import index_push, progress
from carrack.engine.images.layer_push import LayerPush, Parcel, Transfer
from carrack.engine.jobs import both
from carrack.engine.whole import whole
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import digest as digests
from carrack.oci import document, image_config, media_types
from carrack.oci import manifest as manifests
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Manifest
from carrack.oci.reference import Reference

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.packing import Packer
    from carrack.engine.images.progress import Emit
    from carrack.engine.images.store import ImageStore
    from carrack.oci.platform import Platform
    from carrack.registry.client import RegistryClient
    from carrack.registry.credentials import Credentials
    from carrack.registry.repository import Repository
    from carrack.storage.content import ContentStore


@dataclass(frozen=True, slots=True)
class PushServices:
    """What pushing needs of the rest."""

    store: ImageStore
    layers: LayerStore
    content: ContentStore
    packer: Packer
    events: Events


@dataclass(frozen=True, slots=True)
class Sent:
    """An image that has arrived: its manifest there, and the documents."""

    manifest: Descriptor
    config: bytes
    data: bytes


class Pusher:
    """Pushes images; see `allow` for how many layers at a time, whoever asked for them."""

    def __init__(self, services: PushServices, client: RegistryClient) -> None:
        self._services = services
        self._client = client
        self.allow(5)

    def allow(self, at_once: int) -> None:
        """So many layers go at a time from now on."""
        self._slots = asyncio.Semaphore(at_once)

    async def ready(self, diff_ids: Iterable[str]) -> None:
        """Compress those layers that never travelled. The caller holds them."""

        async def one(diff_id: str) -> None:
            async with self._slots:
                await self._services.packer.pack(diff_id)

        try:
            async with asyncio.TaskGroup() as group:
                for diff_id in dict.fromkeys(diff_ids):
                    if self._services.packer.packed(diff_id) is None:
                        group.create_task(one(diff_id))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def check(self, name: Reference, platform: Platform | None) -> None:
        """Raise NotFound where `name` has no image for `platform`."""
        if platform is not None:
            await self._services.store.resolve(name.with_default_tag().familiar, platform)

    async def push(
        self,
        name: Reference,
        credentials: Credentials,
        emit: Emit,
        *,
        platform: Platform | None = None,
        all_tags: bool = False,
    ) -> None:
        """Push what `name` stands for (`all_tags`: every tag of its repository), with an event for each tag.

        Raises NotFound, InvalidArgument, and what the registry has against it.
        """
        if name.digest:
            raise InvalidArgument("cannot push a digest reference")
        await emit({"status": f"The push refers to repository [{name.name}]"})
        tags = self._tags(name, all_tags=all_tags)
        transfer = self.transfer(name, credentials, emit)
        for tag, image in tags:
            await self._push_tag(transfer, tag, image, platform)

    @property
    def packer(self) -> Packer:
        """Who compresses layers that have never travelled."""
        return self._services.packer

    def transfer(self, name: Reference, credentials: Credentials, emit: Emit) -> Transfer:
        """A way to the repository of a name, for what is more than an image; nothing is asked yet."""
        repository = self._client.repository(name, credentials, push=True)
        return Transfer(repository, self._services, self._slots, progress.Line(emit))

    def _tags(self, name: Reference, *, all_tags: bool) -> list[tuple[Reference, Image]]:
        store = self._services.store
        known = {known: image for image in store for known in image.references if known.name == name.name}
        if not known:
            raise NotFound(f"An image does not exist locally with the tag: {name.familiar_name}")
        if all_tags and (tagged := [each for each in known if each.tag]):
            return [(each, known[each]) for each in sorted(tagged, key=str)]
        wanted = name.with_default_tag()
        if wanted not in known:
            raise NotFound(f"tag does not exist: {wanted.familiar}")
        return [(wanted, known[wanted])]

    async def _push_tag(self, transfer: Transfer, tag: Reference, image: Image, platform: Platform | None) -> None:
        store = self._services.store
        async with AsyncExitStack() as held:
            for each in (image, *store.siblings(image)):
                await held.enter_async_context(store.hold(each))
            if platform is not None:
                image = await store.resolve(image.id, platform)
            pushed = await index_push.push(self, transfer, tag, image) if image.index and platform is None else None
            if pushed is None:
                pushed = await self.push_image(transfer, image, tag.tag, tag)
            size = pushed.size
            await transfer.line.say({"status": f"{tag.tag}: digest: {pushed.digest} size: {size}"})
            aux = {"Tag": tag.tag, "Digest": pushed.digest, "Size": size}
            await transfer.line.say({"progressDetail": {}, "aux": aux})
        labels = {**image.labels, "name": tag.familiar_name}
        self._services.events.publish("image", "push", tag.familiar, labels)

    async def push_image(self, transfer: Transfer, image: Image, reference: str, name: Reference) -> Descriptor:
        """Push one image for one platform under a tag; it is recorded as to be had at `name`.

        Raises what the registry has against it.
        """
        sent = await self.send(transfer, image, reference)
        await self._record(sent, name)
        return sent.manifest

    async def send(self, transfer: Transfer, image: Image, reference: str = "") -> Sent:
        """Push one image for one platform under a tag, or else its manifest's digest; nothing is recorded of it.

        Raises what the registry has against it.
        """
        kept, annotations = self._kept(image), self._annotations(image)
        if kept is not None:
            parcels = [Parcel(diff_id, layer) for diff_id, layer in zip(image.diff_ids, kept[1].layers, strict=True)]
            if not await self._all_to_be_had(transfer.repository, parcels):
                kept = None
        if kept is None:
            parcels = [Parcel(diff_id, self._services.packer.packed(diff_id)) for diff_id in image.diff_ids]
        config = self._services.content.read(image.id, image_config.SIZE_LIMIT)
        pointer = kept[1].config if kept else Descriptor(media_types.OCI_CONFIG, image.id, len(config))
        layers, _ = await both(LayerPush(transfer).push(parcels), transfer.small(pointer, config))
        data, parsed = kept or _fresh(pointer, layers, annotations)
        digest = await transfer.repository.put_manifest(reference or digests.of(data), data, parsed.media_type)
        return Sent(Descriptor(parsed.media_type, digest, len(data)), config, data)

    def _annotations(self, image: Image) -> Mapping[str, str]:
        """Those of the manifest that the image came by, for another to have them too."""
        content = self._services.content
        if not image.manifest or not content.has(image.manifest):
            return {}
        return manifests.parse(content.read(image.manifest, manifests.SIZE_LIMIT)).annotations

    def _kept(self, image: Image) -> tuple[bytes, Manifest] | None:
        """The manifest that the image came by. One of plain tars, as archives have it, is not for travelling."""
        content = self._services.content
        if not image.manifest or not content.has(image.manifest):
            return None
        data = content.read(image.manifest, manifests.SIZE_LIMIT)
        parsed = manifests.parse(data)
        if not isinstance(parsed, Manifest) or len(parsed.layers) != len(image.diff_ids):
            return None
        plain = any(not media_types.LAYER_COMPRESSION.get(layer.media_type, "") for layer in parsed.layers)
        return None if plain and not image.repo_digests else (data, parsed)

    async def _all_to_be_had(self, repository: Repository, parcels: list[Parcel]) -> bool:
        """Whether each layer's bytes, as the manifest names them, are here or already there."""
        for parcel in parcels:
            assert parcel.layer is not None
            digest = parcel.layer.digest
            here = self._services.packer.has(parcel.diff_id, digest)
            if not here and await repository.size_of(digest) is None:
                return False
        return True

    async def _record(self, sent: Sent, name: Reference) -> None:
        """The image came by this manifest, and is to be had by its digest. One removed meanwhile does not come back."""
        store = self._services.store
        image_id, digest = digests.of(sent.config), sent.manifest.digest
        names = [Reference(name.domain, name.path, digest=digest)]
        image = next((image for image in store if image.id == image_id), None)
        if image is not None and not (image.manifest == digest and set(names) <= set(image.references)):
            await whole(store.add(sent.config, names, manifest=sent.data))


def _fresh(config: Descriptor, layers: list[Descriptor], said: Mapping[str, str]) -> tuple[bytes, Manifest]:
    made = Manifest(media_types.OCI_MANIFEST, config, tuple(layers), said)
    return document.encode(made.document()), made
