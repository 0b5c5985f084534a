"""`load`: images out of an archive into the store.

The archive is spooled, its documents are judged, then each layer is made once (several at a time) and each image is
recorded with its names in one transaction. A damaged archive leaves nothing: spools go, and layers without an image
are collected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from carrack.engine import pump
from carrack.engine.images import progress
from carrack.engine.images.intake import Intake
from carrack.engine.images.layout import Plan, plans
from carrack.engine.whole import whole
from carrack.oci import digest as digests

if TYPE_CHECKING:
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.progress import Emit
    from carrack.engine.images.store import ImageStore
    from carrack.oci.platform import Platform
    from carrack.storage.content import ContentStore, Ingest

_LAYERS_AT_ONCE = 3


class Loader:
    """Loads archives."""

    def __init__(self, store: ImageStore, layers: LayerStore, content: ContentStore, host: Platform) -> None:
        self._store = store
        self._layers = layers
        self._content = content
        self._host = host
        self._slots = asyncio.Semaphore(_LAYERS_AT_ONCE)

    async def load(
        self,
        chunks: AsyncIterable[bytes],
        emit: Emit = progress.silent,
        *,
        platform: Platform | None = None,
        quiet: bool = False,
    ) -> list[Image]:
        """Load every image of the archive in `chunks` (plain, or gzip, zstd, bzip2, xz).

        Raises InvalidArgument for whatever is wrong with the archive; then no image of it is recorded that was not
        complete before the failure.
        """
        with Intake(self._content, self._layers.room) as intake:
            await pump.consume(chunks, intake.read)
            found = await whole(asyncio.to_thread(plans, intake, platform, self._host))
            keys = [key for plan in found for key in (digests.of(plan.config), *plan.diff_ids)]
            keys += [spool.finish().digest for plan in found for spool in plan.spools]
            keys += [digests.of(data) for plan in found for data in (plan.manifest, plan.index) if data]
            try:
                async with self._layers.hold(keys):
                    return [await self._take(plan, emit, quiet) for plan in found]
            except BaseException:
                await whole(self._store.collect())
                raise

    async def _take(self, plan: Plan, emit: Emit, quiet: bool) -> Image:
        distinct = dict(zip(plan.diff_ids, plan.spools, strict=True))
        said = progress.silent if quiet else emit
        try:
            async with asyncio.TaskGroup() as group:
                for diff_id, spool in distinct.items():
                    group.create_task(self._layer(diff_id, spool, said))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        image, moved = await self._store.add(
            plan.config, plan.names, manifest=plan.manifest, index=plan.index, extras=plan.extras
        )
        for name, previous in moved:
            text = f"The image {name.familiar} already exists, renaming the old one with ID {previous} to empty string"
            await emit(progress.line(text))
        for name in plan.names:
            await emit(progress.line(f"Loaded image: {name.familiar}"))
        if not plan.names:
            await emit(progress.line(f"Loaded image ID: {image.id}"))
        self._store.publish("load", image)
        return image

    async def _layer(self, diff_id: str, spool: Ingest, emit: Emit) -> None:
        size = spool.finish().size
        if self._layers.has(diff_id):
            return
        async with self._slots:
            await emit(progress.layer("Loading layer", digests.short(diff_id), 0, size))
            await self._layers.ensure(diff_id, spool)
            await emit(progress.layer("Loading layer", digests.short(diff_id), size, size))
