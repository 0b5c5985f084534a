"""From a finished stage to what was asked for: an image with names in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from carrack.engine.build import results
from carrack.oci import document

if TYPE_CHECKING:
    from carrack.engine.build.results import Result
    from carrack.engine.images.image import Image
    from carrack.engine.images.store import ImageStore
    from carrack.oci.reference import Reference


class ImageExport:
    """Puts results into the image store."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    async def image(self, result: Result, names: Sequence[Reference], labels: Mapping[str, str], created: int) -> Image:
        """Record the image of a result whose layers the caller holds, and give it its names. ``created`` in
        nanoseconds since 1970."""
        config = document.encode(results.config(result, created, labels))
        image, _ = await self._store.add(config, names, parent=result.base, tagged=bool(names))
        for name in names:
            self._store.publish("tag", image, name.familiar)
        return image
