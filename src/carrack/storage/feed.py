"""From the event loop into a worker that stores a layer: bytes through a pipe, at the pace of the slower side."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.storage.apply import Applied, Expected
    from carrack.storage.jobs import Workers

Write = Callable[[bytes], Awaitable[None]]

_PIPE = 1 << 20  # bytes: what anybody may have


async def receive(
    workers: Workers, expected: Expected, resume: int, fill: Callable[[Write], Awaitable[None]]
) -> Applied:
    """Have a worker store the blob and the layer of ``expected``, of which ``fill`` writes what follows the first
    ``resume`` bytes (see carrack.storage.receive).

    A failure of ``fill`` goes before what the worker then has to say of its short source. When the worker is done,
    one way or the other, ``fill``'s next write raises BrokenPipeError, which it must let pass.
    """
    source, sink = os.pipe2(os.O_CLOEXEC)
    feed = _Feed(sink)
    job = asyncio.get_running_loop().create_task(_apply(workers, source, expected, resume), name="layer")
    job.add_done_callback(lambda job: feed.leave())
    try:
        try:
            with contextlib.suppress(BrokenPipeError):
                await fill(feed.write)
        finally:
            feed.close()
        return await job
    except asyncio.CancelledError:
        job.cancel()
        raise
    finally:
        while not job.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([job])
        if not job.cancelled():
            job.exception()  # looked at, for the failure at hand goes before it


async def _apply(workers: Workers, source: int, expected: Expected, resume: int) -> Applied:
    try:
        return await workers.apply(source, expected, resume=resume)
    finally:
        os.close(source)


class _Feed:
    """Our end of the pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._left = False
        self._ready: asyncio.Future[None] | None = None
        os.set_blocking(fd, False)
        with contextlib.suppress(OSError):  # many pipes may be in use: then it is a smaller one
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)

    async def write(self, data: bytes) -> None:
        """All of the data. BrokenPipeError when nobody reads any more."""
        view = memoryview(data)
        while view:
            if self._left:
                raise BrokenPipeError(errno.EPIPE, "nobody stores this layer any more")
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await self._room()

    def leave(self) -> None:
        """Nobody reads any more."""
        self._left = True
        self._wake()

    def close(self) -> None:
        """Nothing more comes."""
        os.close(self._fd)

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_writer(self._fd, self._wake)
        try:
            await self._ready
        finally:
            loop.remove_writer(self._fd)

    def _wake(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
