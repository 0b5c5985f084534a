"""Annotations as exporters are told of them: ``annotation-index.KEY``, ``annotation-manifest[linux/arm64].KEY``. Pure.

Source: Docker documentation, "Annotations"; BuildKit, exporters' option ``annotation``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from carrack.errors import InvalidArgument
from carrack.oci import platform as platforms
from carrack.oci.platform import Platform

KINDS = ("manifest", "index", "manifest-descriptor", "index-descriptor")
_ATTRIBUTE = re.compile(r"annotation(?:-(?P<kind>[a-z-]+))?(?:\[(?P<platform>[^\]]*)\])?\.(?P<key>.+)", re.DOTALL)
_TYPED = re.compile(r"(?P<kinds>[a-z,\[\]/0-9_-]+):(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Annotations:
    """By kind, and for manifests by platform ("" for all), what is to be said."""

    index: Mapping[str, str] = field(default_factory=dict)
    index_descriptor: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    manifest_descriptor: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def of_index(self) -> bool:
        """Whether they need an index to be on."""
        return bool(self.index or self.manifest_descriptor)

    def __bool__(self) -> bool:
        return bool(self.index or self.index_descriptor or self.manifest or self.manifest_descriptor)

    def on_manifest(self, platform: Platform) -> dict[str, str]:
        """Those of a platform's manifest."""
        return {**self.manifest.get("", {}), **self.manifest.get(str(platform), {})}

    def on_descriptor(self, platform: Platform) -> dict[str, str]:
        """Those of its entry in the index."""
        return {**self.manifest_descriptor.get("", {}), **self.manifest_descriptor.get(str(platform), {})}


def is_one(attribute: str) -> bool:
    """Whether an exporter's attribute is an annotation."""
    return _ATTRIBUTE.fullmatch(attribute) is not None


def read(attributes: Mapping[str, str]) -> Annotations:
    """The annotations among an exporter's attributes. Raises InvalidArgument."""
    found: dict[str, dict[str, dict[str, str]]] = {kind: {} for kind in KINDS}
    for attribute, value in attributes.items():
        match = _ATTRIBUTE.fullmatch(attribute)
        if match is None:
            continue
        kind, place = match["kind"] or "manifest", match["platform"] or ""
        if kind not in KINDS:
            raise InvalidArgument(f"unknown type of annotation {kind!r}: {', '.join(KINDS)} are")
        if place and kind.startswith("index"):
            raise InvalidArgument(f"annotation {attribute}: an index is of no platform")
        where = str(platforms.parse(place)) if place else ""
        found[kind].setdefault(where, {})[match["key"]] = value
    return Annotations(
        found["index"].get("", {}), found["index-descriptor"].get("", {}), found["manifest"],
        found["manifest-descriptor"],
    )  # fmt: skip


def attributes(typed: str) -> dict[str, str]:
    """What somebody typed (``index,manifest[linux/arm64]:KEY=VALUE``) as an exporter's attributes.

    Raises InvalidArgument.
    """
    match = _TYPED.fullmatch(typed.partition("=")[0])
    kinds, rest = "manifest", typed
    if match is not None and all(each.partition("[")[0] in KINDS for each in match["kinds"].split(",")):
        kinds, rest = match["kinds"], typed[len(match["kinds"]) + 1 :]
    key, equals, value = rest.partition("=")
    if not equals or not key:
        raise InvalidArgument(f"invalid annotation {typed!r}: expected [TYPE:]KEY=VALUE")
    return {f"annotation-{kind}.{key}": value for kind in kinds.split(",")}
