"""What a build gives as a whole: a result for each platform, what is said about each, and the documents of all that.

::

    one platform, nothing said        config
    annotated                         config ◀─ manifest
    several platforms, or attested    config ◀─ manifest ◀─┐
                                      statements ◀─ manifest ◀─┴─ index

Layers are described as they are here; who sends them elsewhere in another form makes the manifests anew.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from carrack.engine.build import results
from carrack.engine.build.annotating import Annotations
from carrack.model import times
from carrack.oci import attestation, document, media_types, purl
from carrack.oci import digest as digests
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.storage.tarheader import REGULAR
from carrack.storage.trees.base import walk

if TYPE_CHECKING:
    from carrack.engine.build.request import Request
    from carrack.engine.build.results import Result
    from carrack.oci.attestation import Claim, Describe
    from carrack.oci.reference import Reference
    from carrack.storage.trees.base import Tree


@dataclass(frozen=True, slots=True)
class Part:
    """One platform's, and how it was asked for."""

    result: Result
    claims: tuple[Claim, ...] = ()
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """``parts`` in the order they were asked for; ``several``: more than one platform was meant, even if it is one;
    ``epoch``: SOURCE_DATE_EPOCH, None for now."""

    parts: tuple[Part, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    epoch: int | None = None
    annotations: Annotations = field(default_factory=Annotations)
    several: bool = False

    @property
    def result(self) -> Result:
        """The first platform's."""
        return self.parts[0].result

    @property
    def plain(self) -> bool:
        """Whether it is nothing but an image for one platform."""
        return not (self.indexed or self.annotations)

    @property
    def indexed(self) -> bool:
        """Whether an index is needed."""
        attested = any(part.claims for part in self.parts)
        return len(self.parts) > 1 or self.several or attested or self.annotations.of_index

    def leaving(self, inline: bool) -> Product:
        """The same as it is given away: without what is only to be said beside an image that leaves this host, unless
        it is that (``inline``)."""
        kept = [
            replace(part, claims=tuple(c for c in part.claims if inline or not c.inline_only)) for part in self.parts
        ]
        return replace(self, parts=tuple(kept))

    def created(self, part: Part) -> int:
        """When the image of a part was made, in nanoseconds since 1970."""
        return part.result.created or times.now() if self.epoch is None else self.epoch * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Packed:
    """One platform's documents, and its manifest as an index lists it."""

    part: Part
    config: bytes
    manifest: bytes
    entry: Descriptor


@dataclass(frozen=True, slots=True)
class Assembled:
    """All documents: ``index`` is empty where none is needed, ``extras`` are the attestations' by digest."""

    parts: tuple[Packed, ...]
    index: bytes = b""
    extras: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def top(self) -> Descriptor:
        """What the names lead to."""
        if self.index:
            return Descriptor(media_types.OCI_INDEX, digests.of(self.index), len(self.index))
        entry = self.parts[0].entry
        return Descriptor(entry.media_type, entry.digest, entry.size, platform=entry.platform)

    @property
    def document(self) -> bytes:
        """The same itself."""
        return self.index or self.parts[0].manifest


def assemble(product: Product, names: Sequence[Reference], describe: Describe) -> Assembled:
    """Make the documents."""
    parts = tuple(_packed(product, part, describe) for part in product.parts)
    if not product.indexed:
        return Assembled(parts)
    entries, extras = [packed.entry for packed in parts], dict[str, bytes]()
    for packed in parts:
        if packed.part.claims:
            made = attestation.attach(packed.entry.digest, _statements(packed, names, describe))
            extras |= made.blobs
            entries += made.entries
    index = Index(media_types.OCI_INDEX, tuple(entries), dict(product.annotations.index))
    return Assembled(parts, document.encode(index.document()), extras)


def beside(product: Product, trees: Mapping[bytes, Tree], prefix: str, describe: Describe) -> dict[bytes, bytes]:
    """The statements about files that are given out, by path: of each part, whose tree is at the same place of
    ``trees``, one of every regular file in it. Blocks."""
    found = {}
    for part, (folder, tree) in zip(product.parts, trees.items(), strict=True):
        if not part.claims:
            continue
        files = [entry for entry in walk(tree, b"") if entry.kind == REGULAR]
        subjects = [
            attestation.subject(entry.path.decode("utf-8", "backslashreplace"), f"sha256:{tree.digest(entry).hex()}")
            for entry in files
        ]
        for claim in part.claims:
            path = posixpath.join(folder, f"{prefix}{claim.name}".encode())
            found[path] = attestation.statement(claim, subjects, describe)
    return found


def _packed(product: Product, part: Part, describe: Describe) -> Packed:
    result, said = part.result, product.annotations
    config = document.encode(results.config(result, product.created(part), product.labels))
    pointer = Descriptor(media_types.OCI_CONFIG, digests.of(config), len(config))
    layers = tuple(describe(diff_id) for diff_id in result.layers)
    manifest = Manifest(media_types.OCI_MANIFEST, pointer, layers, said.on_manifest(result.platform))
    data = document.encode(manifest.document())
    entry = Descriptor(
        media_types.OCI_MANIFEST, digests.of(data), len(data), said.on_descriptor(result.platform),
        platform=result.platform,
    )  # fmt: skip
    return Packed(part, config, data, entry)


def _statements(packed: Packed, names: Sequence[Reference], describe: Describe) -> list[tuple[str, bytes]]:
    platform = packed.part.result.platform
    called = [purl.image(name, platform) for name in names] or ["_"]
    subjects = [attestation.subject(each, packed.entry.digest) for each in called]
    return [(claim.predicate_type, attestation.statement(claim, subjects, describe)) for claim in packed.part.claims]
