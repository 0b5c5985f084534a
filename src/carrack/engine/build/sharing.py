"""Work that several builds want at the same time is done once, for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from carrack.engine.whole import ended

T = TypeVar("T")


class Shared(Generic[T]):
    """By key, what is being done. It goes on while anybody waits for it; when the last one leaves, it is cancelled and
    has come to its end before that one goes on."""

    def __init__(self) -> None:
        self._going: dict[str, tuple[asyncio.Task[T], list[object]]] = {}

    async def do(self, key: str, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The result of ``work``, and whether this call is the one that did it."""
        while (going := self._going.get(key)) is not None and going[0].cancelling():
            await asyncio.wait([going[0]])  # given up by all others: to be begun again
        mine = going is None or going[0].done()
        if going is None or mine:
            task = asyncio.get_running_loop().create_task(_of(work), name=f"build {key}")
            going = self._going[key] = (task, [])
            task.add_done_callback(lambda _: self._forget(key, task))
        task, waiting = going
        me = object()
        waiting.append(me)
        try:
            return await asyncio.shield(task), mine
        finally:
            waiting.remove(me)
            if not waiting and not task.done():
                task.cancel()
                if (cancelled := await ended(task)) is not None:
                    raise cancelled

    def _forget(self, key: str, task: asyncio.Task[T]) -> None:
        going = self._going.get(key)
        if going is not None and going[0] is task:
            del self._going[key]
        if not task.cancelled():
            task.exception()  # told to those who wait


async def _of(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
