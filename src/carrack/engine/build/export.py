"""From a finished stage to what was asked for: an image with names in the store, or what leaves this host.

Whoever asks holds the result's layers (see Builder.solved) until all is done.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine import pump
from carrack.engine.build import results
from carrack.engine.build.working import Worker
from carrack.oci import digest as digests
from carrack.oci import document
from carrack.storage.trees.archive import write_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from carrack.engine.build.results import Result
    from carrack.engine.images.image import Image
    from carrack.engine.images.progress import Message
    from carrack.engine.images.push import Pusher
    from carrack.engine.images.save import Saver
    from carrack.engine.images.store import ImageStore
    from carrack.oci.descriptor import Descriptor
    from carrack.oci.reference import Reference
    from carrack.registry.credentials import Credentials
    from carrack.storage.trees.base import Tree


@dataclass(frozen=True, slots=True)
class Archived:
    """An image as an archive: its id, its manifest, and the bytes, to be closed by who takes them."""

    id: str
    manifest: Descriptor
    chunks: AsyncGenerator[bytes, None]


class Exporter:
    """Puts results where they are wanted."""

    def __init__(self, store: ImageStore, worker: Worker, saver: Saver, pusher: Pusher) -> None:
        self._store = store
        self._worker = worker
        self._saver = saver
        self._pusher = pusher

    async def image(self, result: Result, names: Sequence[Reference], labels: Mapping[str, str], created: int) -> Image:
        """Record the image of a result, and give it its names. ``created`` in nanoseconds since 1970."""
        config = document.encode(results.config(result, created, labels))
        image, _ = await self._store.add(config, names, parent=result.base, tagged=bool(names))
        for name in names:
            self._store.publish("tag", image, name.familiar)
        return image

    @asynccontextmanager
    async def squashed(self, result: Result) -> AsyncIterator[Result]:
        """The same files in one layer above those of the base, which stays while inside."""
        layers = tuple(result.image.get("rootfs", {}).get("diff_ids", ()))
        told = len(result.image.get("history", ()))
        async with self._worker.squash(layers, result.layers) as diff_id:
            yield results.squashed(result, layers, told, diff_id, result.created)

    async def push(self, name: Reference, credentials: Credentials, tell: Callable[[Message], Awaitable[None]]) -> str:
        """Push an image of the store; returns the digest of its manifest. Raises what the registry has against it."""
        pushed = ""

        async def told(message: Message) -> None:
            nonlocal pushed
            pushed = str((message.get("aux") or {}).get("Digest") or pushed)
            await tell(message)

        await self._pusher.push(name, credentials, told)
        return pushed

    def archive(self, result: Result, names: Sequence[Reference], labels: Mapping[str, str], created: int) -> Archived:
        """The image as an OCI layout that is a docker archive too; the store gets no image."""
        config = document.encode(results.config(result, created, labels))
        manifest, chunks = self._saver.pack(config, names)
        return Archived(digests.of(config), manifest, chunks)

    @asynccontextmanager
    async def tree(self, result: Result) -> AsyncIterator[Tree]:
        """Its files."""
        async with self._worker.tree(result.layers) as tree:
            yield tree

    async def tar(self, result: Result, newest: int | None = None) -> AsyncGenerator[bytes, None]:
        """Its files as a tar, none of a time after ``newest`` (seconds since 1970)."""
        async with (
            self.tree(result) as tree,
            aclosing(pump.produce(lambda write: write_tree(tree, write, newest))) as chunks,
        ):
            async for chunk in chunks:
                yield chunk
