"""How much disk volumes take: `docker system df`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from carrack.model.container import Document
from carrack.storage.usage import tree_size

if TYPE_CHECKING:
    from carrack.engine.volumes.store import VolumeStore


async def usage(volumes: VolumeStore) -> list[Document]:
    """The documents of volumes that are directories of ours, with their sizes and how many containers use them."""
    documents = []
    for volume in sorted(volumes.recorded, key=lambda volume: volume.name):
        if volume.plain:
            document = await volumes.document(volume)
            size = await asyncio.to_thread(tree_size, volumes.path(volume.name))
            document["UsageData"] = {"RefCount": len(volumes.users(volume.name)), "Size": size}
            documents.append(document)
    return documents
