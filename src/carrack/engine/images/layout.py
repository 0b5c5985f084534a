"""What an archive of images says it holds: a docker-archive (`manifest.json`) or an OCI image layout (`index.json`).

An archive that is both, as docker writes since version 25, is read by its `manifest.json`, which has all the names;
the OCI manifest that goes with an image's config is kept, so that its digest survives, and so is the index that leads
to it. What an index lists and the archive does not have is passed over.
Source: OCI image specification, image-layout.md; moby's image/spec.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from carrack.engine.images import attested
from carrack.engine.images.intake import Intake
from carrack.engine.images.layers import check_count
from carrack.errors import InvalidArgument
from carrack.oci import attestation, document, image_config, manifest, media_types, platform, reference
from carrack.oci import digest as digests
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.oci.platform import Platform
from carrack.oci.reference import Reference
from carrack.storage.content import Ingest

_LIST_LIMIT = 16 << 20
_NAME_LIMIT = 1024
_NAME_KEYS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True, slots=True)
class Plan:
    """One image to take in: its config's bytes, a spool per layer, its names, and the manifest and the index it came
    by if there are any. ``extras``: blobs of what the index says about it, by digest."""

    config: bytes
    diff_ids: tuple[str, ...]
    spools: tuple[Ingest, ...]
    names: tuple[Reference, ...]
    manifest: bytes = b""
    index: bytes = b""
    extras: Mapping[str, bytes] = field(default_factory=dict)


def plans(intake: Intake, wanted: Platform | None, host: Platform) -> list[Plan]:
    """The images of the archive. `wanted` restricts to a platform; without it an index gives all that are there, and
    its name to the host's.

    Raises InvalidArgument.
    """
    if intake.has("manifest.json"):
        found = _docker_archive(intake, wanted)
    elif intake.has("index.json"):
        found = _oci_layout(intake, wanted, host)
    elif intake.has("repositories"):
        raise InvalidArgument(
            "invalid archive: it is of the form that docker wrote before version 1.10, which has no manifest.json; "
            "load it there and save it again"
        )
    else:
        raise InvalidArgument("invalid archive: it has neither a manifest.json nor an index.json")
    if not found:
        raise InvalidArgument("invalid archive: it holds no image" + (f" for {wanted}" if wanted else ""))
    return found


@dataclass(frozen=True, slots=True)
class _Kept:
    """A manifest as it came, and the outermost index that leads to it."""

    data: bytes
    manifest: Manifest
    index: bytes = b""


def _docker_archive(intake: Intake, wanted: Platform | None) -> list[Plan]:
    what = "manifest.json"
    entries = document.parse_value(intake.document(what, _LIST_LIMIT), limit=_LIST_LIMIT, what=what)
    if not isinstance(entries, list):
        raise InvalidArgument(f"{what}: expected a list, found {document.kind(entries)}")
    manifests = _manifests_by_config(intake)
    found = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise InvalidArgument(f"{what}: expected an object, found {document.kind(entry)}")
        plan = _docker_entry(intake, entry, manifests)
        offered = image_config.platform_of(image_config.parse(plan.config))
        if wanted is not None and not platform.matches(wanted, offered):
            raise InvalidArgument(f"the archive's image is for {offered}, not for the requested platform {wanted}")
        found.append(plan)
    return found


def _docker_entry(intake: Intake, entry: dict[str, Any], manifests: dict[str, _Kept]) -> Plan:
    what = "manifest.json"
    config_name = document.text(entry, "Config", what)
    config = intake.document(config_name, image_config.SIZE_LIMIT)
    parsed = image_config.parse(config, config_name)
    layer_names = document.texts(entry, "Layers", what) or []
    diff_ids = tuple(parsed["rootfs"]["diff_ids"])
    check_count(diff_ids, len(layer_names))
    names = []
    for text in document.texts(entry, "RepoTags", what) or []:
        name = reference.parse(text)
        if not name.tag:
            raise InvalidArgument(f"{what}: invalid tag {text!r}")
        names.append(name)
    spools = tuple(intake.spool(name) for name in layer_names)
    kept = manifests.get(digests.of(config))
    if kept is None or [layer.digest for layer in kept.manifest.layers] != [each.finish().digest for each in spools]:
        return Plan(config, diff_ids, spools, tuple(names))
    return Plan(config, diff_ids, spools, tuple(names), kept.data, kept.index, _said(intake, kept))


def _manifests_by_config(intake: Intake) -> dict[str, _Kept]:
    """The OCI manifests beside a docker-archive, by their config's digest; none when that half cannot be read."""
    found: dict[str, _Kept] = {}
    if not intake.has("index.json"):
        return found
    try:
        index = manifest.parse_index(intake.document("index.json", manifest.SIZE_LIMIT), what="index.json")
        for entry in index.manifests:
            found |= {kept.manifest.config.digest: kept for kept in _present(intake, entry, 1)}
    except InvalidArgument:
        return found
    return found


