"""One image as a value, and its record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from carrack.errors import CarrackError
from carrack.model import times
from carrack.oci.image_config import ImageConfigDocument
from carrack.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the store. `size` is the bytes of its layers' tars; times are nanoseconds since 1970, 0 for unknown.

    `references` are its names in full; `manifest` is the digest of the manifest it came with and `index` that of the
    index which led there, "" for none. Images of one index are each other's siblings: one image for several platforms.
    `extras` are the digests of the blobs in which attestations about it are.
    """

    id: str
    config: ImageConfigDocument
    size: int = 0
    references: tuple[Reference, ...] = ()
    parent: str = ""
    manifest: str = ""
    last_tagged: int = 0
    index: str = ""
    extras: tuple[str, ...] = ()

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The layers, base first."""
        return tuple(self.config["rootfs"]["diff_ids"])

    @property
    def documents(self) -> tuple[str, ...]:
        """The digests of the blobs that describe it: config, manifest, index, attestations, as far as it has them."""
        return tuple(digest for digest in (self.id, self.manifest, self.index, *self.extras) if digest)

    @property
    def created(self) -> int:
        """When it was made, by its own account; what is no time counts as unknown."""
        return moment(self.config.get("created", ""))

    @property
    def tags(self) -> tuple[str, ...]:
        """The names with a tag, as shown."""
        return tuple(reference.familiar for reference in self.references if reference.tag)

    @property
    def repo_digests(self) -> tuple[str, ...]:
        """The names with a digest, as shown."""
        return tuple(reference.familiar for reference in self.references if not reference.tag)

    @property
    def labels(self) -> dict[str, str]:
        """The config's labels; data, never instructions."""
        return self.config.get("config", {}).get("Labels", {})

    def record(self) -> str:
        """What is recorded beside the config blob, which holds the rest."""
        document: dict[str, Any] = {
            "parent": self.parent,
            "manifest": self.manifest,
            "index": self.index,
            "extras": self.extras,
            "last_tagged": self.last_tagged,
            # Said again, so that a damaged config blob does not make the layers look unused.
            "layers": self.diff_ids,
        }
        return json.dumps(document)


@lru_cache(maxsize=256)
def moment(text: str) -> int:
    """A time as an image's config has it, in nanoseconds since 1970; 0 for what is none."""
    try:
        return times.parse(text) if text else 0
    except (CarrackError, ValueError, OverflowError):
        return 0


def chain_ids(diff_ids: Iterable[str]) -> list[str]:
    """The chain id of every layer: the name of it together with all below (OCI image specification, config.md)."""
    chains: list[str] = []
    for diff_id in diff_ids:
        if chains:
            text = f"{chains[-1]} {diff_id}"
            chains.append("sha256:" + hashlib.sha256(text.encode()).hexdigest())
        else:
            chains.append(diff_id)
    return chains
