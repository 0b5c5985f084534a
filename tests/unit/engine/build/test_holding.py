"""The layers that a build holds: not looked for twice, held until the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from carrack.engine.build.holding import Holding


class _Layers:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.held: list[str] = []

    def has(self, diff_id: str) -> bool:
        self.asked.append(diff_id)
        return diff_id != "lost"

    @asynccontextmanager
    async def hold(self, keys: Iterable[str]) -> AsyncIterator[None]:
        mine = list(keys)
        self.held += mine
        yield
        for key in mine:
            self.held.remove(key)


def test_what_is_held_is_not_looked_for_and_held_once() -> None:
    async def main() -> None:
        layers: Any = _Layers()
        holding = Holding(layers)
        assert holding.has(["a", "b"])
        assert not holding.has(["a", "lost"])
        await holding.add(["a"])
        await holding.add(["a", "b"])
        await holding.add([])
        assert layers.held == ["a", "b"]
        layers.asked.clear()
        assert holding.has(["a", "b"])
        assert not holding.has(["a", "lost"])
        assert layers.asked == ["lost"]
        await holding.close()
        assert layers.held == []

    asyncio.run(main())
