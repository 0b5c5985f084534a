"""Descriptors: pointers to content by digest, with size and media type (OCI image specification, descriptor.md)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from carrack.errors import InvalidArgument
from carrack.oci import digest as digests
from carrack.oci import document
from carrack.oci import platform as platforms
from carrack.oci.platform import Platform

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(f"{_NAME}/{_NAME}")
_KEYS = frozenset({"mediaType", "digest", "size", "urls", "annotations", "platform", "artifactType", "data"})


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to `size` bytes (at most 2**63-1) whose digest is `digest`.

    `data` may be the content in base64; it is shown and never taken for the content.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    platform: Platform | None = None
    artifact_type: str = ""
    data: str = ""

    def document(self) -> dict[str, Any]:
        """As a JSON object, empty members left out."""
        result: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.urls:
            result["urls"] = list(self.urls)
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        if self.platform:
            result["platform"] = self.platform.document()
        if self.artifact_type:
            result["artifactType"] = self.artifact_type
        if self.data:
            result["data"] = self.data
        return result


def media_type(value: Mapping[str, Any], key: str, what: str) -> str:
    """The media type at `key`, "" when absent; InvalidArgument when it is not one (RFC 6838 section 4.2)."""
    text = document.text(value, key, what)
    if text and not _MEDIA_TYPE.fullmatch(text):
        raise InvalidArgument(f"{what}: {key} {text[:160]!r} is not a media type")
    return text


def from_document(value: object, what: str) -> Descriptor:
    """Read a JSON descriptor; InvalidArgument says what is wrong with it."""
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what}: expected an object, found {document.kind(value)}")
    document.reject_lookalikes(value, _KEYS, what)
    platform = value.get("platform")
    if platform is not None and not isinstance(platform, dict):
        raise InvalidArgument(f"{what}: platform must be an object, found {document.kind(platform)}")
    return Descriptor(
        media_type=media_type(value, "mediaType", what),
        digest=digests.validate(document.text(value, "digest", what), what),
        size=document.integer(value, "size", what),
        annotations=document.text_map(value, "annotations", what) or {},
        urls=tuple(document.texts(value, "urls", what) or ()),
        platform=platforms.from_document(platform, what) if platform is not None else None,
        artifact_type=media_type(value, "artifactType", what),
        data=document.text(value, "data", what),
    )
