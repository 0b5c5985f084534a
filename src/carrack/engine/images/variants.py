"""What a multi-platform image holds, and what of it is here: the `Descriptor` and `Manifests` of the API.

An image that came by an index stands for all its platforms; its siblings (see `Image`) are those that are here too.
Images that never had a manifest (imported, committed, from a docker-archive) have nothing to show.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.errors import CarrackError
from carrack.oci import attestation, document, image_config, manifest, media_types
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.oci.platform import Platform

if TYPE_CHECKING:
    from carrack.engine.images.delete import Users
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore
    from carrack.storage.content import ContentStore

Document = dict[str, Any]
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an index lists: as it is understood, and word for word, for the platform to be shown as it was written."""

    descriptor: Descriptor
    shown: Document


@dataclass(frozen=True, slots=True)
class _Kept:
    """A manifest or an index that is here, and a descriptor of it."""

    descriptor: Descriptor
    parsed: Manifest | Index
    entries: tuple[_Entry, ...] = ()


class Variants:
    """Reads the manifests and indexes that are kept; a parsed one is remembered, as it never changes."""

    def __init__(self, store: ImageStore, layers: LayerStore, content: ContentStore, users: Users) -> None:
        self._store = store
        self._layers = layers
        self._content = content
        self._users = users
        self._parsed: dict[str, _Kept | None] = {}

    def target(self, image: Image) -> Descriptor | None:
        """What the image's names lead to: the index it came by, else its manifest."""
        found = self._read(image.index) or self._read(image.manifest)
        return found.descriptor if found else None

    def described(self, image: Image) -> Document | None:
        """A descriptor of the image's manifest, with all that the index says of it."""
        entries = self._entries(image.index)
        listed = next((entry for entry in entries if entry.descriptor.digest == image.manifest), None)
        if listed is not None:
            return listed.shown
        found = self._read(image.manifest)
        return found.descriptor.document() if found else None

    def manifests(self, image: Image) -> list[Document]:
        """A row for everything that the image's index lists, else one for its manifest; see ImageManifestSummary in
        the API's definition."""
        entries = list(self._entries(image.index))
        if not entries and (found := self._read(image.manifest)):
            entries = [_Entry(found.descriptor, found.descriptor.document())]
        here = {other.manifest: other for other in (image, *self._store.siblings(image))}
        return [self._row(entry, here.get(entry.descriptor.digest)) for entry in entries]

    def _row(self, listed: _Entry, image: Image | None) -> Document:
        entry = listed.descriptor
        found = self._read(entry.digest)
        parsed = found.parsed if found else None
        content = self._content_size(entry, parsed)
        unpacked = self._layers.size(image.diff_ids) if image else 0
        row: Document = {
            "ID": entry.digest,
            "Descriptor": listed.shown,
            "Available": image is not None,
            "Size": {"Content": content, "Total": content + unpacked},
            "Kind": _kind(entry, parsed),
        }
        if row["Kind"] == "attestation":
            row["AttestationData"] = {"For": entry.annotations.get(attestation.OF, "")}
            row["Available"] = parsed is not None and self._is_whole(parsed)
        elif row["Kind"] == "image":
            users = [use.container_id for use in self._users() if image is not None and use.image_id == image.id]
            row["ImageData"] = {
                "Platform": listed.shown.get("platform") or _platform(image),
                "Containers": users,
                "Size": {"Unpacked": unpacked},
            }
        return row

    def _content_size(self, entry: Descriptor, parsed: Manifest | Index | None) -> int:
        """The bytes of blobs that are here of a manifest and all it points to."""
        blobs = [parsed.config, *parsed.layers] if isinstance(parsed, Manifest) else []
        digests = dict.fromkeys((entry.digest, *(blob.digest for blob in blobs)))
        return sum(self._content.size(digest) for digest in digests if self._content.has(digest))

    def _is_whole(self, parsed: Manifest | Index) -> bool:
        blobs = [parsed.config, *parsed.layers] if isinstance(parsed, Manifest) else []
        return all(self._content.has(blob.digest) for blob in blobs)

    def _entries(self, digest: str, depth: int = 1) -> Iterator[_Entry]:
        """What an index lists, and what the indexes in it do."""
        found = self._read(digest)
        if found is None or depth > manifest.INDEX_DEPTH_LIMIT:
            return
        for entry in found.entries:
            if entry.descriptor.media_type in media_types.INDEXES:
                yield from self._entries(entry.descriptor.digest, depth + 1)
            else:
                yield entry

    def _read(self, digest: str) -> _Kept | None:
        """A manifest or index that is here, with a descriptor of it; None for what is not, or cannot be read."""
        if not digest:
            return None
        if digest not in self._parsed:
            if not self._content.has(digest):
                return None  # it may come
            if len(self._parsed) >= _REMEMBERED:
                self._parsed.clear()
            self._parsed[digest] = self._parse(digest)
        return self._parsed[digest]

    def _parse(self, digest: str) -> _Kept | None:
        try:
            data = self._content.read(digest, manifest.SIZE_LIMIT)
            parsed = manifest.parse(data)
        except (OSError, CarrackError):
            return None
        descriptor = Descriptor(parsed.media_type, digest, len(data))
        if isinstance(parsed, Manifest):
            return _Kept(descriptor, parsed)
        listed = document.parse(data, limit=manifest.SIZE_LIMIT, what=digest)["manifests"]
        entries = zip(parsed.manifests, listed, strict=True)
        return _Kept(descriptor, parsed, tuple(_Entry(entry, _shown(entry, said)) for entry, said in entries))


def has_name(image: Image, named_indexes: Collection[str]) -> bool:
    """Whether a name leads to the image: one of its own, or a sibling's."""
    return bool(image.references) or (image.index != "" and image.index in named_indexes)


def has_tag(image: Image, named_indexes: Collection[str]) -> bool:
    """The same of names with tags: what is left of a tag that went elsewhere, by digest, is none."""
    return bool(image.tags) or (not image.references and has_name(image, named_indexes))


def named_indexes(images: Iterable[Image]) -> set[str]:
    """The indexes of the images that have names."""
    return {image.index for image in images if image.index and image.references}


def _kind(entry: Descriptor, parsed: Manifest | Index | None) -> str:
    if entry.annotations.get(attestation.TYPE) == attestation.KIND:
        return "attestation"
    if isinstance(parsed, Manifest) and parsed.config.media_type not in media_types.CONFIGS:
        return "unknown"
    return "image" if entry.media_type in media_types.MANIFESTS else "unknown"


def _shown(entry: Descriptor, said: Document) -> Document:
    shown = entry.document()
    return {**shown, "platform": dict(said["platform"])} if "platform" in shown else shown


def _platform(image: Image | None) -> Document:
    found = image_config.platform_of(image.config) if image is not None else Platform("")
    return found.document()
