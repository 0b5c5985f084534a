"""`pull`: images from registries into the store, told in Docker's words.

A tag that leads where it led before costs one small request; an image that is here under another name costs no layer.
Whatever fails or is broken off leaves the images that are complete, and of blobs what had come, for the next try.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.images import attested
from carrack.engine.images.board import Board
from carrack.engine.images.offer import Finder
from carrack.engine.jobs import both
from carrack.engine.whole import whole
from carrack.errors import NotFound
from carrack.oci import digest as digests
from carrack.oci import image_config
from carrack.oci import platform as platforms

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.offer import Offer
    from carrack.engine.images.progress import Emit
    from carrack.engine.images.store import ImageStore
    from carrack.engine.images.transfer import Transfers
    from carrack.oci.descriptor import Descriptor
    from carrack.oci.platform import Platform
    from carrack.oci.reference import Reference
    from carrack.registry.client import RegistryClient
    from carrack.registry.credentials import Credentials
    from carrack.registry.repository import Fetched, Repository
    from carrack.storage.content import ContentStore


@dataclass(frozen=True, slots=True)
class _Job:
    """Where from, for which platform (None: this host's), and who is told."""

    repository: Repository
    platform: Platform | None
    board: Board


class Puller:
    """Pulls images for this `host`, or for a platform that is asked for."""

    def __init__(
        self,
        store: ImageStore,
        layers: LayerStore,
        content: ContentStore,
        transfers: Transfers,
        client: RegistryClient,
        events: Events,
        host: Platform,
    ) -> None:
        self._store = store
        self._layers = layers
        self._content = content
        self.transfers = transfers
        self._client = client
        self._events = events
        self._host = host

    async def pull(
        self,
        name: Reference,
        credentials: Credentials,
        emit: Emit,
        *,
        platform: Platform | None = None,
        all_tags: bool = False,
    ) -> list[Image]:
        """Pull what `name` stands for, or all tags of its repository, for `platform` or else this host's.

        Raises errors by meaning; before anything was emitted when the registry does not give the first manifest.
        """
        repository = self._client.repository(name, credentials)
        if all_tags:
            names = [name.only(tag=tag) async for tag in repository.tags()]
        else:
            names = [name := name.with_default_tag()]
        images, news = [], False
        async with Board().handed_out(emit) as board:
            job = _Job(repository, platform, board)
            for each in names:
                image, changed = await self._one(job, each)
                images.append(image)
                news = news or changed
            said = "Downloaded newer image" if news else "Image is up to date"
            board.line(f"Status: {said} for {name.familiar}")
            for image in images:
                _warn(board, name, image, platform)
        labels = images[-1].labels if images else {}
        self._events.publish("image", "pull", name.familiar, {**labels, "name": name.familiar_name})
        return images

    async def _one(self, job: _Job, name: Reference) -> tuple[Image, bool]:
        """The image of one tag or digest, and whether that is another than before."""
        digest, top, local = await self._ask(job, name)
        job.board.line(f"Pulling from {name.path}", str(name) if name.digest else name.tag)
        before = self._store.named(name.only(digest=name.digest) if name.digest else name)
        # What a tag led to can be had again by its digest, as dockerd keeps it, too.
        pinned = name.only(digest=digest)
        names = [pinned] if name.digest else [name, pinned]
        image = await self._name(local, names) if local is not None else None
        if image is None:
            top = top or await job.repository.manifest(digest)
            finder = Finder(job.repository, self._content, job.platform, self._host)
            offer, _ = await both(finder.find(top), self.transfers.warm())
            image = await self._take(job, offer, names)
        job.board.line(f"Digest: {digest}")
        if top is not None and top.limits is not None:
            job.board.line(f"Rate limit: {top.limits.remaining} of {top.limits.limit} pulls are left")
        return image, before is None or before.id != image.id

    async def _ask(self, job: _Job, name: Reference) -> tuple[str, Fetched | None, Image | None]:
        """What a name leads to: its digest, then either its document or the image that is here already."""
        if any(known.name == name.name for image in self._store for known in image.references):
            head = await job.repository.head(name.digest or name.tag)
            if head is not None and (local := self._local(head.digest, job.platform)) is not None:
                return head.digest, None, local
        top = await job.repository.manifest(name.digest or name.tag)
        return top.descriptor.digest, top, self._local(top.descriptor.digest, job.platform)

    def _local(self, digest: str, platform: Platform | None) -> Image | None:
        """The image that is here whole and came by this manifest or index."""
        for image in self._store:
            offered = image_config.platform_of(image.config)
            if image.manifest == digest and (platform is None or platforms.matches(platform, offered)):
                fits = True
            else:
                fits = image.index == digest and platforms.matches(platform or self._host, offered)
            if fits and all(self._layers.has(diff_id) for diff_id in image.diff_ids):
                return image
        return None

    async def _name(self, found: Image, names: list[Reference]) -> Image | None:
        """Give an image that is here the names that lead to it; None when it has just been removed."""
        async with self._layers.hold([found.id, *found.diff_ids]):
            try:
                image = await self._store.resolve(found.id)
            except NotFound:
                return None
            if all(self._store.named(name) == image for name in names):
                self._store.uses.touch(image.id)
                return image
            config = await asyncio.to_thread(self._content.read, image.id, image_config.SIZE_LIMIT)
            named, _ = await self._store.add(config, names)
            return named

    async def _take(self, job: _Job, offer: Offer, names: list[Reference]) -> Image:
        missing: dict[str, Descriptor] = {}
        try:
            async with self._layers.hold(offer.keys):
                for blob, diff_id in offer.layers:
                    if self._layers.has(diff_id):
                        job.board.stage("Already exists", digests.short(blob.digest))
                    elif diff_id not in missing:
                        missing[diff_id] = blob
                        job.board.stage("Pulling fs layer", digests.short(blob.digest))
                fetched = attested.fetch(job.repository, self._content, offer.index, offer.manifest)
                _, said = await both(self._layers_of(job, missing), fetched)
                image, _ = await self._store.add(
                    offer.config, names, manifest=offer.manifest, index=offer.index, extras=said
                )
                return image
        except BaseException:
            await whole(self._store.collect(feed=True))  # what has come whole need not come again
            raise

    async def _layers_of(self, job: _Job, missing: dict[str, Descriptor]) -> None:
        async def one(blob: Descriptor, diff_id: str) -> None:
            await self.transfers.fetch(job.repository, blob, diff_id, job.board)
            job.board.stage("Pull complete", digests.short(blob.digest))

        try:
            async with asyncio.TaskGroup() as group:
                for diff_id, blob in missing.items():
                    group.create_task(one(blob, diff_id))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None


def _warn(board: Board, name: Reference, image: Image, wanted: Platform | None) -> None:
    """As dockerd: the only image there is, is taken all the same."""
    offered = image_config.platform_of(image.config)
    if wanted is not None and not platforms.matches(wanted, offered):
        board.line(
            f"WARNING: image with reference {name.familiar} was found but its platform ({offered}) "
            f"does not match the specified platform ({wanted})"
        )
