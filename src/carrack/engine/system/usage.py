"""How much disk the engine's objects take: `docker system df`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from carrack.errors import InvalidArgument

Document = dict[str, Any]
Measure = Callable[[], Awaitable[list[Document]]]

KINDS = ("container", "image", "volume", "build-cache")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures come from; each list holds the documents that the API shows for its kind.

    `layers_size` is the bytes of all layers, each counted once.
    """

    images: Measure
    containers: Measure
    volumes: Measure
    builds: Measure
    layers_size: Callable[[], Awaitable[int]]


class DiskUsage:
    """Measures on demand; requests that come while one is running wait instead of doubling the disk's work."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._running = asyncio.Lock()

    async def measure(self, kinds: Collection[str] = ()) -> Document:
        """The Engine API's SystemDataUsageResponse for `kinds` (all when empty).

        Raises InvalidArgument for a kind that is none.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise InvalidArgument(f"unknown object type: {kind}")
        wanted = set(kinds or KINDS)
        sources = self._sources
        async with self._running:
            images = await sources.images() if "image" in wanted else None
            size = await sources.layers_size() if "image" in wanted else 0
            containers = await sources.containers() if "container" in wanted else None
            volumes = await sources.volumes() if "volume" in wanted else None
            builds = await sources.builds() if "build-cache" in wanted else None
        return {
            "LayersSize": size,
            "Images": images,
            "Containers": containers,
            "Volumes": volumes,
            "BuildCache": builds,
        }
