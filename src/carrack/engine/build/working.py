"""Doing a step: from files and programs to a layer that is stored and remembered.

Nothing is remembered before its layer is on disk and on record; what is cut short leaves neither.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from carrack.engine.build import copying
from carrack.engine.build.cache import Cache, Entry
from carrack.engine.build.sharing import Shared
from carrack.engine.build.steps import CopyStep, WorkdirStep
from carrack.engine.images.changed import spool_changes
from carrack.engine.images.commit import EMPTY_LAYER
from carrack.engine.whole import made, whole
from carrack.model import times
from carrack.storage.tarwriter import Batch
from carrack.storage.trees.changes import write_changes
from carrack.storage.trees.folder import FolderTree
from carrack.storage.trees.layer import EmptyTree

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from carrack.engine.build.copying import Gathered
    from carrack.engine.build.request import Files
    from carrack.engine.build.running import Job, Output, Runner
    from carrack.engine.images.layers import LayerStore
    from carrack.linux.kernel import Kernel
    from carrack.storage.content import ContentStore, Ingest
    from carrack.storage.snapshots.base import Snapshotter
    from carrack.storage.tarwriter import Write
    from carrack.storage.trees.base import Tree


#: where in its layer a context is: what a snapshot adds to the files of an image lies beside it
FILES = "context"


class RunFailed(Exception):
    """The program of a RUN ended with another code than 0."""

    def __init__(self, exit_code: int, oom_killed: bool) -> None:
        super().__init__(f"exit code: {exit_code}")
        self.exit_code = exit_code
        self.oom_killed = oom_killed


@dataclass(slots=True)
class Tools:
    """What the work is done with, shared by all builds of a daemon."""

    layers: LayerStore
    content: ContentStore
    snapshotter: Snapshotter
    kernel: Kernel
    cache: Cache
    runner: Runner
    going: Shared[Entry]


@dataclass(frozen=True, slots=True)
class Note:
    """What is remembered with a result: see Entry."""

    key: str
    below: tuple[str, ...]
    inputs: dict[str, Any]
    description: str
    place: str
    kind: str = "regular"


class Worker:
    """Makes layers."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @asynccontextmanager
    async def tree(self, layers: tuple[str, ...]) -> AsyncIterator[Tree]:
        """The files of a chain, to look at and to copy from."""
        if not layers:
            yield EmptyTree()
            return
        fd = await made(lambda: self._tools.snapshotter.view(layers), os.close)
        tree = FolderTree(self._tools.kernel, fd)
        try:
            yield tree
        finally:
            tree.close()

    async def copy(self, note: Note, gathered: Gathered, epoch: int | None) -> Entry:
        """Do a COPY or an ADD."""
        now = _seconds(epoch)
        async with self.tree(note.below) as base:
            return await self._make(
                note, lambda write: copying.write_copy(gathered, base, write, now, epoch)
            )  # fmt: skip

    async def workdir(self, note: Note, step: WorkdirStep, epoch: int | None) -> Entry:
        """Do a WORKDIR."""
        async with self.tree(note.below) as base:
            return await self._make(
                note, lambda write: copying.write_workdir(step, base, write, _seconds(epoch))
            )  # fmt: skip

    @asynccontextmanager
    async def squash(self, base: tuple[str, ...], layers: tuple[str, ...]) -> AsyncIterator[str]:
        """One layer that does to ``base`` what those of ``layers`` above it do; "" for nothing. It stays while inside;
        the caller holds the others."""
        tools = self._tools
        with tools.content.ingest(tools.layers.room) as spool:
            async with self.tree(base) as below, self.tree(layers) as tree:
                await whole(asyncio.to_thread(_batched, spool, partial(write_changes, below, tree)))
            diff_id = spool.finish().digest
            if diff_id == EMPTY_LAYER:
                yield ""
                return
            async with tools.layers.hold([diff_id]):
                await tools.layers.ensure(diff_id, spool)
                yield diff_id

    async def packed(self, files: Files, held: AsyncExitStack) -> str:
        """The files of a context as a layer, in its folder FILES, which stays until ``held`` ends."""
        tools, step = self._tools, CopyStep((".",), f"/{FILES}/")

        def write() -> None:
            copying.write_copy(copying.gather(step, files, {}), EmptyTree(), spool.write, 0, None)

        with tools.content.ingest(tools.layers.room) as spool:
            await whole(asyncio.to_thread(write))
            diff_id = spool.finish().digest
            await held.enter_async_context(tools.layers.hold([diff_id]))
            await tools.layers.ensure(diff_id, spool)
        return diff_id

    async def run(self, note: Note, job: Job, output: Output, epoch: int | None) -> Entry:
        """Do a RUN. Raises RunFailed."""
        async with self._tools.runner.run(job, output) as ran:
            if ran.exit_code:
                raise RunFailed(ran.exit_code, ran.oom_killed)
            layers = self._tools.layers
            with self._tools.content.ingest(layers.room) as spool:
                # the program has ended, with all that it began
                await spool_changes(ran.changes, spool, layers.pack, epoch, still=True)
                return await self._stored(note, spool)

    async def _make(self, note: Note, make: Callable[[Write], object]) -> Entry:
        """Store what ``make`` writes as a layer, and remember it."""
        with self._tools.content.ingest(self._tools.layers.room) as spool:
            await whole(asyncio.to_thread(_batched, spool, make))
            return await self._stored(note, spool)

    async def _stored(self, note: Note, spool: Ingest) -> Entry:
        tools = self._tools
        blob = spool.finish()
        diff_id = "" if blob.digest == EMPTY_LAYER else blob.digest
        entry = Entry(
            key=note.key,
            diff_id=diff_id,
            below=note.below,
            description=note.description,
            kind=note.kind,
            place=note.place,
            size=blob.size if diff_id else 0,
            inputs=note.inputs,
        )
        async with tools.layers.hold(entry.layers):
            if diff_id:
                await tools.layers.ensure(diff_id, spool)
            return await tools.cache.add(entry)


def _batched(spool: Ingest, make: Callable[[Write], object]) -> None:
    batch = Batch(spool.write)
    make(batch.write)
    batch.flush()


def _seconds(epoch: int | None) -> int:
    return times.now() // 1_000_000_000 if epoch is None else epoch
