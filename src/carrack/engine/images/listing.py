"""Lists of images: `image ls` and the image part of `system df`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from carrack.engine.images import documents
from carrack.engine.images import filters as filtering
from carrack.engine.images.documents import Document, Version

if TYPE_CHECKING:
    from carrack.engine.images.delete import Users
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore

_NEWEST: Version = (1, 51)


def _restricted(row: Document, image: Image, patterns: list[str]) -> Document:
    """The row with only those of the image's names that a `reference` filter asks for."""
    if patterns:
        met = [name for name in image.references if any(filtering.matches(pattern, name) for pattern in patterns)]
        row["RepoTags"] = [name.familiar for name in met if name.tag]
    return row


class Lister:
    """Makes the documents that show images."""

    def __init__(self, store: ImageStore, layers: LayerStore, users: Users, driver: str) -> None:
        self._store = store
        self._layers = layers
        self._users = users
        self._driver = driver

    async def summaries(
        self,
        filters: filtering.Filters | None = None,
        *,
        every: bool = False,
        shared: bool = False,
        version: Version = _NEWEST,
    ) -> list[Document]:
        """The rows of `image ls`, the newest first; untagged images that others were made from only with `every`.

        Raises InvalidArgument on a bad filter, NotFound for an image that one names.
        """
        tests = await filtering.tests(filters or {}, filtering.LIST, self._store.resolve)
        chosen = [image for image in self._store if all(test(image) for test in tests)]
        if not every:
            parents = {image.parent for image in self._store}
            chosen = [image for image in chosen if image.references or image.id not in parents]
        chosen.sort(key=lambda image: (-image.created, image.id))
        sizes = self._shared() if shared and version >= (1, 42) else {}
        counts = Counter(use.image_id for use in self._users()) if version >= (1, 51) else None
        wanted = (filters or {}).get("reference") or []
        return [
            _restricted(
                documents.summary(
                    image,
                    version=version,
                    shared=sizes.get(image.id, -1),
                    containers=-1 if counts is None else counts[image.id],
                ),
                image,
                wanted,
            )
            for image in chosen
        ]

    async def usage(self) -> list[Document]:
        """All images with what `system df` asks: shared bytes and the number of containers."""
        sizes = self._shared()
        counts = Counter(use.image_id for use in self._users())
        rows = [documents.summary(image, shared=sizes[image.id], containers=counts[image.id]) for image in self._store]
        return [{**row, "RepoDigests": row["RepoDigests"] or None} for row in rows]

    async def inspect(self, text: str, version: Version = _NEWEST) -> Document:
        """One image in full. Raises NotFound, InvalidArgument."""
        return documents.inspect(await self._store.resolve(text), self._driver, version=version)

    async def history(self, text: str) -> list[Document]:
        """The steps an image was made in, the newest first. Raises NotFound, InvalidArgument."""
        image = await self._store.resolve(text)
        known: dict[str, Image] = {other.id: other for other in self._store}
        return documents.history(image, self._size, known.get)

    async def layers_size(self) -> int:
        """The bytes of all layers, each counted once."""
        return self._layers.total_size()

    def _shared(self) -> dict[str, int]:
        return documents.shared_sizes(self._store, self._size)

    def _size(self, diff_id: str) -> int:
        return self._layers.size([diff_id])
