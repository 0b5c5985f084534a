"""Images in OCI layouts that lie with the client: ``--build-context name=oci-layout://folder:tag``.

Their documents and layers come over the client's session by digest, are judged as those of a registry are, and stay for
the build; no image of the store is made of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from carrack.engine.build import state
from carrack.engine.build.caching.importing import StoreSource
from carrack.engine.build.results import Result
from carrack.engine.images.board import Board
from carrack.engine.images.offer import Finder
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import digest as digests
from carrack.oci import document, image_config, media_types
from carrack.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from carrack.engine.build.caching.importing import Store
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.transfer import Transfers
    from carrack.oci.platform import Platform
    from carrack.registry.repository import Fetched
    from carrack.storage.content import ContentStore

_LIMIT = 4 << 20
PREFIX = "oci-layout://"


def parse(text: str) -> tuple[str, str]:
    """The name of the folder (without a tag) and the digest of ``oci-layout://name:tag@sha256:…``. Raises
    InvalidArgument."""
    name, at, digest = text.removeprefix(PREFIX).partition("@")
    folder, _, tag = name.rpartition(":")
    if not at or not name:
        raise InvalidArgument(f"{text}: an image in an OCI layout is named by its digest")
    return folder if folder and "/" not in tag else name, digests.validate(digest)


class Layouts:
    """Opens them. ``host``: the platform of this machine."""

    def __init__(self, layers: LayerStore, content: ContentStore, transfers: Transfers, host: Platform) -> None:
        self._layers = layers
        self._content = content
        self._transfers = transfers
        self._host = host

    async def open(self, store: Store, folder: str, digest: str, platform: Platform, held: AsyncExitStack) -> Result:
        """The image that a digest leads to, for a platform, as a stage that has just begun; its layers stay until
        ``held`` ends. Raises NotFound, InvalidArgument, and what the client has against it."""
        source = _Layout(store, folder)
        offer = await Finder(source, self._content, platform, self._host).find(await source.manifest(digest))
        await held.enter_async_context(self._layers.hold(offer.keys))
        await asyncio.gather(
            *(
                self._transfers.fetch(source, blob, diff_id, Board())
                for blob, diff_id in offer.layers
                if not self._layers.has(diff_id)
            )
        )
        config = image_config.parse(offer.config, f"config of {folder}")
        return Result(
            state.begin(config.get("config", {})), image_config.platform_of(config),
            tuple(config["rootfs"]["diff_ids"]), tuple(config.get("history", ())), config, pin=digest,
        )  # fmt: skip


class _Layout(StoreSource):
    """See Library of carrack.engine.images.offer."""

    async def manifest(self, wanted: str) -> Fetched:
        """A manifest or an index by its digest. Raises NotFound, InvalidArgument."""
        what = f"{wanted} of {self.name.familiar_name}"
        size = await self.store.size(wanted)
        if size is None:
            raise NotFound(f"{what} is not there")
        if size > _LIMIT:
            raise InvalidArgument(f"{what} has {size} bytes; the limit is {_LIMIT}")
        async with self.blob(Descriptor(media_types.OCI_MANIFEST, wanted, size)) as stream:
            data = b"".join([piece async for piece in stream])  # not more than it has said
        if digests.of(data) != wanted:
            raise InvalidArgument(f"{what} is another document")
        parsed = document.parse(data, limit=_LIMIT, what=what)
        usual = media_types.OCI_INDEX if "manifests" in parsed else media_types.OCI_MANIFEST
        kind = parsed.get("mediaType") or usual
        if not isinstance(kind, str):
            raise InvalidArgument(f"{what}: mediaType must be a string")
        from carrack.registry.repository import Fetched  # a start of the daemon does not need it

        return Fetched(Descriptor(kind, wanted, len(data)), data, "the client")
