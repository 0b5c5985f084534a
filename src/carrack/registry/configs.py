"""An image's config out of a registry, whole and checked, for who wants to know what an image is without pulling it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument
from carrack.oci import digest as digests
from carrack.oci import image_config
from carrack.registry.failures import Untrue

if TYPE_CHECKING:
    from carrack.oci.manifest import Manifest
    from carrack.registry.repository import Repository


async def read(repository: Repository, manifest: Manifest) -> bytes:
    """The bytes of the config that a manifest names.

    Raises InvalidArgument for one that is too large, Untrue when the registry sends another, and errors by meaning.
    """
    config = manifest.config
    what = f"config {digests.short(config.digest)} of {repository.name.familiar_name}"
    if config.size > image_config.SIZE_LIMIT:
        raise InvalidArgument(f"{what}: {config.size} bytes are more than the limit of {image_config.SIZE_LIMIT}")
    async with repository.blob(config) as stream:
        data = b"".join([chunk async for chunk in stream])
    if digests.of(data) != config.digest:
        raise Untrue(f"{what}: the registry sent other content, of digest {digests.of(data)}")
    return data