def _present(intake: Intake, entry: Descriptor, depth: int) -> Iterator[_Kept]:
    """The manifests that an entry leads to, as far as the archive has them."""
    if depth > manifest.INDEX_DEPTH_LIMIT:
        raise InvalidArgument(f"index.json: indexes are nested deeper than {manifest.INDEX_DEPTH_LIMIT}")
    data = _blob(intake, entry, manifest.SIZE_LIMIT)
    parsed = manifest.parse(data, entry.media_type, entry.digest)
    if isinstance(parsed, Manifest):
        yield _Kept(data, parsed)
        return
    for inner in parsed.manifests:
        known = inner.media_type in media_types.MANIFESTS | media_types.INDEXES
        if known and not attestation.is_attestation(inner) and _has(intake, inner):
            yield from (_Kept(kept.data, kept.manifest, data) for kept in _present(intake, inner, depth + 1))


def _oci_layout(intake: Intake, wanted: Platform | None, host: Platform) -> list[Plan]:
    layout = document.parse(intake.document("oci-layout", 4096), limit=4096, what="oci-layout")
    if document.text(layout, "imageLayoutVersion", "oci-layout") != "1.0.0":
        raise InvalidArgument("oci-layout: imageLayoutVersion must be 1.0.0")
    index = manifest.parse_index(intake.document("index.json", manifest.SIZE_LIMIT), what="index.json")
    merged: dict[str, Plan] = {}
    for entry in index.manifests:
        for number, kept in enumerate(_chosen(intake, entry, wanted, host)):
            plan = _oci_image(intake, kept, _names(entry) if number == 0 else ())
            key = digests.of(plan.config)
            merged[key] = replace(plan, names=merged[key].names + plan.names) if key in merged else plan
    return list(merged.values())


def _chosen(intake: Intake, entry: Descriptor, wanted: Platform | None, host: Platform) -> list[_Kept]:
    """The images to take of what an entry leads to; the first is the one that its name is for."""
    if wanted is not None or entry.media_type not in media_types.INDEXES:
        kept = _select(intake, entry, wanted or host, wanted is not None, 1)
        return [kept] if kept is not None else []
    found = [kept for kept in _present(intake, entry, 1) if _is_whole(intake, kept.manifest)]
    return sorted(found, key=lambda kept: not platform.matches(host, _platform(intake, kept.manifest)))


def _is_whole(intake: Intake, found: Manifest) -> bool:
    """Whether it is an image, and all of it is in the archive."""
    blobs = (found.config, *found.layers)
    return found.config.media_type in media_types.CONFIGS and all(_has(intake, blob) for blob in blobs)


def _platform(intake: Intake, found: Manifest) -> Platform:
    config = _blob(intake, found.config, image_config.SIZE_LIMIT)
    return image_config.platform_of(image_config.parse(config, found.config.digest))


