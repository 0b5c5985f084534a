"""Which of an index's manifests is for a platform: the nearest that runs there.

Source: OCI image specification, image-index.md; that an arm machine runs what is made for older ones, and a 64-bit one
that of 32-bit ones, is how Docker's and containerd's clients choose.
"""

from __future__ import annotations

from collections.abc import Iterable

from carrack.oci import media_types as types
from carrack.oci.attestation import is_attestation
from carrack.oci.descriptor import Descriptor
from carrack.oci.platform import Platform

_ARM = ("v8", "v7", "v6", "v5")


def candidates(entries: Iterable[Descriptor], wanted: Platform) -> list[Descriptor]:
    """The manifests and indexes among `entries` that may be for `wanted`, the nearest first; those that do not say
    for what they are come last."""
    ranked = [(rank, entry) for entry in entries if _is_image(entry) and (rank := _rank(wanted, entry)) is not None]
    return [entry for _, entry in sorted(ranked, key=lambda pair: pair[0])]


def _is_image(entry: Descriptor) -> bool:
    return not is_attestation(entry) and entry.media_type in types.MANIFESTS | types.INDEXES


def _rank(wanted: Platform, entry: Descriptor) -> int | None:
    """How far a manifest is from what is wanted, 0 for just that; None when it is for something else."""
    offered = entry.platform
    if offered is None:
        return 100
    if wanted.os != offered.os:
        return None
    if offered.architecture == wanted.architecture:
        return _variant_rank(wanted, offered)
    if wanted.architecture == "arm64" and offered.architecture == "arm" and offered.variant in _ARM:
        return 50 + _ARM.index(offered.variant)
    return None if wanted.architecture else 0


def _variant_rank(wanted: Platform, offered: Platform) -> int | None:
    if wanted.variant == offered.variant:
        return 0
    if not offered.variant:
        return 1
    if wanted.architecture == "arm" and {wanted.variant, offered.variant} <= set(_ARM):
        distance = _ARM.index(offered.variant) - _ARM.index(wanted.variant)
        return 1 + distance if distance > 0 else None
    if wanted.architecture == "amd64" and not wanted.variant:
        return None  # what needs a newer processor than any
    return 10 if not wanted.variant else None
