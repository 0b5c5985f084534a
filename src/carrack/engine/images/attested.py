"""Attestations that are kept beside images: found in an index, fetched with an image, made anew for another manifest.

Whatever is wrong with one is no harm to the image that it is about: it counts as not there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.oci import attestation, document, media_types
from carrack.oci import digest as digests
from carrack.oci import manifest as manifests
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest

if TYPE_CHECKING:
    from carrack.registry.repository import Repository
    from carrack.storage.content import ContentStore

log = logging.getLogger(__name__)

_FETCHED = 64 << 20  # bytes of all that is said about one image


@dataclass(frozen=True, slots=True)
class Kept:
    """An attestation manifest that is here with all it points to: its entry in the index, and itself."""

    entry: Descriptor
    data: bytes
    manifest: Manifest

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What it points to, each once."""
        return tuple({each.digest: each for each in (self.manifest.config, *self.manifest.layers)}.values())


def kept(content: ContentStore, index: Index) -> list[Kept]:
    """The attestations of an index that are here whole."""
    found = []
    for entry in index.manifests:
        if attestation.is_attestation(entry) and content.has(entry.digest):
            try:
                each = parse(entry, content.read(entry.digest, manifests.SIZE_LIMIT))
            except (CarrackError, OSError) as error:
                log.warning("attestation %s cannot be read: %s", entry.digest, error)
                continue
            if all(content.has(blob.digest) for blob in each.blobs):
                found.append(each)
    return found


def parse(entry: Descriptor, data: bytes) -> Kept:
    """The attestation manifest of an entry. Raises InvalidArgument for what is none."""
    what = f"attestation {entry.digest}"
    parsed = manifests.parse(data, entry.media_type, what)
    if not isinstance(parsed, Manifest):
        raise InvalidArgument(f"{what}: expected a manifest, found an index")
    found = Kept(entry, data, parsed)
    if len(found.blobs) > attestation.COUNT_LIMIT or sum(blob.size for blob in found.blobs) > _FETCHED:
        raise InvalidArgument(f"{what}: it is more than {attestation.COUNT_LIMIT} blobs or {_FETCHED} bytes")
    if any(digests.algorithm(blob.digest) != "sha256" for blob in found.blobs):
        raise InvalidArgument(f"{what}: only sha256 content is stored")
    return found


async def fetch(repository: Repository, content: ContentStore, index: bytes, manifest: bytes) -> dict[str, bytes]:
    """The blobs, by digest, of what an index says about one of its manifests; none of what cannot be had."""
    found: dict[str, bytes] = {}
    if not index:
        return found
    entries = attestation.entries_for(manifests.parse_index(index), [digests.of(manifest)])
    for entry in {each.digest: each for each in entries[: attestation.COUNT_LIMIT]}.values():
        try:
            found |= await _one(repository, content, entry, _FETCHED - sum(map(len, found.values())))
        except (CarrackError, OSError) as error:
            log.warning("attestation %s of %s is not kept: %s", entry.digest, repository.name.familiar_name, error)
    return found


async def _one(repository: Repository, content: ContentStore, entry: Descriptor, left: int) -> dict[str, bytes]:
    came = await repository.manifest(entry.digest)
    each = parse(entry, came.data)
    if sum(blob.size for blob in each.blobs) > left:
        raise InvalidArgument(f"with it there would be more than {_FETCHED} bytes of attestations")
    found = {entry.digest: came.data}
    for blob in each.blobs:
        if content.has(blob.digest):
            found[blob.digest] = await asyncio.to_thread(content.read, blob.digest, blob.size)
            continue
        async with repository.blob(blob) as stream:
            data = b"".join([piece async for piece in stream])
        if digests.of(data) != blob.digest:
            raise InvalidArgument(f"its digest is {digests.of(data)} instead of {blob.digest}")
        found[blob.digest] = data
    return found


def moved(content: ContentStore, each: Kept, renamed: Mapping[str, Descriptor]) -> attestation.Documents:
    """The same about manifests and layers that are others now. Raises NotFound when it is about none of them."""
    about = renamed.get(each.entry.annotations.get(attestation.OF, ""))
    if about is None:
        raise NotFound(f"attestation {each.entry.digest} is about none of the manifests")
    statements = []
    for layer in each.manifest.layers:
        data = content.read(layer.digest, attestation.SIZE_LIMIT)
        if layer.media_type == attestation.STATEMENT:
            data = attestation.moved(data, renamed)
        statements.append((layer.annotations.get(attestation.PREDICATE_TYPE, ""), data))
    return attestation.attach(about.digest, statements)


def moved_index(index: Index, renamed: Mapping[str, Descriptor], attached: list[Descriptor]) -> bytes:
    """The index with other manifests for its images, and other attestations; the rest of its entries stays."""
    entries = []
    for entry in index.manifests:
        if attestation.is_attestation(entry):
            continue
        new = renamed.get(entry.digest)
        entries.append(
            entry
            if new is None
            else Descriptor(
                new.media_type, new.digest, new.size, entry.annotations, entry.urls, entry.platform, entry.artifact_type
            )
        )
    made = Index(media_types.OCI_INDEX, (*entries, *attached), index.annotations)
    return document.encode(made.document())
