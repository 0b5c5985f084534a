"""`system df --explain`: who has each byte of the data root. Pure, but for the one class that asks the services.

An owner is an image, a container, a volume, the engine itself, or nobody: what nobody owns is said by its path, with
the reason and what can be done about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from carrack.engine.images.checks import called
from carrack.storage import accounting
from carrack.storage.accounting import Place, Share
from carrack.storage.snapshots.base import chain_id

if TYPE_CHECKING:
    from carrack.engine.images.image import Image
    from carrack.engine.images.service import Images

Document = dict[str, Any]

IMAGE, CONTAINER, VOLUME, BUILDS, ENGINE, UNOWNED = "image", "container", "volume", "builds", "engine", "unowned"

_GC = "`carrack gc` removes it"
_FSCK = "`carrack fsck --repair` removes it"


@dataclass(frozen=True, slots=True)
class Holding:
    """What one image, or one container, stands on: its layers (base first) and blobs, under the name it is shown by."""

    name: str
    layers: tuple[str, ...]
    blobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """All that the services know of. ``containers`` by id; ``driver`` is the tree of the snapshot driver in use;
    ``cached`` are the digests of blobs that are kept for the next pull; ``builds`` what the build cache remembers, and
    ``running`` the ids of steps that are just being run."""

    images: tuple[Holding, ...]
    containers: Mapping[str, Holding]
    volumes: Collection[str]
    driver: str
    cached: Collection[str] = ()
    builds: tuple[Holding, ...] = ()
    running: Collection[str] = ()


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """Bytes of one owner. ``owners`` are all that share them; ``note`` says of what nobody owns why, and what to do."""

    kind: str
    owners: tuple[str, ...]
    what: str
    note: str = field(default="", compare=False)
    size: int = field(default=0, compare=False)

    def document(self) -> Document:
        """As the API shows it."""
        return {
            "Kind": self.kind,
            "Owners": list(self.owners),
            "What": self.what,
            "Size": self.size,
            "Note": self.note,
        }


def explain(shares: Iterable[Share], known: Known) -> list[Row]:
    """One row for each owner and kind of thing, the largest first within each kind of owner; the sum is that of all."""
    owners = _Owners(known)
    sizes: dict[Row, int] = {}
    for share in shares:
        row = owners.of(share.place)
        sizes[row] = sizes.get(row, 0) + share.size
    order = (IMAGE, CONTAINER, VOLUME, BUILDS, ENGINE, UNOWNED)
    rows = [Row(row.kind, row.owners, row.what, row.note, size) for row, size in sizes.items()]
    return sorted(rows, key=lambda row: (order.index(row.kind), -row.size, row.owners, row.what))


class _Owners:
    """Finds the owner of a place."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._layers = _index((image.name, image.layers) for image in known.images)
        self._blobs = _index((image.name, image.blobs) for image in known.images)
        self._chains = _index((image.name, _chains(image.layers)) for image in known.images)
        held = known.containers.values()
        self._held = _index((container.name, container.layers) for container in held)
        self._held_chains = _index((container.name, _chains(container.layers)) for container in held)
        self._built = {diff_id for build in known.builds for diff_id in build.layers}
        self._built |= {chain for build in known.builds for chain in _chains(build.layers)}
        self._built_blobs = {digest for build in known.builds for digest in build.blobs}

    def of(self, place: Place) -> Row:
        if place.driver not in ("", self._known.driver):
            return _nobodys(f"layers/{place.driver}", f"of the storage driver {place.driver}, which is not in use")
        return _OF_KIND[place.kind](self, place)

    def layer(self, place: Place) -> Row:
        return self._of_images(place, f"sha256:{place.name}", self._layers, self._held, "layers", "layers/{}/layers/{}")

    def chain(self, place: Place) -> Row:
        return self._of_images(place, place.name, self._chains, self._held_chains, "mount points", "layers/{}/…/{}")

    def tree(self, place: Place) -> Row:
        return self._of_images(place, place.name, self._chains, self._held_chains, "unpacked layers", "layers/{}/…/{}")

    def _of_images(
        self,
        place: Place,
        key: str,
        images: Mapping[str, tuple[str, ...]],
        containers: Mapping[str, tuple[str, ...]],
        what: str,
        path: str,
    ) -> Row:
        if key in images:
            return Row(IMAGE, images[key], what if len(images[key]) == 1 else f"shared {what}")
        if key in containers:
            return Row(CONTAINER, containers[key], f"{what} of a removed image")
        if key in self._built:
            return Row(BUILDS, (), f"{what} of the build cache")
        return _nobodys(path.format(place.driver, place.name), f"nothing needs it: {_GC}")

    def blob(self, place: Place) -> Row:
        digest = f"sha256:{place.name}"
        if digest in self._blobs:
            return Row(IMAGE, self._blobs[digest], "compressed layers and manifests")
        if digest in self._built_blobs:
            return Row(BUILDS, (), "compressed layers of the build cache")
        if digest in self._known.cached:
            return Row(ENGINE, (), "layers of removed images, kept for the next pull")
        return _nobodys(f"blobs/sha256/{place.name}", f"nothing needs it: {_GC}")

    def of_container(self, place: Place) -> Row:
        what, path = _OF_CONTAINER[place.kind]
        container = self._known.containers.get(place.name)
        if place.name in self._known.running or place.name.startswith("build-"):
            return Row(BUILDS, (), "steps that are being run")
        if container is None:
            return _nobodys(path.format(driver=place.driver, name=place.name), f"of no container: {_FSCK}")
        return Row(CONTAINER, (container.name,), what)

    def volume(self, place: Place) -> Row:
        if place.name in self._known.volumes:
            return Row(VOLUME, (place.name,), "data")
        return _nobodys(f"volumes/{place.name}", "of no volume on record: look at it, and remove it by hand")

    def build(self, place: Place) -> Row:
        return Row(BUILDS, (), "cache mounts")

    def engine(self, place: Place) -> Row:
        return Row(ENGINE, (), _OF_ENGINE[place.kind])

    def damaged(self, place: Place) -> Row:
        note = "a damaged record database that was put aside: remove it when nothing is missing"
        return _nobodys("meta.db.damaged", note)

    def quarantine(self, place: Place) -> Row:
        return _nobodys("quarantine", "put there by fsck: remove it when nobody wants to look at it")

    def unknown(self, place: Place) -> Row:
        return _nobodys(place.name, "not of this engine: look at it, and remove it by hand")


