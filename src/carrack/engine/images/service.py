"""The services around images in one hand, for the routes and the wiring, and what ties them to the containers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from carrack.engine.images.bootstrap import Bootstrapper
from carrack.engine.images.changed import pack_by
from carrack.engine.images.commit import Committer, Source
from carrack.engine.images.delete import Remover, Use
from carrack.engine.images.documents import Document
from carrack.engine.images.import_ import Importer
from carrack.engine.images.keeper import Keeper
from carrack.engine.images.layers import Apply, LayerStore
from carrack.engine.images.listing import Lister
from carrack.engine.images.load import Loader
from carrack.engine.images.looking import Look, Looker
from carrack.engine.images.packing import Packer
from carrack.engine.images.policy import Disk
from carrack.engine.images.pull import Puller
from carrack.engine.images.push import Pusher, PushServices
from carrack.engine.images.remote import Remote
from carrack.engine.images.save import Saver
from carrack.engine.images.store import ImageStore
from carrack.engine.images.transfer import Transfers
from carrack.engine.images.variants import Variants
from carrack.engine.whole import whole
from carrack.errors import Conflict
from carrack.oci.platform import of_machine
from carrack.storage.apply import Expected, Spooled
from carrack.storage.jobs import Workers, WorkerSettings
from carrack.storage.looks import ImageLayers, LookSettings, look
from carrack.storage.usage import room

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.engine.images.image import Image
    from carrack.model.container import MountPoint
    from carrack.oci.reference import Reference
    from carrack.registry.client import RegistryClient
    from carrack.storage.content import ContentStore, Ingest
    from carrack.storage.records import Records
    from carrack.storage.snapshots.base import Snapshotter


class _State(Protocol):
    @property
    def status(self) -> str: ...
    @property
    def running(self) -> bool: ...


class _Shim(Protocol):
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...


class _Container(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def image(self) -> str: ...
    @property
    def image_id(self) -> str: ...
    @property
    def layers(self) -> tuple[str, ...]: ...
    @property
    def mounts(self) -> list[MountPoint]: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def state(self) -> _State: ...
    @property
    def shim(self) -> _Shim | None: ...


class Containers(Protocol):
    """What images need to know of containers: the container store is one."""

    def __iter__(self) -> Iterator[Any]: ...

    def find(self, reference: str) -> Any:
        """The container of a name, id or prefix. Raises NotFound."""


@dataclass(frozen=True, slots=True)
class Images:
    """All image services."""

    store: ImageStore
    layers: LayerStore
    loader: Loader
    saver: Saver
    importer: Importer
    committer: Committer
    remover: Remover
    lister: Lister
    looker: Looker
    variants: Variants
    bootstrapper: Bootstrapper
    commits: ContainerCommits
    keeper: Keeper
    workers: Workers
    client: RegistryClient
    puller: Puller
    pusher: Pusher

    @classmethod
    def build(
        cls,
        *,
        records: Records,
        content: ContentStore,
        snapshotter: Snapshotter,
        events: Events,
        containers: Containers,
        client: RegistryClient,
        layers_root: Path | None = None,
        remembered: Callable[[], Sequence[str]] = list,
    ) -> Images:
        """Construct them; nothing runs yet. `layers_root`: the snapshotter's; `remembered`: layers to be kept."""
        root = layers_root or content.root / "layers"
        workers = Workers(WorkerSettings(snapshotter.name, root, content.root))
        users, host = partial(_users, containers), of_machine(os.uname().machine)
        layers = LayerStore(records, content, snapshotter, _apply(workers), pack_by(workers))
        store = ImageStore(records, content, layers, events, lambda: [*held_layers(containers), *remembered()])
        importer = Importer(store, layers, content, host)
        committer, remover = Committer(store, layers, content), Remover(store, users, events)
        variants = Variants(store, layers, content, users)
        return cls(
            store=store,
            layers=layers,
            loader=Loader(store, layers, content, host),
            saver=Saver(store, layers, content),
            importer=importer,
            committer=committer,
            remover=remover,
            lister=Lister(store, layers, users, snapshotter.name, variants),
            variants=variants,
            looker=Looker(store, layers, _look(LookSettings(snapshotter.name, root, content.root))),
            bootstrapper=Bootstrapper(importer, content, content.root / "bootstrap", host),
            commits=ContainerCommits(store, committer, containers, snapshotter, events),
            keeper=Keeper(store, layers, content, remover, users, events, lambda: Disk(*room(content.root))),
            workers=workers,
            client=client,
            puller=Puller(store, layers, content, Transfers(layers, content, workers), client, events, host),
            pusher=_pusher(store, layers, content, events, client),
        )

    @property
    def remote(self) -> Remote:
        """What registries are asked without an image coming or going."""
        return Remote(self.client)

    def allow(self, downloads: int, uploads: int) -> None:
        """So many layers come from registries and go there at a time from now on."""
        self.puller.transfers.allow(downloads)
        self.pusher.allow(uploads)

    async def start(self) -> None:
        """Read the records and sweep what a crash has left; containers must have been read before."""
        await self.store.start()
        await self.bootstrapper.start()

    async def close(self) -> None:
        """End what runs, and write down what was used."""
        await self.workers.close()
        await self.client.close()
        await self.keeper.note_uses()

    async def documents(self) -> list[Document]:
        """What `system df` shows of images."""
        return await self.lister.usage()


