"""Steps that a cancelled request must not cut in two: the records and what memory knows of them change together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def whole(step: Coroutine[Any, Any, T]) -> T:
    """Run `step` to its end, whatever happens to the caller; a cancellation of the caller goes on afterwards."""
    task = asyncio.get_running_loop().create_task(step)
    cancelled = await ended(task)
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # looked at, for the cancellation goes before it
    raise cancelled


async def in_thread(step: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """The same of a step that blocks, in a thread: not even while it waits for one is it given up."""
    return await whole(asyncio.to_thread(step, *args, **named))


async def made(make: Callable[[], T], undo: Callable[[T], object]) -> T:
    """What ``make`` makes in a thread; undone when the caller is cancelled meanwhile, for nobody else knows of it."""
    task = asyncio.get_running_loop().create_task(asyncio.to_thread(make))
    cancelled = await ended(task)
    if cancelled is None:
        return task.result()
    if not task.cancelled() and task.exception() is None:
        await in_thread(undo, task.result())
    raise cancelled


async def ended(work: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until `work` is done, through cancellations of the caller; returns the last of these, to be raised."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
