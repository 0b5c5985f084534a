"""All images of this daemon: found by name, id or unique prefix; every change in one transaction with its names.

An image is its config blob (whose digest is its id), the layers that it names, and rows for what the config does not
say: names, parent, when it was last tagged.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from carrack.engine.images.image import Image
from carrack.engine.images.uses import Uses
from carrack.engine.whole import whole
from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.model import times
from carrack.oci import digest as digests
from carrack.oci import image_config, reference
from carrack.oci import platform as platforms
from carrack.oci.reference import Reference
from carrack.storage import partial as partly
from carrack.storage.gc import Garbage, ImageRoots

if TYPE_CHECKING:
    from sqlite3 import Connection

    from carrack.engine.events import Events
    from carrack.engine.images.layers import LayerStore
    from carrack.oci.platform import Platform
    from carrack.storage.content import ContentStore
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

HeldLayers = Callable[[], Iterable[str]]

_FORSAKEN = 3 * 86400.0
"""Seconds for which what came of a pull that failed is kept for another try."""


class ImageStore:
    """The index in memory and the records behind it.

    `held_layers` tells the diff ids that containers stand on, so that they outlive a forced removal of their image.
    """

    def __init__(
        self, records: Records, content: ContentStore, layers: LayerStore, events: Events, held_layers: HeldLayers
    ) -> None:
        self._records = records
        self._content = content
        self._layers = layers
        self._events = events
        self._held_layers = held_layers
        self.uses = Uses(records)
        self._by_id: dict[str, Image] = {}
        self._names: dict[str, str] = {}
        self._change = asyncio.Lock()

    async def start(self) -> None:
        """Read the records, then sweep what a crash may have left. An unreadable image is reported, never fatal."""
        self._layers.load()
        self.uses.load()
        names: dict[str, list[Reference]] = {}
        for text, identity in self._records.read("SELECT reference, image_id FROM tag ORDER BY reference"):
            try:
                names.setdefault(identity, []).append(reference.parse(text))
            except InvalidArgument as error:
                log.error("the record of the name %r of image %s is unreadable: %s", text, identity, error)
        for identity, document in self._records.read("SELECT id, document FROM image"):
            try:
                record = json.loads(document)
                record["layers"] = [str(word) for word in record["layers"]]
            except (ValueError, LookupError, TypeError) as error:
                log.error("image %s has an unreadable record (%s); it is left alone, load it again", identity, error)
                continue
            try:
                config = image_config.parse(self._content.read(identity, image_config.SIZE_LIMIT))
            except (OSError, CarrackError) as error:
                log.error("image %s is unreadable (%s); remove it by its id, or load it again", identity, error)
                config = _lost_config(record["layers"])
            image = Image(
                identity, config, 0, tuple(names.get(identity, ())), record.get("parent", ""),
                record.get("manifest", ""), record.get("last_tagged", 0), record.get("index", ""),
                tuple(map(str, record.get("extras", ()))),
            )  # fmt: skip
            self._put(replace(image, size=self._layers.size(image.diff_ids)))
        await asyncio.to_thread(self._content.sweep)
        await self.collect()

    def __iter__(self) -> Iterator[Image]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    async def resolve(self, text: str, wanted: Platform | None = None) -> Image:
        """The image of a name (tag `latest` by default), an id, or a unique prefix of an id; with `wanted`, that of
        it and its siblings which is for this platform.

        Raises InvalidArgument on a malformed name, NotFound("No such image: NAME:TAG").
        """
        found = self._find(text)
        if wanted is None:
            return found
        for image in (found, *self.siblings(found)):
            if platforms.matches(wanted, image_config.platform_of(image.config)):
                return image
        offered = image_config.platform_of(found.config)
        raise NotFound(
            f"image with reference {text} was found but its platform ({offered}) "
            f"does not match the specified platform ({wanted})"
        )

    def siblings(self, image: Image) -> list[Image]:
        """The other images here that came by the same index, which are the same thing for other platforms."""
        if not image.index:
            return []
        return [other for other in self._by_id.values() if other.index == image.index and other.id != image.id]

    def _find(self, text: str) -> Image:
        identity = reference.parse_id(text)
        if identity is not None:
            if identity not in self._by_id:
                raise NotFound(f"No such image: {identity}")
            return self._by_id[identity]
        name = reference.parse(text).with_default_tag()
        found = self._names.get(str(name))
        if found is None and name.digest:
            found = self._names.get(str(name.only(digest=name.digest)))
        found = found or self._by_prefix(text)
        if found is None:
            raise NotFound(f"No such image: {name.familiar}")
        return self._by_id[found]

    def named(self, name: Reference) -> Image | None:
        """The image that has exactly this name."""
        found = self._names.get(str(name))
        return self._by_id[found] if found is not None else None

    def children(self, identity: str) -> list[Image]:
        """The images that were made from this one here."""
        return [image for image in self._by_id.values() if image.parent == identity]

    async def add(
        self,
        config: bytes,
        names: Sequence[Reference] = (),
        *,
        parent: str = "",
        manifest: bytes = b"",
        index: bytes = b"",
        extras: Mapping[str, bytes] | None = None,
        tagged: bool = False,
    ) -> tuple[Image, list[tuple[Reference, str]]]:
        """Record an image whose layers are all there (and held by the caller), with its names, and the manifest and
        the index that it came by. ``extras``: the blobs of the index's attestations, by digest.

        Returns it, and which names it took from which other image. ``tagged``: the names are somebody's wish now, not
        an archive's. Raises InvalidArgument on a bad config.
        """
        identity = digests.of(config)
        known = self._by_id.get(identity)
        parsed = known.config if known else image_config.parse(config)
        missing = [diff_id for diff_id in parsed["rootfs"]["diff_ids"] if not known and not self._layers.has(diff_id)]
        if missing:
            raise InvalidArgument(f"image {identity}: layer {missing[0]} is missing")
        blobs = {**{digests.of(data): data for data in (config, manifest, index) if data}, **(extras or {})}
        async with self._layers.hold(blobs), self._change:
            for data in [data for digest, data in blobs.items() if not self._content.has(digest)]:
                await whole(asyncio.to_thread(self._content.put, data))
            known = self._by_id.get(identity)
            image = known or Image(identity, parsed, self._layers.size(parsed["rootfs"]["diff_ids"]), parent=parent)
            if manifest:
                image = replace(image, manifest=digests.of(manifest))
            if index:
                image = replace(image, index=digests.of(index), extras=tuple(extras or ()))
            if tagged:
                image = replace(image, last_tagged=times.now())
            moved = await self._enter(image, names, blobs)
            return self._by_id[identity], moved

    async def tag(self, image: Image, name: Reference) -> None:
        """Give the image a name, taking it from whichever has it; event `tag`."""
        async with self._change:
            current = self._by_id.get(image.id)
            if current is None:
                raise NotFound(f"No such image: {image.id}")
            tagged = replace(current, last_tagged=times.now())
            await whole(self._write(tagged, [name], {}, durable=self._tells_more(tagged, [name])))
        self.publish("tag", image, name.familiar)

    async def untag(self, name: Reference) -> None:
        """Take a name from its image; nothing happens when none has it."""
        async with self._change:
            if str(name) in self._names:
                await whole(self._untag(name))

    async def remove(self, image: Image) -> None:
        """Forget the image with all its names. What it alone needed goes with the next collect()."""

        async with self._change:
            await whole(self._remove(image.id))

    async def collect(self, *, feed: bool = False, empty: bool = False) -> int:
        """Delete layers and blobs that nothing needs any more; returns the bytes of the layers. With `feed` blobs may
        be kept for the next pull; with `empty` none of those kept so far is, and nothing of pulls that failed."""
        if empty:
            self._layers.cache.drop(blob.digest for blob in self._layers.cache.blobs)
        await asyncio.to_thread(partly.sweep, self._content.root, 0.0 if empty else _FORSAKEN)
        return await self._layers.collect(self._roots, self._held_layers, feed=feed)

    async def unneeded(self) -> Garbage:
        """What collect() would delete now."""
        return await self._layers.unneeded(self._roots, self._held_layers)

    @property
    def held(self) -> set[str]:
        """The layers that stay whatever becomes of the images: containers stand on them, or builds remember them."""
        return set(self._held_layers())

    @asynccontextmanager
    async def hold(self, image: Image) -> AsyncIterator[None]:
        """While inside, the image's layers stay, even if it is removed: for making a container from it, a use of it."""
        self.uses.touch(image.id)
        async with self._layers.hold([image.id, *image.diff_ids]):
            yield

    def publish(self, action: str, image: Image, name: str = "") -> None:
        """Tell the events: the image's labels, while it is there, and the name it was called by."""
        labels = {} if action == "delete" else image.labels
        self._events.publish("image", action, image.id, {**labels, "name": name or image.id})

    async def _untag(self, name: Reference) -> None:
        await self._records.write(lambda connection: _drop_name(connection, str(name)), spare=True)
        identity = self._names.pop(str(name))
        self._put(_without(self._by_id[identity], name))

    async def _remove(self, identity: str) -> None:
        def write(connection: Connection) -> None:
            connection.execute("DELETE FROM tag WHERE image_id = ?", (identity,))
            connection.execute("DELETE FROM image WHERE id = ?", (identity,))

        await self._records.write(write, spare=True)
        self._by_id.pop(identity, None)
        self._names = {name: other for name, other in self._names.items() if other != identity}

    def _roots(self) -> list[ImageRoots]:
        return [ImageRoots(image.diff_ids, image.documents) for image in self._by_id.values()]

    def _by_prefix(self, text: str) -> str | None:
        prefix = text.removeprefix("sha256:")
        if not digests.is_hex(prefix):
            return None
        found = [identity for identity in self._by_id if identity.startswith("sha256:" + prefix)]
        return found[0] if len(found) == 1 else None

    async def _enter(
        self, image: Image, names: Sequence[Reference], blobs: dict[str, bytes]
    ) -> list[tuple[Reference, str]]:
        """Record an image; that it was tagged once more is not waited for."""
        if self._tells_more(image, names):
            return await whole(self._write(image, names, blobs, durable=True))
        self._records.post(partial(_record, image, names, blobs))
        return self._note(image, names)

    async def _write(
        self, image: Image, names: Sequence[Reference], blobs: dict[str, bytes], *, durable: bool
    ) -> list[tuple[Reference, str]]:
        await self._records.write(partial(_record, image, names, blobs), durable=durable)
        return self._note(image, names)

    def _tells_more(self, image: Image, names: Sequence[Reference]) -> bool:
        """Whether there is more to record than when it was tagged, which need not be on disk."""
        known = self._by_id.get(image.id)
        new = known is None or known != replace(image, last_tagged=known.last_tagged)
        return new or any(self._names.get(str(name)) != image.id for name in names)

    def _note(self, image: Image, names: Sequence[Reference]) -> list[tuple[Reference, str]]:
        """What has been recorded, in memory."""
        self.uses.touch(image.id)
        moved = []
        for name in names:
            previous = self._names.get(str(name))
            if previous is not None and previous != image.id:
                moved.append((name, previous))
                self._put(_without(self._by_id[previous], name))
        together = {str(name): name for name in (*image.references, *names)}
        self._put(replace(image, references=tuple(together[key] for key in sorted(together))))
        return moved

    def _put(self, image: Image) -> None:
        self._by_id[image.id] = image
        for name in image.references:
            self._names[str(name)] = image.id


def _record(image: Image, names: Sequence[Reference], blobs: Mapping[str, bytes], connection: Connection) -> None:
    rows = [(digest, len(data), "") for digest, data in blobs.items()]
    connection.executemany("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", rows)
    upsert = "INSERT INTO image VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document"
    connection.execute(upsert, (image.id, image.record()))
    tags = [(str(name), image.id) for name in names]
    connection.executemany("INSERT OR REPLACE INTO tag VALUES (?, ?)", tags)


def _without(image: Image, name: Reference) -> Image:
    return replace(image, references=tuple(kept for kept in image.references if kept != name))


def _drop_name(connection: Connection, name: str) -> None:
    connection.execute("DELETE FROM tag WHERE reference = ?", (name,))


def _lost_config(layers: list[str]) -> image_config.ImageConfigDocument:
    """What stands for a config that cannot be read any more, so that the image can still be seen and removed."""
    return {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": layers}, "history": []}
