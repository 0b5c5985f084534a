"""Steps that a cancelled request must not cut in two: the records and what memory knows of them change together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

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


async def ended(work: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until `work` is done, through cancellations of the caller; returns the last of these, to be raised."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
