"""Attestations as BuildKit has them: in-toto statements about an image, in a manifest of their own beside the image's.

::

    index ─┬─ manifest of linux/amd64 ◀───────────────┐ vnd.docker.reference.digest
           └─ manifest of unknown/unknown ─┬─ config  │
                                           └─ layers: statements ─▶ subject: the same digest

Source: BuildKit, docs/attestations/attestation-storage.md; in-toto attestation framework, statement v0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carrack.errors import InvalidArgument
from carrack.oci import digest as digests
from carrack.oci import document, media_types
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.oci.platform import Platform

TYPE, OF = "vnd.docker.reference.type", "vnd.docker.reference.digest"
KIND = "attestation-manifest"
STATEMENT = "application/vnd.in-toto+json"
PREDICATE_TYPE = "in-toto.io/predicate-type"
SPDX = "https://spdx.dev/Document"
SLSA = {"v0.2": "https://slsa.dev/provenance/v0.2", "v1": "https://slsa.dev/provenance/v1"}
SIZE_LIMIT = 64 << 20
"""Bytes of one statement: the list of an image's packages and files is the largest that there is."""
COUNT_LIMIT = 64

_STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1"
_UNKNOWN = Platform("unknown", "unknown")


#: a layer as it travels or lies here, by its diff id
Describe = Callable[[str], Descriptor]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said, of no subject yet, once it is known how layers look. ``name``: of its file where files are given
    out; ``inline_only``: to be said only beside an image that leaves this host."""

    predicate_type: str
    predicate: Callable[[Describe], Mapping[str, Any]]
    name: str = ""
    inline_only: bool = False


@dataclass(slots=True)
class Documents:
    """Small documents by digest, and the descriptors of those that an index has to list."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    entries: list[Descriptor] = field(default_factory=list)

    def put(self, data: bytes) -> str:
        """Add one; returns its digest."""
        digest = digests.of(data)
        self.blobs[digest] = data
        return digest


def is_attestation(entry: Descriptor) -> bool:
    """Whether an index lists it as something said about another of its entries, and not as an image."""
    return TYPE in entry.annotations


def entries_for(index: Index, digests_of: Iterable[str]) -> list[Descriptor]:
    """The attestation manifests of an index that are about these manifests."""
    wanted = set(digests_of)
    return [
        entry
        for entry in index.manifests
        if entry.annotations.get(TYPE) == KIND and entry.annotations.get(OF) in wanted
    ]


def subject(name: str, digest: str) -> dict[str, Any]:
    """What a statement is about."""
    return {"name": name, "digest": {digests.algorithm(digest): digests.encoded(digest)}}


def statement(claim: Claim, subjects: Sequence[Mapping[str, Any]], describe: Describe) -> bytes:
    """A claim about subjects, as bytes."""
    return document.encode(
        {
            "_type": _STATEMENT_TYPE,
            "predicateType": claim.predicate_type,
            "subject": list(subjects),
            "predicate": claim.predicate(describe),
        }
    )


def attach(to: str, statements: Sequence[tuple[str, bytes]]) -> Documents:
    """The attestation manifest for an image's manifest ``to`` (a digest) of statements, each after its predicate's
    type: it and all it points to, and the entry for the index."""
    made = Documents()
    layers = []
    for predicate_type, data in statements:
        layers.append(Descriptor(STATEMENT, made.put(data), len(data), {PREDICATE_TYPE: predicate_type}))
    config = document.encode(
        {
            "architecture": _UNKNOWN.architecture,
            "os": _UNKNOWN.os,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )
    pointer = Descriptor(media_types.OCI_CONFIG, made.put(config), len(config))
    data = document.encode(Manifest(media_types.OCI_MANIFEST, pointer, tuple(layers)).document())
    about = {OF: to, TYPE: KIND}
    made.entries.append(Descriptor(media_types.OCI_MANIFEST, made.put(data), len(data), about, platform=_UNKNOWN))
    return made


def moved(data: bytes, renamed: Mapping[str, Descriptor]) -> bytes:
    """A statement whose subjects, and the layers that it describes, are others now, by the digests that it has for
    them. Raises InvalidArgument for what is no statement."""
    said = document.parse(data, limit=SIZE_LIMIT, what="attestation")
    subjects = said.get("subject")
    if not isinstance(subjects, list) or not all(isinstance(each, dict) for each in subjects):
        raise InvalidArgument("attestation: subject must be a list of objects")
    for each in subjects:
        known = each.get("digest")
        for algorithm, value in list(known.items()) if isinstance(known, dict) else ():
            new = renamed.get(f"{algorithm}:{value}")
            if new is not None:
                known[algorithm] = digests.encoded(new.digest)
    _describe_anew(said.get("predicate"), renamed)
    return document.encode(said)


def _describe_anew(value: Any, renamed: Mapping[str, Descriptor]) -> None:
    """Replace descriptors in a document, in place."""
    if isinstance(value, list):
        for each in value:
            _describe_anew(each, renamed)
    elif isinstance(value, dict):
        if value.keys() >= {"mediaType", "digest", "size"} and (new := renamed.get(str(value["digest"]))) is not None:
            value |= {"mediaType": new.media_type, "digest": new.digest, "size": new.size}
        for each in value.values():
            _describe_anew(each, renamed)
