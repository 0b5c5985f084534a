"""An image for several platforms, or one with attestations: its manifests first, then the index that names them.

What was pulled goes as it came. An index is only good where all that it names is: what is not here must be there
already, else the one image that is here goes alone, and the client is told so. An index that was made here names layers
as plain tars until it is pushed; then they travel compressed, so that the manifests, what is said about them and the
index are made anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrack.engine.images import attested
from carrack.engine.whole import whole
from carrack.errors import NotFound
from carrack.oci import attestation
from carrack.oci import digest as digests
from carrack.oci import manifest as manifests
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.oci.reference import Reference

if TYPE_CHECKING:
    from carrack.engine.images.image import Image
    from carrack.engine.images.layer_push import Transfer
    from carrack.engine.images.push import Pusher, Sent


@dataclass(slots=True)
class _Going:
    """An index on its way. ``renamed``: what its manifests have become, by the digests that it knows them by."""

    transfer: Transfer
    data: bytes
    index: Index
    here: dict[str, Image]
    said: list[attested.Kept]
    renamed: dict[str, Descriptor] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    extras: dict[str, bytes] = field(default_factory=dict)


async def push(pusher: Pusher, transfer: Transfer, tag: Reference, image: Image) -> Descriptor | None:
    """Push the index that the image came by, with all that is here of it. None when the image must go alone."""
    services = transfer.services
    if not services.content.has(image.index):
        return None
    data = services.content.read(image.index, manifests.SIZE_LIMIT)
    parsed = manifests.parse_index(data)
    here = {each.manifest: each for each in (image, *services.store.siblings(image))}
    going = _Going(transfer, data, parsed, here, attested.kept(services.content, parsed))
    known = {*here, *(each.entry.digest for each in going.said)}
    missing = [entry for entry in parsed.manifests if entry.digest not in known]
    if any([not await _is_there(transfer, entry) for entry in missing]) or not await _images(pusher, going, image):
        await _tell(going, image)
        return None
    made = going.data
    if going.renamed:
        made = await _anew(going)
    else:
        for each in going.said:
            await _attestation(going.transfer, each.entry.digest, each.data, each.blobs)
    digest = await transfer.repository.put_manifest(tag.tag, made, parsed.media_type)
    await _record(going, image, made, Reference(tag.domain, tag.path, digest=digest))
    return Descriptor(parsed.media_type, digest, len(made))


async def _images(pusher: Pusher, going: _Going, image: Image) -> bool:
    """Push the images; False when the index would name nothing, for their layers are not what they were."""
    ours = not any(each.repo_digests for each in going.here.values())
    for entry in going.index.manifests:
        if entry.digest not in going.here:
            continue
        sent = await pusher.send(going.transfer, going.here[entry.digest])
        going.sent.append(sent)
        if sent.manifest.digest != entry.digest:
            if not ours:
                return False
            going.renamed[entry.digest] = sent.manifest
    return True


async def _anew(going: _Going) -> bytes:
    """Push what is said about the images, of the manifests that they have now; returns the index with all of them."""
    now = {entry.digest: entry for entry in going.index.manifests} | going.renamed | _layers(going)
    entries = []
    for each in going.said:
        made = attested.moved(going.transfer.services.content, each, now)
        going.extras |= made.blobs
        entries += made.entries
        data = made.blobs[made.entries[0].digest]
        parsed = attested.parse(made.entries[0], data)
        await _attestation(going.transfer, made.entries[0].digest, data, parsed.blobs, made.blobs)
    return attested.moved_index(going.index, going.renamed, entries)


def _layers(going: _Going) -> dict[str, Descriptor]:
    """The layers as they have travelled, by the digests that their images knew them by."""
    found: dict[str, Descriptor] = {}
    for entry, sent in zip(
        (each for each in going.index.manifests if each.digest in going.here), going.sent, strict=True
    ):
        before = manifests.parse(going.transfer.services.content.read(entry.digest, manifests.SIZE_LIMIT))
        after = manifests.parse(sent.data)
        if isinstance(before, Manifest) and isinstance(after, Manifest):
            found |= {old.digest: new for old, new in zip(before.layers, after.layers, strict=True)}
    return found


async def _attestation(
    transfer: Transfer,
    digest: str,
    data: bytes,
    blobs: tuple[Descriptor, ...],
    fresh: dict[str, bytes] | None = None,
) -> None:
    content, repository = transfer.services.content, transfer.repository
    for blob in blobs:
        body = (fresh or {}).get(blob.digest) or content.read(blob.digest, attestation.SIZE_LIMIT)
        await transfer.small(blob, body)
    await repository.put_manifest(digest, data, manifests.parse(data).media_type)


async def _record(going: _Going, image: Image, made: bytes, name: Reference) -> None:
    """The images are to be had by this index now; those that were removed meanwhile do not come back."""
    services, there = going.transfer.services, {each.id for each in going.transfer.services.store}
    for sent in going.sent:
        identity = digests.of(sent.config)
        names = [name] if identity == image.id else []
        if identity not in there or not (names or going.renamed):
            continue
        if going.renamed:
            add = services.store.add(sent.config, names, manifest=sent.data, index=made, extras=going.extras)
        else:
            add = services.store.add(sent.config, names)
        async with services.layers.hold(going.extras):
            await whole(add)


async def _is_there(transfer: Transfer, entry: Descriptor) -> bool:
    try:
        await transfer.repository.head(entry.digest)
    except NotFound:
        return False
    return True


async def _tell(going: _Going, image: Image) -> None:
    """What Docker's clients show as a note: one platform's image is pushed in place of the index."""
    chosen = next((entry for entry in going.index.manifests if entry.digest == image.manifest), None)
    whole = Descriptor(going.index.media_type, image.index, len(going.data))
    aux = {
        "manifestPushedInsteadOfIndex": True,
        "originalIndex": whole.document(),
        "selectedManifest": chosen.document() if chosen else {},
    }
    await going.transfer.line.say({"progressDetail": {}, "aux": aux})
