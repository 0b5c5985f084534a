"""What an archive of images says it holds: a docker-archive (`manifest.json`) or an OCI image layout (`index.json`).

An archive that is both, as docker writes since version 25, is read by its `manifest.json`, which has all the names;
the OCI manifest that goes with an image's config is kept, so that its digest survives.
Source: OCI image specification, image-layout.md; moby's image/spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carrack.engine.images.intake import Intake
from carrack.engine.images.layers import check_count
from carrack.errors import InvalidArgument
from carrack.oci import digest as digests
from carrack.oci import document, image_config, manifest, media_types, platform, reference
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.oci.platform import Platform
from carrack.oci.reference import Reference
from carrack.storage.content import Ingest

_LIST_LIMIT = 16 << 20
_NAME_LIMIT = 1024
_NAME_KEYS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True)
class Plan:
    """One image to take in: its config's bytes, a spool per layer, its names, and its manifest if there is one."""

    config: bytes
    diff_ids: tuple[str, ...]
    spools: tuple[Ingest, ...]
    names: tuple[Reference, ...]
    manifest: bytes = b""


def plans(intake: Intake, wanted: Platform | None, host: Platform) -> list[Plan]:
    """The images of the archive. `wanted` restricts to a platform; without it an index gives the host's.

    Raises InvalidArgument.
    """
    if intake.has("manifest.json"):
        found = _docker_archive(intake, wanted)
    elif intake.has("index.json"):
        found = _oci_layout(intake, wanted or host, strict=wanted is not None)
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


def _docker_entry(intake: Intake, entry: dict[str, Any], manifests: dict[str, tuple[bytes, Manifest]]) -> Plan:
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
    kept, known = manifests.get(digests.of(config), (b"", None))
    if known is not None and [layer.digest for layer in known.layers] != [spool.finish().digest for spool in spools]:
        kept = b""
    return Plan(config, diff_ids, spools, tuple(names), kept)


def _manifests_by_config(intake: Intake) -> dict[str, tuple[bytes, Manifest]]:
    """The OCI manifests beside a docker-archive, by their config's digest; none when that half cannot be read."""
    found: dict[str, tuple[bytes, Manifest]] = {}
    if not intake.has("index.json"):
        return found
    try:
        index = manifest.parse_index(intake.document("index.json", manifest.SIZE_LIMIT), what="index.json")
        for entry in index.manifests:
            data = _blob(intake, entry, manifest.SIZE_LIMIT)
            parsed = manifest.parse(data, entry.media_type, entry.digest)
            if isinstance(parsed, Manifest):
                found[parsed.config.digest] = data, parsed
    except InvalidArgument:
        return found
    return found


def _oci_layout(intake: Intake, wanted: Platform, *, strict: bool) -> list[Plan]:
    layout = document.parse(intake.document("oci-layout", 4096), limit=4096, what="oci-layout")
    if document.text(layout, "imageLayoutVersion", "oci-layout") != "1.0.0":
        raise InvalidArgument("oci-layout: imageLayoutVersion must be 1.0.0")
    index = manifest.parse_index(intake.document("index.json", manifest.SIZE_LIMIT), what="index.json")
    merged: dict[str, Plan] = {}
    for entry in index.manifests:
        data = _select(intake, entry, wanted, strict, 1)
        if data is None:
            continue
        plan = _oci_image(intake, data, _names(entry))
        key = digests.of(plan.config)
        if key in merged:
            plan = Plan(plan.config, plan.diff_ids, plan.spools, merged[key].names + plan.names, plan.manifest)
        merged[key] = plan
    return list(merged.values())


def _select(intake: Intake, entry: Descriptor, wanted: Platform, strict: bool, depth: int) -> bytes | None:
    """The bytes of the manifest for `wanted` that `entry` leads to; None when there is none."""
    if depth > manifest.INDEX_DEPTH_LIMIT:
        raise InvalidArgument(f"index.json: indexes are nested deeper than {manifest.INDEX_DEPTH_LIMIT}")
    if _ATTESTATION in entry.annotations or entry.media_type not in media_types.MANIFESTS | media_types.INDEXES:
        return None
    if entry.platform is not None and not platform.matches(wanted, entry.platform):
        return None
    data = _blob(intake, entry, manifest.SIZE_LIMIT)
    parsed = manifest.parse(data, entry.media_type, entry.digest)
    if isinstance(parsed, Index):
        chosen = (_select(intake, inner, wanted, strict, depth + 1) for inner in parsed.manifests)
        return next((inner for inner in chosen if inner is not None), None)
    if parsed.config.media_type not in media_types.CONFIGS:
        return None  # an artifact of another kind: nothing that could run
    config = image_config.parse(_blob(intake, parsed.config, image_config.SIZE_LIMIT), parsed.config.digest)
    if strict and not platform.matches(wanted, image_config.platform_of(config)):
        return None
    return data


def _oci_image(intake: Intake, data: bytes, names: tuple[Reference, ...]) -> Plan:
    parsed = manifest.parse(data)
    assert isinstance(parsed, Manifest)
    config = _blob(intake, parsed.config, image_config.SIZE_LIMIT)
    diff_ids = tuple(image_config.parse(config, parsed.config.digest)["rootfs"]["diff_ids"])
    check_count(diff_ids, len(parsed.layers))
    spools = []
    for layer in parsed.layers:
        if layer.media_type not in media_types.LAYER_COMPRESSION:
            raise InvalidArgument(f"layer {layer.digest}: media type {layer.media_type} is not supported")
        spools.append(_verified(intake, layer))
    return Plan(config, diff_ids, tuple(spools), names, data)


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
