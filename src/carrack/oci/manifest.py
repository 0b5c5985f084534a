"""Image manifests and indexes, OCI's and Docker's schema 2: bytes to values, and back.

A document must be exactly one of the two: one that carries both `manifests` and `layers`, or whose `mediaType` says
otherwise than its descriptor or its members, is refused (CVE-2021-41190: two readers, two images).
Source: OCI image specification, manifest.md and image-index.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from carrack.errors import InvalidArgument
from carrack.oci import descriptor as descriptors
from carrack.oci import document
from carrack.oci import media_types as types
from carrack.oci.descriptor import Descriptor

SIZE_LIMIT = 4 << 20
LAYER_LIMIT = 512
ENTRY_LIMIT = 4096
INDEX_DEPTH_LIMIT = 4

_KEYS = frozenset(
    {"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations"}
    | {"fsLayers", "signatures"}
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform: its config and its layers, base first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    def document(self) -> dict[str, Any]:
        """As the JSON object of the specification."""
        result: dict[str, Any] = {"schemaVersion": 2, "mediaType": self.media_type}
        if self.artifact_type:
            result["artifactType"] = self.artifact_type
        result["config"] = self.config.document()
        result["layers"] = [layer.document() for layer in self.layers]
        if self.subject:
            result["subject"] = self.subject.document()
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        return result


@dataclass(frozen=True, slots=True)
class Index:
    """Several manifests (or indexes), each for a platform of its own."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    def document(self) -> dict[str, Any]:
        """As the JSON object of the specification."""
        result: dict[str, Any] = {"schemaVersion": 2, "mediaType": self.media_type}
        if self.artifact_type:
            result["artifactType"] = self.artifact_type
        result["manifests"] = [entry.document() for entry in self.manifests]
        if self.subject:
            result["subject"] = self.subject.document()
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        return result


def parse(data: bytes, media_type: str = "", what: str = "manifest") -> Manifest | Index:
    """Parse a manifest or an index.

    `media_type` is what the descriptor (or the Content-Type) promised; "" when nothing did, as for `index.json`.
    Raises InvalidArgument.
    """
    value = document.parse(data, limit=SIZE_LIMIT, what=what)
    document.reject_lookalikes(value, _KEYS, what)
    if value.get("schemaVersion") != 2 or isinstance(value.get("schemaVersion"), bool):
        raise InvalidArgument(f"{what}: schemaVersion must be 2, found {value.get('schemaVersion')!r}")
    inner = descriptors.media_type(value, "mediaType", what)
    if inner and media_type and inner != media_type:
        raise InvalidArgument(f"{what}: mediaType {inner} differs from the promised {media_type}")
    said = inner or media_type
    if _is_index(value, said, what):
        return _index(value, said or types.OCI_INDEX, what)
    return _manifest(value, said or types.OCI_MANIFEST, what)


def parse_index(data: bytes, media_type: str = "", what: str = "index") -> Index:
    """Parse what must be an index."""
    result = parse(data, media_type, what)
    if not isinstance(result, Index):
        raise InvalidArgument(f"{what}: expected an index, found a manifest")
    return result


def _is_index(value: Mapping[str, Any], said: str, what: str) -> bool:
    for key in ("fsLayers", "signatures"):
        if key in value:
            raise InvalidArgument(f"{what}: {key} belongs to schema 1 manifests, which are not supported")
    has_manifests = "manifests" in value
    has_image = "layers" in value or "config" in value
    if has_manifests == has_image:
        both = "both an index and a manifest" if has_manifests else "neither an index nor a manifest"
        raise InvalidArgument(f"{what}: the document is {both}")
    if said and said not in types.INDEXES | types.MANIFESTS:
        raise InvalidArgument(f"{what}: media type {said} is not supported")
    if said and (said in types.INDEXES) != has_manifests:
        raise InvalidArgument(f"{what}: the document does not fit its media type {said}")
    return has_manifests


def _index(value: Mapping[str, Any], said: str, what: str) -> Index:
    return Index(
        said,
        _descriptors(value, "manifests", ENTRY_LIMIT, what),
        document.text_map(value, "annotations", what) or {},
        artifact_type=descriptors.media_type(value, "artifactType", what),
        subject=_subject(value, what),
    )


def _subject(value: Mapping[str, Any], what: str) -> Descriptor | None:
    subject = value.get("subject")
    return descriptors.from_document(subject, f"{what}: subject") if subject is not None else None


def _manifest(value: Mapping[str, Any], said: str, what: str) -> Manifest:
    return Manifest(
        media_type=said,
        config=descriptors.from_document(value.get("config"), f"{what}: config"),
        layers=_descriptors(value, "layers", LAYER_LIMIT, what),
        annotations=document.text_map(value, "annotations", what) or {},
        artifact_type=descriptors.media_type(value, "artifactType", what),
        subject=_subject(value, what),
    )


def _descriptors(value: Mapping[str, Any], key: str, limit: int, what: str) -> tuple[Descriptor, ...]:
    entries = value.get(key)
    if not isinstance(entries, list):
        raise InvalidArgument(f"{what}: {key} must be a list, found {document.kind(entries)}")
    if len(entries) > limit:
        raise InvalidArgument(f"{what}: {len(entries)} {key} are more than the limit of {limit}")
    return tuple(descriptors.from_document(entry, f"{what}: {key}[{i}]") for i, entry in enumerate(entries))
