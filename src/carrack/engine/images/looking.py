"""`image explain` and `image diff`: what images are made of, found in their layers by a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from carrack.engine.images import config_diff
from carrack.storage.looks import ImageLayers

if TYPE_CHECKING:
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore

Document = dict[str, Any]
_AT_ONCE = 2  # looks into layers; others wait, as each takes a processor and memory

#: Looks into the layers of one image or two; whether every file is to be listed, and how many findings at the most.
Look = Callable[[Sequence[ImageLayers], bool, int], Awaitable[Document]]


class Looker:
    """Makes the reports. Files are shown as they are in the images; nothing of it is kept."""

    def __init__(self, store: ImageStore, layers: LayerStore, look: Look) -> None:
        self._store = store
        self._layers = layers
        self._look = look
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def explain(self, text: str, most: int) -> Document:
        """What of an image is waste, by layer with the instruction that made it, and the largest findings.

        See carrack.storage.explain for the members. Raises NotFound, InvalidArgument.
        """
        image = await self._store.resolve(text)
        async with self._turns, self._store.hold(image):
            report = await self._look([self._named(image)], False, most)
        steps = [step for step in image.config.get("history", []) if not step.get("empty_layer")]
        for number, (row, diff_id) in enumerate(zip(report["Layers"], image.diff_ids, strict=True)):
            step = steps[number] if number < len(steps) else {}
            row |= {"DiffID": diff_id, "Size": self._layers.size([diff_id]), "CreatedBy": step.get("created_by", "")}
        return {"Id": image.id, "RepoTags": list(image.tags), "Size": image.size, **report}

    async def diff(self, old: str, new: str, most: int, *, full: bool = False) -> Document:
        """How the second image differs from the first: config, files, packages. Raises NotFound, InvalidArgument."""
        images = [await self._store.resolve(old), await self._store.resolve(new)]
        async with self._turns, AsyncExitStack() as held:
            for image in images:
                await held.enter_async_context(self._store.hold(image))
            report = await self._look([self._named(image) for image in images], full, most)
        first, second = images
        return {
            "From": {"Id": first.id, "Size": first.size, "Layers": len(first.diff_ids)},
            "To": {"Id": second.id, "Size": second.size, "Layers": len(second.diff_ids)},
            "SharedLayers": _common(first.diff_ids, second.diff_ids),
            "Config": config_diff.differences(first.config, second.config),
            **report,
        }

    def _named(self, image: Image) -> list[tuple[str, str]]:
        return [(diff_id, self._layers.get(diff_id).blob or "") for diff_id in image.diff_ids]


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """How many layers from the base on are the same."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
