"""The layers that a build has found or made: until it is over no prune takes them, and none is looked for twice."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.engine.images.layers import LayerStore


class Holding:
    """Those of one build."""

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers
        self._stack = AsyncExitStack()
        self._ids: set[str] = set()

    def has(self, diff_ids: Iterable[str]) -> bool:
        """Whether all of these are held, or in the store."""
        return all(diff_id in self._ids or self._layers.has(diff_id) for diff_id in diff_ids)

    async def add(self, diff_ids: Iterable[str]) -> None:
        """Hold these, which are in the store, as well."""
        if fresh := [diff_id for diff_id in diff_ids if diff_id not in self._ids]:
            await self._stack.enter_async_context(self._layers.hold(fresh))
            self._ids.update(fresh)

    async def close(self) -> None:
        """Let go of them."""
        await self._stack.aclose()
