"""Machines that build and share caches through a folder of blobs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from tests.fakes.building import NoAgents, NoFetcher, NoMounts, Watcher, Workshop
from tests.fakes.images import HOST

from carrack.dockerfile import file
from carrack.engine.build.caching.exporting import CacheExporter
from carrack.engine.build.caching.forms import Forms
from carrack.engine.build.caching.importing import Importer
from carrack.engine.build.caching.service import Caching
from carrack.engine.build.caching.wanted import CacheAt
from carrack.engine.build.doing import Doer
from carrack.engine.build.request import Files, Request
from carrack.engine.build.results import Result
from carrack.engine.build.solve import Solver
from carrack.engine.build.working import Worker
from carrack.engine.images.packing import Packer
from carrack.engine.images.push import Pusher, PushServices
from carrack.errors import InvalidArgument
from carrack.oci.descriptor import Descriptor
from carrack.registry.client import RegistryClient
from carrack.registry.settings import RegistrySettings

if TYPE_CHECKING:
    from carrack.engine.images.transfer import Transfers


class MemoryStore:
    """See Store: blobs by digest. ``manifest`` is the last that was written."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifest = ""

    async def size(self, digest: str) -> int | None:
        return len(self.blobs[digest]) if digest in self.blobs else None

    async def read(self, digest: str, offset: int, size: int) -> AsyncIterator[bytes]:
        yield self.blobs[digest][offset : offset + size]

    async def write(self, descriptor: Descriptor, chunks: AsyncIterator[bytes]) -> None:
        data = b"".join([chunk async for chunk in chunks])
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor.digest
        self.blobs[descriptor.digest] = data
        self.manifest = descriptor.digest

    def at(self) -> CacheAt:
        """This folder, to import from."""
        return CacheAt("local", {"src": "folder", "digest": self.manifest})


class FakeTransfers:
    """See Transfers: the whole blob at once."""

    def __init__(self, workshop: Workshop) -> None:
        self._world = workshop.world
        self.fetched: list[str] = []

    async def fetch(self, source: Any, blob: Descriptor, diff_id: str, board: object) -> None:
        async with source.blob(blob, 0) as stream:
            data = b"".join([piece async for piece in stream])
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != blob.digest:
            raise InvalidArgument("the blob has another digest")
        self.fetched.append(diff_id)
        with self._world.content.ingest() as spool:
            spool.write(data)
            spool.finish()
            await self._world.layers.ensure(diff_id, spool)


class Machine:
    """One that builds, over the fakes of a workshop; registries are asked as they are by the daemon."""

    def __init__(self, workshop: Workshop, store: MemoryStore) -> None:
        self.workshop = workshop
        self.store = store
        self.transfers = FakeTransfers(workshop)

    def _caching(self, client: RegistryClient) -> Caching:
        world, transfers = self.workshop.world, cast("Transfers", self.transfers)
        packer = Packer(world.layers, world.content)
        services = PushServices(world.store, world.layers, world.content, packer, world.events)
        exporter = CacheExporter(world.layers, Forms(world.layers, world.content, packer), Pusher(services, client))
        return Caching(Importer(self.workshop.tools, client, transfers), exporter)

    async def build(
        self, text: str, files: Mapping[str, str] | None = None, *, give: CacheAt | None = None, **more: Any
    ) -> tuple[Result, Watcher]:
        """Build, with the caches in ``imports``; ``give`` is one that it writes."""
        tree = self.workshop.context(files or {})

        async def context() -> Files:
            return Files(tree)

        request = Request(
            file.parse(text), context, HOST, HOST, NoAgents(), exports=(give,) if give else (),
            stores=lambda at: self.store, **more,
        )  # fmt: skip
        watcher = Watcher()
        doer = Doer(Worker(self.workshop.tools), NoMounts(), NoFetcher(), request, watcher)
        tools, bases = self.workshop.tools, self.workshop.bases
        client = RegistryClient(RegistrySettings(attempts=2))
        try:
            caching = self._caching(client)
            caches = await caching.open(request, watcher, "b")
            async with Solver(tools, bases, doer, request, watcher, "b", caches) as solver:
                result = caches.carried(await solver.solve())
                await caching.export([result], request, watcher, "b")
        finally:
            await doer.close()
            await client.close()
            tree.close()
        return result, watcher
