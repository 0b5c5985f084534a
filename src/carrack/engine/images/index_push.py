"""An image for several platforms: its manifests first, then the index that names them, as it came.

An index is only good where all that it names is: what is not here must be there already, else the one image that is
here goes alone, and the client is told so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.errors import NotFound
from carrack.oci import manifest as manifests
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index
from carrack.oci.reference import Reference

if TYPE_CHECKING:
    from carrack.engine.images.image import Image
    from carrack.engine.images.layer_push import Transfer
    from carrack.engine.images.push import Pusher


async def push(pusher: Pusher, transfer: Transfer, tag: Reference, image: Image) -> Descriptor | None:
    """Push the index that the image came by, with all that is here of it. None when the image must go alone."""
    services = transfer.services
    if not services.content.has(image.index):
        return None
    data = services.content.read(image.index, manifests.SIZE_LIMIT)
    parsed = manifests.parse_index(data)
    whole = Descriptor(parsed.media_type, image.index, len(data))
    here = {each.manifest: each for each in (image, *services.store.siblings(image))}
    missing = [entry for entry in parsed.manifests if entry.digest not in here]
    if any([not await _is_there(transfer, entry) for entry in missing]):
        await _tell(transfer, whole, parsed, image)
        return None
    for entry in parsed.manifests:
        if entry.digest not in here:
            continue
        pushed = await pusher.push_image(transfer, here[entry.digest], entry.digest)
        if pushed.digest != entry.digest:  # its layers are not what they were: the index would name nothing
            await _tell(transfer, whole, parsed, image)
            return None
    digest = await transfer.repository.put_manifest(tag.tag, data, parsed.media_type)
    name = Reference(tag.domain, tag.path, digest=digest)
    config = services.content.read(image.id, 1 << 30)
    await services.store.add(config, [name])
    return Descriptor(parsed.media_type, digest, len(data))


async def _is_there(transfer: Transfer, entry: Descriptor) -> bool:
    try:
        await transfer.repository.head(entry.digest)
    except NotFound:
        return False
    return True


async def _tell(transfer: Transfer, whole: Descriptor, parsed: Index, image: Image) -> None:
    """What Docker's clients show as a note: one platform's image is pushed in place of the index."""
    chosen = next((entry for entry in parsed.manifests if entry.digest == image.manifest), None)
    aux = {
        "manifestPushedInsteadOfIndex": True,
        "originalIndex": whole.document(),
        "selectedManifest": chosen.document() if chosen else {},
    }
    await transfer.line.say({"progressDetail": {}, "aux": aux})