def _select(intake: Intake, entry: Descriptor, wanted: Platform, strict: bool, depth: int) -> _Kept | None:
    """The manifest for `wanted` that `entry` leads to; None when there is none."""
    if depth > manifest.INDEX_DEPTH_LIMIT:
        raise InvalidArgument(f"index.json: indexes are nested deeper than {manifest.INDEX_DEPTH_LIMIT}")
    if attestation.is_attestation(entry) or entry.media_type not in media_types.MANIFESTS | media_types.INDEXES:
        return None
    if entry.platform is not None and not platform.matches(wanted, entry.platform):
        return None
    data = _blob(intake, entry, manifest.SIZE_LIMIT)
    parsed = manifest.parse(data, entry.media_type, entry.digest)
    if isinstance(parsed, Index):
        chosen = (_select(intake, inner, wanted, strict, depth + 1) for inner in parsed.manifests)
        return next((replace(inner, index=data) for inner in chosen if inner is not None), None)
    if parsed.config.media_type not in media_types.CONFIGS:
        return None  # an artifact of another kind: nothing that could run
    if strict and not platform.matches(wanted, _platform(intake, parsed)):
        return None
    return _Kept(data, parsed)


def _oci_image(intake: Intake, kept: _Kept, names: tuple[Reference, ...]) -> Plan:
    parsed = kept.manifest
    config = _blob(intake, parsed.config, image_config.SIZE_LIMIT)
    diff_ids = tuple(image_config.parse(config, parsed.config.digest)["rootfs"]["diff_ids"])
    check_count(diff_ids, len(parsed.layers))
    spools = []
    for layer in parsed.layers:
        if layer.media_type not in media_types.LAYER_COMPRESSION:
            raise InvalidArgument(f"layer {layer.digest}: media type {layer.media_type} is not supported")
        spools.append(_verified(intake, layer))
    return Plan(config, diff_ids, tuple(spools), names, kept.data, kept.index, _said(intake, kept))


def _said(intake: Intake, kept: _Kept) -> dict[str, bytes]:
    """What the index says about the image, as far as the archive has all of it. Damage of it is no damage of the
    image."""
    found: dict[str, bytes] = {}
    if not kept.index:
        return found
    for entry in attestation.entries_for(_parsed(kept.index), [digests.of(kept.data)]):
        try:
            each = attested.parse(entry, _blob(intake, entry, manifest.SIZE_LIMIT))
            blobs = {blob.digest: _blob(intake, blob, attestation.SIZE_LIMIT) for blob in each.blobs}
        except InvalidArgument:
            continue
        found |= {entry.digest: each.data, **blobs}
    return found


@functools.lru_cache(1)
def _parsed(index: bytes) -> Index:
    """Of many manifests it is the same."""
    return manifest.parse_index(index)


def _blob(intake: Intake, entry: Descriptor, limit: int) -> bytes:
    _verified(intake, entry)
    return intake.document(_blob_name(entry), limit)


def _verified(intake: Intake, entry: Descriptor) -> Ingest:
    """The spool that a descriptor points to, when its size and digest are what the descriptor says."""
    spool = intake.spool(_blob_name(entry))
    blob = spool.finish()
    if (blob.size, blob.digest) != (entry.size, entry.digest):
        raise InvalidArgument(
            f"content of {entry.digest} is damaged: it has {blob.size} bytes and digest {blob.digest}, "
            f"expected {entry.size} bytes"
        )
    return spool


def _has(intake: Intake, entry: Descriptor) -> bool:
    return digests.algorithm(entry.digest) == "sha256" and intake.has(_blob_name(entry))


def _blob_name(entry: Descriptor) -> str:
    if digests.algorithm(entry.digest) != "sha256":
        raise InvalidArgument(f"digest {entry.digest}: only sha256 is supported")
    return f"blobs/sha256/{digests.encoded(entry.digest)}"


def _names(entry: Descriptor) -> tuple[Reference, ...]:
    """The name in an index entry's annotations. A bare tag names nothing without its repository."""
    for key in _NAME_KEYS:
        text = entry.annotations.get(key, "")
        if not text or len(text) > _NAME_LIMIT or not (":" in text or "/" in text):
            continue
        return (reference.parse(text).with_default_tag(),)
    return ()
