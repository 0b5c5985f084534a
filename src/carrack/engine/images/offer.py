"""What a registry has under a name: the manifest for one platform, the index that led there, and the config.

Everything is judged before any of it is believed: digests, sizes, kinds, the number of layers.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from carrack.engine.images.layers import check_count
from carrack.engine.images.transfer import Source
from carrack.errors import Internal, InvalidArgument, NotFound, NotSupported
from carrack.oci import digest as digests
from carrack.oci import image_config, manifest, media_types
from carrack.oci import platform as platforms
from carrack.oci.manifest import Index, Manifest
from carrack.oci.selection import candidates
from carrack.registry.failures import Interrupted, Untrue

if TYPE_CHECKING:
    from carrack.oci.descriptor import Descriptor
    from carrack.oci.platform import Platform
    from carrack.registry.repository import Fetched
    from carrack.storage.content import ContentStore

log = logging.getLogger(__name__)

_TRIES = 4
_CANDIDATES = 64
"""Manifests that are looked at. An honest index says what each is for; a hostile one would keep us asking for ever."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One image as a registry has it. `layers` are blobs and the diff ids that they unpack to, base first."""

    manifest: bytes
    config: bytes
    layers: tuple[tuple[Descriptor, str], ...]
    index: bytes = b""

    @property
    def keys(self) -> list[str]:
        """The digests and diff ids of all it consists of."""
        documents = [digests.of(data) for data in (self.manifest, self.config, self.index) if data]
        return [*documents, *(key for blob, diff_id in self.layers for key in (blob.digest, diff_id))]


class Library(Source, Protocol):
    """Where images are: a repository of a registry's, or a layout of a client's."""

    async def manifest(self, wanted: str) -> Fetched:
        """A manifest or an index by its digest."""
        ...


class Finder:
    """Finds the offer in a repository for `wanted`, or else for the `host`."""

    def __init__(self, repository: Library, content: ContentStore, wanted: Platform | None, host: Platform) -> None:
        self._repository = repository
        self._content = content
        self._wanted = wanted
        self._host = host
        self._name = repository.name.familiar_name
        self._asked = 0

    async def find(self, top: Fetched) -> Offer:
        """The image that a tag's or digest's document leads to; the only one there is, whatever platform it is for.

        Raises what the registry's client raises, InvalidArgument and NotSupported for what is no image for us, and
        NotFound when there is none for the platform.
        """
        parsed = self._parse(top)
        if isinstance(parsed, Index):
            found = await self._choose(parsed, top.data, 1)
            if found is None:
                platform = self._wanted or self._host
                raise NotFound(f"no matching manifest for {platform} in the manifest list entries of {self._name}")
            return found
        return (await self._image(top.data, parsed))[0]

    async def _choose(self, index: Index, data: bytes, depth: int) -> Offer | None:
        if depth > manifest.INDEX_DEPTH_LIMIT:
            raise InvalidArgument(f"{self._name}: indexes are nested deeper than {manifest.INDEX_DEPTH_LIMIT}")
        wanted = self._wanted or self._host
        for entry in candidates(index.manifests, wanted):
            self._asked += 1
            if self._asked > _CANDIDATES:
                raise InvalidArgument(f"{self._name}: none of {_CANDIDATES} manifests of its indexes is for {wanted}")
            document = await self._repository.manifest(entry.digest)
            if len(document.data) != entry.size:
                text = f"manifest {entry.digest} of {self._name} has {len(document.data)} bytes instead of {entry.size}"
                raise InvalidArgument(text)
            parsed = self._parse(document, entry.media_type)
            found = await self._candidate(entry, parsed, document.data, data, depth)
            if found is not None:
                return found
        return None

    async def _candidate(
        self, entry: Descriptor, parsed: Manifest | Index, data: bytes, index: bytes, depth: int
    ) -> Offer | None:
        if isinstance(parsed, Index):
            return await self._choose(parsed, index, depth + 1)
        if parsed.config.media_type not in media_types.CONFIGS:
            return None  # an artifact of another kind: nothing that could run
        offer, platform = await self._image(data, parsed, index)
        if entry.platform is None and not platforms.matches(self._wanted or self._host, platform):
            return None
        return offer

    async def _image(self, data: bytes, parsed: Manifest, index: bytes = b"") -> tuple[Offer, Platform]:
        if parsed.config.media_type not in media_types.CONFIGS:
            kind = parsed.artifact_type or parsed.config.media_type
            raise NotSupported(f"{self._name} is no image but an artifact of type {kind}, which nothing here can run")
        for layer in parsed.layers:
            if layer.media_type not in media_types.LAYER_COMPRESSION:
                text = f"layer {digests.short(layer.digest)} of {self._name}: media type {layer.media_type}"
                raise NotSupported(f"{text} is not supported")
        config = await self._config(parsed.config)
        document = image_config.parse(config, f"config of {self._name}")
        platform = image_config.platform_of(document)
        if platform.os != "linux":
            text = f'image operating system "{platform.os}" cannot be used on this platform'
            raise NotSupported(f"{text}: {self._name} is for {platform}")
        diff_ids = tuple(document["rootfs"]["diff_ids"])
        check_count(diff_ids, len(parsed.layers))
        return Offer(data, config, tuple(zip(parsed.layers, diff_ids, strict=True)), index), platform

    async def _config(self, blob: Descriptor) -> bytes:
        if blob.size > image_config.SIZE_LIMIT:
            text = f"config of {self._name}: {blob.size} bytes are more than the limit of {image_config.SIZE_LIMIT}"
            raise InvalidArgument(text)
        if await asyncio.to_thread(self._content.has, blob.digest):
            try:
                return await asyncio.to_thread(self._content.read, blob.digest, image_config.SIZE_LIMIT)
            except Internal as error:
                log.warning("%s; it is fetched again", error)
        while True:
            data, source = await self._fetch(blob)
            if (digest := digests.of(data)) == blob.digest:
                return data
            text = f"config of {self._name} from {source}: its digest is {digest} instead of {blob.digest}"
            if not self._repository.avoid(blob.digest, source):
                raise InvalidArgument(text)
            log.warning("%s; another place is asked for it", text)

    async def _fetch(self, blob: Descriptor) -> tuple[bytes, str]:
        """The whole of a small blob, and who gave it."""
        tries, source = 0, ""
        while True:
            tries += 1
            try:
                async with self._repository.blob(blob) as stream:
                    source = stream.source
                    return b"".join([piece async for piece in stream]), source
            except (Interrupted, Untrue) as error:
                elsewhere = bool(source) and self._repository.avoid(blob.digest, source)
                if tries >= _TRIES or (isinstance(error, Untrue) and not elsewhere):
                    raise

    def _parse(self, document: Fetched, promised: str = "") -> Manifest | Index:
        what = f"manifest of {self._name} from {document.source}"
        # What a digest was given for says of what type it is; who answers for it may be a mirror, and has no say in it.
        said = promised or document.descriptor.media_type
        if said in media_types.SCHEMA_1:
            raise NotSupported(
                f"{what}: it is of schema 1, a form given up in 2019 that says neither what its layers are nor how "
                "large; push the image again with a present client"
            )
        return manifest.parse(document.data, said, what)
