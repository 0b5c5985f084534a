"""Programs that run as in a container without there being one: the RUNs of builds.

They have slots, networks, file systems and guards like any container, by the same code; but no record, no name, no log
and no events. What a daemon that died has left of them is, without a record, garbage: the next one ends and sweeps it.

Their files go while the next step runs already, or after the answer to who has asked for the last one: to remove those
of a step that wrote many takes a quarter of its time. Where a disk is nearly full the next step waits for the room.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.containers import shm, stubs
from carrack.engine.whole import ended as until_ended
from carrack.engine.whole import in_thread, whole
from carrack.errors import CarrackError, NotFound, Unavailable
from carrack.http.stdcopy import FrameReader
from carrack.storage.usage import scarce

if TYPE_CHECKING:
    from carrack.engine.containers.attach import Attachments
    from carrack.engine.containers.connect import Connector
    from carrack.engine.containers.create import Creator
    from carrack.engine.containers.paths import Paths
    from carrack.engine.containers.record import Container
    from carrack.engine.containers.start import Starter
    from carrack.engine.jobs import Jobs
    from carrack.model.container import Document, MountPoint
    from carrack.shim.client import Exit, Shim
    from carrack.storage.snapshots.base import Snapshotter

log = logging.getLogger(__name__)

_CHUNK = 64 << 10

#: the stream (1 or 2) and what the program wrote to it
Output = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How the program ended; ``changes``: see Snapshotter, valid until the run is left."""

    exit: Exit
    changes: Callable[[], AbstractContextManager[int]]


class Transients:
    """Runs them; ``active`` has the ids of those there are, so that nobody takes what is theirs for garbage."""

    def __init__(
        self,
        creator: Creator,
        starter: Starter,
        attachments: Attachments,
        connector: Connector,
        snapshotter: Snapshotter,
        paths: Paths,
        active: set[str],
        jobs: Jobs,
    ) -> None:
        self._creator = creator
        self._starter = starter
        self._attachments = attachments
        self._connector = connector
        self._snapshotter = snapshotter
        self._paths = paths
        self._active = active
        self._jobs = jobs
        self._sweeping = asyncio.Lock()  # one after another, for each keeps a thread

    @asynccontextmanager
    async def run(
        self, body: Document, layers: Sequence[str], mounts: Sequence[MountPoint], output: Output
    ) -> AsyncIterator[Ended]:
        """Run a program to its end, as ``POST /containers/create`` would have it run. Cancelled, it is killed, and has
        ended before the cancellation goes on. Raises what a create or a start raises."""
        c = self._creator.transient(body, layers)
        c.mounts = list(mounts)
        async with AsyncExitStack() as undo:
            self._active.add(c.id)
            undo.push_async_callback(self._put_away, c.id)
            await in_thread(self._snapshotter.prepare, c.id, layers, lasting=False)
            await in_thread(os.makedirs, self._paths.data(c.id), mode=0o710)
            targets = [*(point["Destination"] for point in mounts), *(c.host_config["Tmpfs"] or ())]
            made = await asyncio.to_thread(stubs.missing, self._snapshotter, layers, targets)
            ended, leaving = await self._to_the_end(c, output)
            undo.push_async_callback(_wait_for, leaving)
            if made:  # no snapshot is mounted twice at a time
                await asyncio.wait([leaving])
                await in_thread(stubs.remove, self._snapshotter, c.id, made)
            yield Ended(ended, lambda: self._snapshotter.changes(c.id))

    async def _put_away(self, identity: str) -> None:
        """Begin to remove the files of one that nothing is left of but these."""
        sweep = self._jobs.start(self._sweep(identity), "sweep step " + identity[:12])
        if scarce(self._paths.data_root):
            await _wait_for(sweep)

    async def _sweep(self, identity: str) -> None:
        try:
            async with self._sweeping:
                await in_thread(self._remove_files, identity)
        finally:
            self._active.discard(identity)

    def _remove_files(self, identity: str) -> None:
        """What cannot be removed now is when the daemon starts again."""
        shutil.rmtree(self._paths.data(identity), ignore_errors=True)
        try:
            self._snapshotter.remove(identity)
        except (OSError, CarrackError) as failure:
            log.error("something of the step %s of a build is left: %s", identity, failure)

    async def _to_the_end(self, c: Container, output: Output) -> tuple[Exit, asyncio.Task[None]]:
        """How the program ended; what is still there of it besides its files goes meanwhile."""
        ours = await self._attachments.attach(c, stdin=False, stdout=True, stderr=True)
        starting = asyncio.get_running_loop().create_task(self._starter.start(c), name=f"start {c.id}")
        cancelled = await until_ended(starting)  # one that is cut in two leaves a program that nobody knows
        if starting.cancelled() or starting.exception() is not None:
            self._attachments.handed_over(c)
            ours.close()
            raise cancelled or starting.exception() or asyncio.CancelledError
        shim = starting.result()
        try:
            if cancelled is not None:
                raise cancelled
            await _listen(ours, output)
            ended = await asyncio.shield(shim.exited)
        except BaseException:
            await whole(self._leave(c, shim))
            raise
        finally:
            ours.close()
        return ended, asyncio.get_running_loop().create_task(self._leave(c, shim), name=f"leave {c.id}")

    async def _leave(self, c: Container, shim: Shim) -> None:
        """Whatever has become of the program: nothing of it is left afterwards."""
        if not shim.exited.done():
            try:
                await shim.signal(signal.SIGKILL)
            except (NotFound, Unavailable):
                log.debug("the program of %s ended by itself", c.id)
        await asyncio.wait([shim.exited])
        try:
            await self._connector.disconnect(c)
        except (OSError, CarrackError) as failure:
            log.error("a step of a build could not be disconnected: %s", failure)
        await asyncio.wait([shim.released])
        await shim.close()
        await asyncio.to_thread(shm.remove_directory, self._paths.run(c.id))


async def _wait_for(task: asyncio.Task[None]) -> None:
    cancelled = await until_ended(task)
    task.result()
    if cancelled is not None:
        raise cancelled


async def _listen(sock: socket.socket, output: Output) -> None:
    """Hand on what the program writes until all who can write have ended."""
    loop, reader = asyncio.get_running_loop(), FrameReader()
    while data := await loop.sock_recv(sock, _CHUNK):
        for stream, payload in reader.feed(data):
            output(stream, payload)
