"""Background jobs with an owner: started by name, their failures logged, all ended together.

asyncio drops the exception of a task nobody awaits and may collect the task itself; every job that outlives the
call that started it is registered here instead.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")

log = logging.getLogger(__name__)


class Jobs:
    """A registry of running asyncio tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work`` in the background under ``name``; a failure is logged with its traceback."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("job %s failed", task.get_name(), exc_info=failure)

    async def drain(self) -> None:
        """Wait for every job to end by itself."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Cancel every job and wait until all have ended."""
        for task in self._tasks:
            task.cancel()
        await self.drain()


async def both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Run two things side by side and wait for both to end, whatever happens; then raise the first one's failure."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(other, BaseException):
        raise other
    return one, other
