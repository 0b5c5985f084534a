"""What a container has changed, as the tar of a layer in a spool."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from carrack.engine.whole import in_thread, made, whole
from carrack.storage import upper
from carrack.storage.tarwriter import Batch

if TYPE_CHECKING:
    from carrack.storage.content import Ingest
    from carrack.storage.jobs import Workers

#: opens the directory of the changes: see Snapshotter
Changes = Callable[[], AbstractContextManager[int]]
#: writes a directory of changes to a spool; ``newest``: see differ, ``still``: no program changes it any more
Pack = Callable[[int, "Ingest", int | None, bool], Awaitable[None]]


async def spool_changes(changes: Changes, spool: Ingest, pack: Pack, newest: int | None, *, still: bool) -> None:
    """Fill a spool. Raises OSError when the changes cannot be read."""
    async with _opened(changes) as fd:
        if not await in_thread(os.listdir, fd):  # for that no process is worth asking
            await pack_here(fd, spool, newest, still)
        else:
            await pack(fd, spool, newest, still)


async def pack_here(upper_fd: int, spool: Ingest, newest: int | None, still: bool) -> None:
    """By a thread of this process."""

    def write() -> None:
        batch = Batch(spool.write)
        upper.pack(upper_fd, batch.write, still=still, newest=newest)
        batch.flush()

    await whole(asyncio.to_thread(write))


def pack_by(workers: Workers) -> Pack:
    """By a worker, which then knows already what the layer consists of."""

    async def pack(upper_fd: int, spool: Ingest, newest: int | None, still: bool) -> None:
        fd = os.open(spool.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            spool.filled(await workers.pack(upper_fd, fd, room=spool.room, newest=newest, still=still))
        except OSError as error:
            error.filename = str(spool.path)
            raise
        finally:
            os.close(fd)

    return pack


@asynccontextmanager
async def _opened(changes: Changes) -> AsyncIterator[int]:
    context = changes()
    leave = partial(context.__exit__, None, None, None)
    fd = await made(context.__enter__, lambda _: leave())
    try:
        yield fd
    finally:
        await in_thread(leave)