def _nobodys(path: str, note: str) -> Row:
    return Row(UNOWNED, (), path, note)


def _index(holders: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    """Who has each thing: names in order, each once."""
    found: dict[str, set[str]] = {}
    for name, things in holders:
        for thing in things:
            found.setdefault(thing, set()).add(name)
    return {thing: tuple(sorted(names)) for thing, names in found.items()}


def _chains(layers: tuple[str, ...]) -> Iterator[str]:
    """The hexadecimal names of the chains that a snapshot driver may have made something for."""
    for count in range(len(layers) + 1):
        if count or not layers:
            yield chain_id(layers[:count]).partition(":")[2]


_OF_CONTAINER = {
    accounting.SNAPSHOT: ("written files", "layers/{driver}/containers/{name}"),
    accounting.FILES: ("name files", "containers/{name}"),
    accounting.LOG: ("logs", "containers/{name}"),
}
_OF_ENGINE = {
    accounting.RECORDS: "records",
    accounting.RESERVE: "room kept back for a full disk",
    accounting.INGEST: "content on its way in",
    accounting.PARTIAL: "unfinished downloads, kept for the next try",
    accounting.ENGINE: "directories and marks",
}
_OF_KIND: dict[str, Callable[[_Owners, Place], Row]] = {
    accounting.LAYER: _Owners.layer,
    accounting.CHAIN: _Owners.chain,
    accounting.TREE: _Owners.tree,
    accounting.BLOB: _Owners.blob,
    accounting.BUILD: _Owners.build,
    accounting.VOLUME: _Owners.volume,
    accounting.DAMAGED: _Owners.damaged,
    accounting.QUARANTINE: _Owners.quarantine,
    accounting.UNKNOWN: _Owners.unknown,
    **dict.fromkeys(_OF_CONTAINER, _Owners.of_container),
    **dict.fromkeys(_OF_ENGINE, _Owners.engine),
}


class Containers(Protocol):
    """What is needed of the container store."""

    transient: set[str]

    def __iter__(self) -> Iterator[Any]: ...


class Accountant:
    """Measures the data root on demand, one at a time. ``driver`` is the snapshot driver's name; ``volumes`` tells the
    names on record, ``builds`` the chains of layers that builds remember."""

    def __init__(
        self,
        root: Path,
        images: Images,
        containers: Containers,
        volumes: Callable[[], Collection[str]],
        builds: Callable[[], Iterable[tuple[str, ...]]],
        driver: str,
    ) -> None:
        self._root = root
        self._images = images
        self._containers = containers
        self._volumes = volumes
        self._builds = builds
        self._driver = driver
        self._running = asyncio.Lock()

    async def explain(self) -> Document:
        """``Root``, ``Size`` of all of it, and ``Rows``."""
        async with self._running:
            before = self._known()
            shares = await asyncio.to_thread(accounting.measure, self._root)
            rows = explain(shares, _both(before, self._known()))
        return {
            "Root": str(self._root),
            "Size": sum(row.size for row in rows),
            "Rows": [row.document() for row in rows],
        }

    def _known(self) -> Known:
        store = self._images.store
        images = tuple(Holding(called(store, image), image.diff_ids, self._blobs(image)) for image in store)
        containers = {c.id: Holding(c.name, c.layers) for c in self._containers}
        cached = {blob.digest for blob in self._images.layers.cache.blobs}
        blobs = self._images.layers.blobs
        builds = tuple(Holding("", layers, tuple(blobs(layers))) for layers in set(self._builds()))
        running = set(self._containers.transient)
        return Known(images, containers, set(self._volumes()), self._driver, cached, builds, running)

    def _blobs(self, image: Image) -> tuple[str, ...]:
        return (*image.documents, *self._images.layers.blobs(image.diff_ids))


def _both(one: Known, other: Known) -> Known:
    """All that was there before the disk was looked at, or after: what came or went meanwhile has an owner, too."""
    volumes = {*one.volumes, *other.volumes}
    containers, cached = {**one.containers, **other.containers}, {*one.cached, *other.cached}
    builds, running = (*one.builds, *other.builds), {*one.running, *other.running}
    return Known((*one.images, *other.images), containers, volumes, other.driver, cached, builds, running)
