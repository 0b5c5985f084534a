"""`save`: images as one tar that is a docker-archive and an OCI image layout at the same time.

    blobs/sha256/<hex>    configs, manifests and layers, each once, in the order of their digests
    index.json            an entry per name, as OCI has it
    manifest.json         an entry per image, as docker has it
    oci-layout
    repositories          names only; left out when no image was asked for by name

The same images give the same bytes: fixed order, fixed times. A layer that came compressed goes out as it came; any
other as its exact tar. An image of which several platforms are here goes out with all of them, under its index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carrack.engine import pump
from carrack.engine.images import attested
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import attestation, document, image_config, manifest, media_types, reference
from carrack.oci import digest as digests
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.oci.platform import Platform
from carrack.oci.reference import Reference
from carrack.storage import tarwriter
from carrack.storage.tarheader import REGULAR

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore
    from carrack.oci.image_config import ImageConfigDocument
    from carrack.storage.content import ContentStore
    from carrack.storage.tarwriter import Write

_PIECE = 96 * 1024  # malloc(3) maps fresh pages for much larger ones, each time


@dataclass(slots=True)
class _Archive:
    """What goes into one archive: small documents by digest, and layers by the digest they go out with."""

    documents: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    index: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    repositories: dict[str, dict[str, str]] = field(default_factory=dict)


class Saver:
    """Saves images."""

    def __init__(self, store: ImageStore, layers: LayerStore, content: ContentStore) -> None:
        self._store = store
        self._layers = layers
        self._content = content

    async def save(self, names: Sequence[str], wanted: Platform | None = None) -> AsyncGenerator[bytes, None]:
        """The archive of the images that `names` (names, ids, or repositories for all their tags) stand for, with
        their other platforms unless one is `wanted`.

        The generator's first step raises NotFound, InvalidArgument; nothing is yielded before all is found.
        """
        chosen = await self._choose(names, wanted)
        async with AsyncExitStack() as held:
            archive = _Archive()
            for image, tags in chosen.values():
                done = chosen.keys() | archive.documents.keys()
                siblings = [] if wanted else [each for each in self._store.siblings(image) if each.id not in done]
                for each in (image, *siblings):
                    await held.enter_async_context(self._store.hold(each))
                    await self._store.resolve(each.id)  # it may have been removed before it was held
                self._add(archive, image, siblings, tags)
            chunks = pump.produce(lambda write: self._write(archive, write))
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                await chunks.aclose()
        for image, _ in chosen.values():
            self._store.publish("save", image)

    def pack(
        self,
        images: Sequence[tuple[bytes, bytes]],
        names: Sequence[Reference],
        top: Descriptor,
        documents: Mapping[str, bytes],
    ) -> AsyncGenerator[bytes, None]:
        """The archive of an image that is on no record: for each platform its config and its manifest (of layers as
        `layer` describes them), what the names lead to, and the other documents by digest. The caller holds its layers
        until it has the last byte. Raises NotFound for a layer that is not here."""
        archive = _Archive()
        for number, (config, data) in enumerate(images):
            parsed = image_config.parse(config)
            layers = [self._layer(archive, diff_id) for diff_id in parsed["rootfs"]["diff_ids"]]
            self._put(archive, config, parsed, layers, data, [] if number else list(names))
        archive.documents |= documents
        _list(archive, top.document(), names)
        return pump.produce(lambda write: self._write(archive, write))

    def layer(self, diff_id: str) -> Descriptor:
        """A layer in the form in which it is here. Raises NotFound."""
        return self._layer(_Archive(), diff_id)

    async def _choose(self, names: Sequence[str], wanted: Platform | None) -> dict[str, tuple[Image, list[Reference]]]:
        """The images by id, each with the names to save it under."""
        if not names:
            raise InvalidArgument("no image names or ids were given to save")
        chosen: dict[str, tuple[Image, list[Reference]]] = {}
        for text in names:
            for found, name in await self._expand(text):
                image = await self._for(wanted, found)
                _, tags = chosen.setdefault(image.id, (image, []))
                if name is not None and name not in tags:
                    tags.append(name)
        return chosen

    async def _for(self, wanted: Platform | None, image: Image) -> Image:
        try:
            return await self._store.resolve(image.id, wanted)
        except NotFound:
            raise NotFound(f"no suitable export target found for platform {wanted}") from None

    async def _expand(self, text: str) -> list[tuple[Image, Reference | None]]:
        if reference.parse_id(text) is None:
            wanted = reference.parse(text)
            if not wanted.tag and not wanted.digest:
                every = [(image, name) for image in self._store for name in image.references]
                tagged = [(image, name) for image, name in every if name.name == wanted.name and name.tag]
                if tagged:
                    return sorted(tagged, key=lambda pair: str(pair[1]))
            elif self._store.named(wanted) is not None:
                return [(await self._store.resolve(text), wanted if wanted.tag else None)]
        try:
            return [(await self._store.resolve(text), None)]
        except NotFound as error:
            raise NotFound(f"No such image: {text}") from error

    def _add(self, archive: _Archive, image: Image, siblings: list[Image], tags: list[Reference]) -> None:
        """Put in an image with those of its other platforms and what is said about them; its names lead to its index
        if there is any of that."""
        target = self._add_one(archive, image, tags)
        for sibling in siblings:
            self._add_one(archive, sibling, [])
        if image.index and self._content.has(image.index):
            data = self._content.read(image.index, manifest.SIZE_LIMIT)
            index = manifest.parse_index(data)
            said = self._attestations(archive, index)
            if siblings or said or all(entry.digest in archive.documents for entry in index.manifests):
                archive.documents[image.index] = data
                target = Descriptor(index.media_type, image.index, len(data)).document()
        _list(archive, target, tags)

    def _attestations(self, archive: _Archive, index: Index) -> bool:
        """Put in what is said about manifests that are in the archive; whether there is anything."""
        found = attested.kept(self._content, index)
        about = [each for each in found if each.entry.annotations.get(attestation.OF) in archive.documents]
        for each in about:
            archive.documents[each.entry.digest] = each.data
            for blob in each.blobs:
                archive.documents[blob.digest] = self._content.read(blob.digest, attestation.SIZE_LIMIT)
        return bool(about)

    def _add_one(self, archive: _Archive, image: Image, tags: list[Reference]) -> dict[str, Any]:
        """Put in one image, and return a descriptor of its manifest."""
        config = self._content.read(image.id, image_config.SIZE_LIMIT)
        layers = [self._layer(archive, diff_id) for diff_id in image.diff_ids]
        return self._put(archive, config, image.config, layers, self._manifest(image, layers), tags)

    def _put(
        self,
        archive: _Archive,
        config: bytes,
        meant: ImageConfigDocument,
        layers: list[Descriptor],
        kept: bytes,
        tags: list[Reference],
    ) -> dict[str, Any]:
        identity, diff_ids = digests.of(config), meant["rootfs"]["diff_ids"]
        pointer = Descriptor(media_types.OCI_CONFIG, identity, len(config))
        data = kept or document.encode(Manifest(media_types.OCI_MANIFEST, pointer, tuple(layers)).document())
        parsed = manifest.parse(data)
        archive.documents[identity] = config
        archive.documents[digests.of(data)] = data
        target = Descriptor(parsed.media_type, digests.of(data), len(data)).document()
        target["platform"] = image_config.platform_of(meant).document()
        archive.entries.append(
            {
                "Config": _path(identity),
                "RepoTags": [name.familiar for name in tags] or None,
                "Layers": [_path(layer.digest) for layer in layers],
                "LayerSources": {diff_id: layer.document() for diff_id, layer in zip(diff_ids, layers, strict=True)},
            }
        )
        for name in tags:
            top = layers[-1].digest if layers else identity
            archive.repositories.setdefault(name.familiar_name, {})[name.tag] = digests.encoded(top)
        return target

    def _layer(self, archive: _Archive, diff_id: str) -> Descriptor:
        file, blob, media_type = self._layers.open(diff_id)
        file.close()
        archive.layers[blob.digest] = diff_id
        return Descriptor(media_type, blob.digest, blob.size)

    def _manifest(self, image: Image, layers: list[Descriptor]) -> bytes:
        """The manifest that the image came with, when its layers are still what it points to."""
        if not image.manifest or not self._content.has(image.manifest):
            return b""
        data = self._content.read(image.manifest, manifest.SIZE_LIMIT)
        parsed = manifest.parse(data)
        same = isinstance(parsed, Manifest) and [layer.digest for layer in parsed.layers] == [x.digest for x in layers]
        return data if same else b""

    def _write(self, archive: _Archive, write: Write) -> None:
        tarwriter.write_directory(write, b"blobs/")
        tarwriter.write_directory(write, b"blobs/sha256/")
        for digest in sorted(archive.documents.keys() | archive.layers.keys()):
            if digest in archive.documents:
                tarwriter.write_bytes(write, _path(digest).encode(), archive.documents[digest])
            else:
                self._write_layer(archive.layers[digest], write)
        index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": archive.index}
        tarwriter.write_bytes(write, b"index.json", document.encode(index))
        tarwriter.write_bytes(write, b"manifest.json", document.encode(archive.entries))
        tarwriter.write_bytes(write, b"oci-layout", document.encode({"imageLayoutVersion": "1.0.0"}))
        if archive.repositories:
            tarwriter.write_bytes(write, b"repositories", document.encode(archive.repositories))
        tarwriter.finish(write)

    def _write_layer(self, diff_id: str, write: Write) -> None:
        file, blob, _ = self._layers.open(diff_id)
        with file:
            write(tarwriter.header(_path(blob.digest).encode(), REGULAR, 0o644, size=blob.size))
            left = blob.size
            while left:
                piece = file.read(min(left, _PIECE))
                if not piece:
                    raise OSError(None, f"layer {diff_id} ended {left} bytes early; its file is damaged")
                write(piece)
                left -= len(piece)
            write(tarwriter.padding(blob.size))


def _path(digest: str) -> str:
    return f"blobs/sha256/{digests.encoded(digest)}"


def _list(archive: _Archive, target: dict[str, Any], names: Sequence[Reference]) -> None:
    """An entry of the index for each name; one without any when there is none."""
    said = target.get("annotations", {})
    archive.index.extend({**target, "annotations": {**said, **_annotations(name)}} for name in names)
    if not names:
        archive.index.append(target)


def _annotations(name: Reference) -> dict[str, str]:
    return {"io.containerd.image.name": str(name), "org.opencontainers.image.ref.name": name.tag}
