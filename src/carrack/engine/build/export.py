"""From a finished stage to what was asked for: an image with names in the store, or what leaves this host.

Whoever asks holds the result's layers (see Builder.solved) until all is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from carrack.engine import pump
from carrack.engine.build import results
from carrack.engine.build.product import assemble, beside
from carrack.engine.build.working import Worker
from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.oci import digest as digests
from carrack.oci import document
from carrack.storage.trees.archive import write_tree
from carrack.storage.trees.joined import JoinedTree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from carrack.engine.build.product import Assembled, Product
    from carrack.engine.build.results import Result
    from carrack.engine.images.image import Image
    from carrack.engine.images.progress import Message
    from carrack.engine.images.push import Pusher
    from carrack.engine.images.save import Saver
    from carrack.engine.images.store import ImageStore
    from carrack.oci.descriptor import Descriptor
    from carrack.oci.platform import Platform
    from carrack.oci.reference import Reference
    from carrack.registry.credentials import Credentials
    from carrack.storage.trees.base import Tree

_CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True, slots=True)
class Archived:
    """An image as an archive: its id ("" of several), its manifest or index (as it is pointed to, and itself), and the
    bytes, to be closed by who takes them."""

    id: str
    manifest: Descriptor
    document: bytes
    chunks: AsyncGenerator[bytes, None]


class Exporter:
    """Puts results where they are wanted."""

    def __init__(self, store: ImageStore, worker: Worker, saver: Saver, pusher: Pusher, host: Platform) -> None:
        self._store = store
        self._host = host
        self._worker = worker
        self._saver = saver
        self._pusher = pusher

    def describe(self, diff_id: str) -> Descriptor:
        """A layer as it is here. Raises NotFound."""
        return self._saver.layer(diff_id)

    async def image(self, result: Result, names: Sequence[Reference], labels: Mapping[str, str], created: int) -> Image:
        """Record the image of a result, and give it its names. ``created`` in nanoseconds since 1970."""
        config = document.encode(results.config(result, created, labels))
        image, _ = await self._store.add(config, names, parent=result.base, tagged=bool(names))
        for name in names:
            self._store.publish("tag", image, name.familiar)
        return image

    async def product(self, product: Product, names: Sequence[Reference]) -> tuple[Image, Assembled | None]:
        """Record the images of a product, and give the names to the one for this host, else to the first; returns
        that one, and the documents where there are more than a config."""
        if product.plain:
            part = product.parts[0]
            return await self.image(part.result, names, product.labels, product.created(part)), None
        made = await asyncio.to_thread(assemble, product, names, self._saver.layer)
        chief = next((each for each in made.parts if each.part.result.platform == self._host), made.parts[0])
        for packed in (*(each for each in made.parts if each is not chief), chief):
            image, _ = await self._store.add(
                packed.config,
                names if packed is chief else (),
                parent=packed.part.result.base,
                manifest=packed.manifest,
                index=made.index,
                extras=made.extras,
                tagged=bool(names),
            )
        for name in names:
            self._store.publish("tag", image, name.familiar)
        return image, made

    @asynccontextmanager
    async def squashed(self, result: Result) -> AsyncIterator[Result]:
        """The same files in one layer above those of the base, which stays while inside."""
        layers = tuple(result.image.get("rootfs", {}).get("diff_ids", ()))
        told = len(result.image.get("history", ()))
        async with self._worker.squash(layers, result.layers) as diff_id:
            yield results.squashed(result, layers, told, diff_id, result.created)

    async def ready(self, product: Product) -> None:
        """Compress the layers that never travelled, so that what is said about them is said of how they travel."""
        await self._pusher.ready([diff_id for part in product.parts for diff_id in part.result.layers])

    async def push(self, name: Reference, credentials: Credentials, tell: Callable[[Message], Awaitable[None]]) -> str:
        """Push an image of the store; returns the digest of its manifest, or of its index. Raises what the registry
        has against it."""
        pushed = ""

        async def told(message: Message) -> None:
            nonlocal pushed
            pushed = str((message.get("aux") or {}).get("Digest") or pushed)
            await tell(message)

        await self._pusher.push(name, credentials, told)
        return pushed

    async def archive(self, product: Product, names: Sequence[Reference]) -> Archived:
        """The image as an OCI layout that is a docker archive too; the store gets no image."""
        made = await asyncio.to_thread(assemble, product, names, self._saver.layer)
        images = [(packed.config, packed.manifest) for packed in made.parts]
        others = {**made.extras, **({made.top.digest: made.index} if made.index else {})}
        said = {_CREATED: _time(product.created(product.parts[0])), **product.annotations.index_descriptor}
        top = replace(made.top, annotations=said)
        chunks = self._saver.pack(images, names, top, others)
        identity = "" if made.index else digests.of(made.parts[0].config)
        return Archived(identity, top, made.document, chunks)

    @asynccontextmanager
    async def tree(self, product: Product, prefix: str = "", *, split: bool | None = None) -> AsyncIterator[Tree]:
        """Its files; each platform's in a folder of its own where there are several (or as ``split`` says), with what
        is said about them in files beside them, whose names begin with ``prefix``. Raises InvalidArgument."""
        apart = (product.several or len(product.parts) > 1) if split is None else split
        if len(product.parts) > 1 and not apart:
            raise InvalidArgument("files of several platforms cannot lie in one folder: leave out platform-split=false")
        async with AsyncExitStack() as held:
            trees: dict[bytes, Tree] = {}
            for part in product.parts:
                folder = str(part.result.platform).replace("/", "_").encode() if apart else b""
                trees[folder] = await held.enter_async_context(self._worker.tree(part.result.layers))
            if not apart and not product.parts[0].claims:
                yield trees[b""]
                return
            moment = max(product.created(part) for part in product.parts) // 1_000_000_000
            told = await asyncio.to_thread(beside, product, trees, prefix, self._saver.layer)
            yield JoinedTree(trees, told, moment)

    async def tar(
        self, product: Product, newest: int | None = None, prefix: str = "", *, split: bool | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The same as a tar, none of a time after ``newest`` (seconds since 1970)."""
        async with (
            self.tree(product, prefix, split=split) as tree,
            aclosing(pump.produce(lambda write: write_tree(tree, write, newest))) as chunks,
        ):
            async for chunk in chunks:
                yield chunk


def _time(at: int) -> str:
    return times.rfc3339(at // 1_000_000_000 * 1_000_000_000)
