"""Lists of images: `image ls` and the image part of `system df`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from carrack.engine.images import documents
from carrack.engine.images import filters as filtering
from carrack.engine.images.documents import Document, Version
from carrack.engine.images.variants import has_name, named_indexes

if TYPE_CHECKING:
    from carrack.engine.images.delete import Users
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore
    from carrack.engine.images.variants import Variants
    from carrack.oci.platform import Platform

_NEWEST: Version = (1, 51)


def _restricted(row: Document, image: Image, patterns: list[str]) -> Document:
    """The row with only those of the image's names that a `reference` filter asks for."""
    if patterns:
        met = [name for name in image.references if any(filtering.matches(pattern, name) for pattern in patterns)]
        row["RepoTags"] = [name.familiar for name in met if name.tag]
        row["RepoDigests"] = row["RepoDigests"] and [name.familiar for name in met if not name.tag]
    return row


class Lister:
    """Makes the documents that show images."""

    def __init__(self, store: ImageStore, layers: LayerStore, users: Users, driver: str, variants: Variants) -> None:
        self._store = store
        self._layers = layers
        self._users = users
        self._driver = driver
        self._variants = variants

    async def summaries(
        self,
        filters: filtering.Filters | None = None,
        *,
        every: bool = False,
        shared: bool = False,
        manifests: bool = False,
        version: Version = _NEWEST,
    ) -> list[Document]:
        """The rows of `image ls`, the newest first; only with `every` untagged images that others were made from, and
        siblings of images with names, which those rows stand for. `manifests`: with what each image's index holds.

        Raises InvalidArgument on a bad filter, NotFound for an image that one names.
        """
        named = named_indexes(self._store)
        tests = await filtering.tests(filters or {}, filtering.LIST, self._store.resolve, named)
        chosen = [image for image in self._store if all(test(image) for test in tests)]
        if not every:
            parents = {image.parent for image in self._store}
            chosen = [
                image for image in chosen if image.references or not (image.id in parents or has_name(image, named))
            ]
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
            | self._platforms(image, version >= (1, 48), manifests and version >= (1, 47))
            for image in chosen
        ]

    async def usage(self) -> list[Document]:
        """All images with what `system df` asks: shared bytes and the number of containers."""
        sizes = self._shared()
        counts = Counter(use.image_id for use in self._users())
        rows = [
            documents.summary(image, shared=sizes[image.id], containers=counts[image.id])
            | self._platforms(image, True, False)
            for image in self._store
        ]
        return [{**row, "RepoDigests": row["RepoDigests"] or None} for row in rows]

    async def inspect(
        self, text: str, version: Version = _NEWEST, *, platform: Platform | None = None, manifests: bool = False
    ) -> Document:
        """One image in full, of `platform` where that is given. Raises NotFound, InvalidArgument."""
        image = await self._store.resolve(text, platform)
        shown = documents.inspect(image, self._driver, version=version)
        return shown | (self._platforms(image, True, manifests) if version >= (1, 48) else {})

    async def history(self, text: str, platform: Platform | None = None) -> list[Document]:
        """The steps an image was made in, the newest first. Raises NotFound, InvalidArgument."""
        image = await self._store.resolve(text, platform)
        known: dict[str, Image] = {other.id: other for other in self._store}
        return documents.history(image, self._size, known.get)

    async def layers_size(self) -> int:
        """The bytes of all layers, each counted once."""
        return self._layers.total_size()

    def _platforms(self, image: Image, descriptor: bool, manifests: bool) -> Document:
        """The members that tell of a multi-platform image, as far as they are wanted and there is something to tell."""
        target = self._variants.target(image) if descriptor or manifests else None
        if target is None:
            return {}
        shown = {"Descriptor": target.document()} if descriptor else {}
        return {**shown, "Manifests": self._variants.manifests(image)} if manifests else shown

    def _shared(self) -> dict[str, int]:
        return documents.shared_sizes(self._store, self._size)

    def _size(self, diff_id: str) -> int:
        return self._layers.size([diff_id])