def _pusher(
    store: ImageStore, layers: LayerStore, content: ContentStore, events: Events, client: RegistryClient
) -> Pusher:
    return Pusher(PushServices(store, layers, content, Packer(layers, content), events), client)


def _users(containers: Containers) -> list[Use]:
    mounted = [(c, point["Image"]) for c in containers for point in c.mounts if point["Type"] == "image"]
    made = [(c, c.image_id) for c in containers]
    return [Use(c.id, image, c.state.running) for c, image in (*made, *mounted)]


def held_layers(containers: Containers) -> list[str]:
    """The diff ids of the layers that containers stand on, or have mounted."""
    mounted = [point["Layers"] for c in containers for point in c.mounts if point["Type"] == "image"]
    return [diff_id for layers in (*(c.layers for c in containers), *mounted) for diff_id in layers]


def _apply(workers: Workers) -> Apply:
    async def apply(fd: int, diff_id: str, spool: Ingest) -> int:
        blob = spool.finish()
        spooled = Spooled(blob.digest, blob.size, spool.room) if spool.room else None
        return (await workers.apply(fd, Expected(diff_id=diff_id), spooled)).tar_size

    return apply


def _look(settings: LookSettings) -> Look:
    async def looked(images: Sequence[ImageLayers], full: bool, most: int) -> Document:
        return await look(settings, images, full=full, most=most)

    return looked


class ContainerCommits:
    """`commit` by a container's name."""

    def __init__(
        self, store: ImageStore, committer: Committer, containers: Containers, snapshotter: Snapshotter, events: Events
    ) -> None:
        self._store = store
        self._committer = committer
        self._containers = containers
        self._snapshotter = snapshotter
        self._events = events

    async def commit(
        self,
        container: str,
        name: Reference | None,
        *,
        overrides: Mapping[str, Any] | None = None,
        instructions: Sequence[str] = (),
        author: str = "",
        comment: str = "",
        pause: bool = True,
    ) -> Image:
        """Commit a container, frozen meanwhile when it runs and `pause` is wanted.

        Raises NotFound, InvalidArgument, Conflict for one that is being removed.
        """
        found: _Container = self._containers.find(container)
        if found.state.status in ("removing", "dead"):
            raise Conflict(f"cannot commit container {found.id[:12]}: it is being removed")
        parent = await self._store.resolve(found.image_id)
        frozen = pause and found.state.status == "running" and found.shim is not None
        shim = found.shim if frozen else None
        if shim is not None:
            await shim.pause()
            self._tell("pause", found)
        try:
            image = await self._committer.commit(
                Source(found.config, lambda: self._snapshotter.changes(found.id), parent),
                name,
                overrides=overrides,
                instructions=instructions,
                author=author,
                comment=comment,
            )
            self._tell("commit", found, comment=comment, imageID=image.id, imageRef=name.familiar if name else "")
        finally:
            if shim is not None:
                await whole(shim.resume())
                self._tell("unpause", found)
        return image

    def _tell(self, action: str, found: _Container, **more: str) -> None:
        labels = found.config.get("Labels") or {}
        self._events.publish(
            "container", action, found.id, {**labels, "image": found.image, "name": found.name, **more}
        )
