"""Pulls over real layers and a real content store, with workers that are threads, from a fake registry."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from tests.fakes.registry import FakeRegistry

from carrack.engine.events import Events
from carrack.engine.images.image import Image
from carrack.engine.images.layers import LayerStore
from carrack.engine.images.pull import Puller
from carrack.engine.images.store import ImageStore
from carrack.engine.images.transfer import Transfers
from carrack.engine.whole import whole
from carrack.oci import reference
from carrack.oci.platform import Platform
from carrack.registry.client import RegistryClient
from carrack.registry.credentials import ANONYMOUS
from carrack.registry.settings import RegistrySettings
from carrack.storage.apply import Applied, Expected
from carrack.storage.content import ContentStore
from carrack.storage.jobs import Workers, judged
from carrack.storage.partial import present
from carrack.storage.records import Records
from carrack.storage.snapshots.probe import layer_store
from carrack.storage.worker import Packed, WorkerRequest, serve

HOST = Platform("linux", "amd64")


class ThreadWorkers:
    """Plays the workers: the same work in a thread, and errors by their meaning."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def apply(self, fd: int, expected: Expected, spooled: object = None, *, resume: int | None = None) -> Applied:
        request: WorkerRequest = {
            "driver": "erofs", "root": str(self.root / "layers"), "content": str(self.root),
            "digest": expected.digest, "diff_id": expected.diff_id, "size": expected.size,
            "budget": (1 << 30, 250, 1 << 40), "spooled": None, "resume": resume,
        }  # fmt: skip
        answer = await whole(asyncio.to_thread(serve, request, [os.dup(fd)], Packed()))
        answer.pop("memory", None)
        return Applied(**judged(answer))

    async def warm(self) -> None:
        """Threads always are."""


class Pulling:
    """Everything that a pull needs, in one folder; `messages` of all pulls. `reopen` plays a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages: list[dict[str, Any]] = []
        self.workers = ThreadWorkers(folder)
        folder.mkdir(exist_ok=True)
        self.open()

    def open(self) -> None:
        self.records = Records(self.folder / "meta.db")
        self.records.start()
        self.content = ContentStore(self.folder)
        self.files = layer_store("erofs", self.folder / "layers")
        self.events = Events()
        self.layers = LayerStore(self.records, self.content, self.files, cast("Any", None))
        self.store = ImageStore(self.records, self.content, self.layers, self.events, lambda: [])
        self.transfers = Transfers(self.layers, self.content, cast("Workers", self.workers), attempts=3)

    def reopen(self) -> None:
        self.records.close()
        self.open()
        asyncio.run(self.store.start())

    def close(self) -> None:
        self.records.close()

    def pull(self, name: str, **options: Any) -> list[Image]:
        """Pull by a new client, as a command does."""
        return asyncio.run(self.pulling(name, **options))

    async def pulling(self, name: str, *, settings: RegistrySettings | None = None, **options: Any) -> list[Image]:
        client = RegistryClient(settings or RegistrySettings(attempts=2))
        puller = Puller(self.store, self.layers, self.content, self.transfers, client, self.events, HOST)
        try:
            return await puller.pull(reference.parse(name), ANONYMOUS, self.emit, **options)
        finally:
            await client.close()

    async def emit(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def said(self) -> list[str]:
        """The messages without counts, as a client without a terminal shows them."""
        plain = [m for m in self.messages if not any((m.get("progressDetail") or {}).values())]
        return [f"{m['id']}: {m['status']}" if m.get("id") else m["status"] for m in plain]

    @property
    def partials(self) -> dict[str, int]:
        """The bytes of each blob that is not whole."""
        return {digest: found.st_size for digest, found in present(self.folder).items()}

    def leavings(self) -> list[str]:
        """What is on disk of content and layers, but for what belongs to an image."""
        kept = {key for image in self.store for key in (*image.documents, *image.diff_ids)}
        kept |= {blob for image in self.store for d in image.diff_ids if (blob := self.layers.get(d).blob)}
        found = {*self.content.digests(), *self.files.layers()} - kept
        return [*sorted(found), *(path.name for path in self.folder.glob("**/ingest/*"))]


@contextmanager
def pulling(folder: Path) -> Iterator[tuple[Pulling, FakeRegistry]]:
    """A daemon's image store and a registry."""
    world = Pulling(folder)
    try:
        with FakeRegistry() as registry:
            yield world, registry
    finally:
        world.close()


def document(value: Any) -> bytes:
    """A JSON document's bytes."""
    return json.dumps(value).encode()
