"""`import`: a root file system's tar becomes an image of one layer."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.engine import pump
from carrack.engine.images import changes
from carrack.engine.whole import whole
from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.oci import document
from carrack.oci.platform import Platform
from carrack.storage.compression import Decompressed

if TYPE_CHECKING:
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore
    from carrack.oci.image_config import RunConfig
    from carrack.oci.reference import Reference
    from carrack.storage.content import ContentStore, Ingest
    from carrack.storage.tar import ByteSource

_PIECE = 512 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """What an imported image says of itself beside its run configuration. `created` in nanoseconds since 1970."""

    platform: Platform
    created: int
    message: str = ""
    created_by: str = ""


class Importer:
    """Imports root file systems."""

    def __init__(self, store: ImageStore, layers: LayerStore, content: ContentStore, host: Platform) -> None:
        self._store = store
        self._layers = layers
        self._content = content
        self._host = host

    async def load(
        self,
        chunks: AsyncIterable[bytes],
        name: Reference | None = None,
        *,
        message: str = "",
        instructions: Sequence[str] = (),
        platform: Platform | None = None,
    ) -> Image:
        """Import the tar in `chunks`, plain or compressed. Raises InvalidArgument on a bad tar or instruction."""
        run = changes.apply({}, instructions)
        if platform is not None and platform.os != "linux":
            raise InvalidArgument("operating system is not supported")
        origin = Origin(platform or self._host, times.now(), message or "Imported from -")
        with self._content.ingest(self._layers.room) as spool:
            await pump.consume(chunks, lambda file: _copy(file, spool))
            return await self.record(spool, run, origin, name)

    async def record(self, spool: Ingest, run: RunConfig, origin: Origin, name: Reference | None) -> Image:
        """Make the image whose only layer is the plain tar in `spool`; event `import`."""
        diff_id = spool.finish().digest
        config = document.encode(_config(diff_id, run, origin))
        try:
            async with self._layers.hold([diff_id]):
                await self._layers.ensure(diff_id, spool)
                image, _ = await self._store.add(config, [name] if name else [], tagged=name is not None)
        except BaseException:
            await whole(self._store.collect())
            raise
        if name:
            self._store.publish("tag", image, name.familiar)
        self._store.publish("import", image)
        return image


def _config(diff_id: str, run: RunConfig, origin: Origin) -> dict[str, Any]:
    created = times.rfc3339(origin.created)
    step = {"created": created, "created_by": origin.created_by, "comment": origin.message}
    described: dict[str, Any] = {"created": created, "architecture": origin.platform.architecture}
    if origin.platform.variant:
        described["variant"] = origin.platform.variant
    return {
        **described,
        "os": origin.platform.os,
        "config": dict(run),
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{key: value for key, value in step.items() if value}],
    }


def _copy(source: ByteSource, spool: Ingest) -> None:
    stream = Decompressed(source)
    while piece := stream.read_chunk():
        spool.write(piece)
