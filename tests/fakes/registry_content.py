"""What a fake registry holds, and images to put into it; one content may stand behind several registries."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from carrack.oci import media_types as types

MADE = "2020-02-03T04:05:06Z"


@dataclass(frozen=True)
class Stored:
    """An image in the registry: digests of its manifest and config, and of its layers as they are sent."""

    manifest: str
    config: str
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...]


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def packed(data: bytes, compression: str) -> bytes:
    """A layer's tar as it is sent: "gzip", "zstd" or "" for plain."""
    if compression == "gzip":
        return gzip.compress(data, compresslevel=1, mtime=0)
    return zstandard.ZstdCompressor().compress(data) if compression == "zstd" else data


@dataclass
class Content:
    """Blobs by digest (bytes, or the Path of a file), which repository has which, manifests and tags."""

    blobs: dict[str, bytes | Path] = field(default_factory=dict)
    repositories: dict[str, set[str]] = field(default_factory=dict)  # the blobs in each
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)  # repository: digest: type, bytes
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    uploads: dict[str, tuple[str, bytearray]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def put_blob(self, repository: str, data: bytes | Path, digest: str = "") -> str:
        """Keep a blob (of a file: under the digest given); returns its digest."""
        name = digest or (sha(data) if isinstance(data, bytes) else sha(data.read_bytes()))
        with self.lock:
            self.blobs[name] = data
            self.repositories.setdefault(repository, set()).add(name)
        return name

    def put_manifest(self, repository: str, data: bytes, media_type: str, tag: str = "") -> str:
        """Keep a manifest's bytes, whatever they are, and let the tag lead to it."""
        with self.lock:
            self.repositories.setdefault(repository, set())
            self.manifests.setdefault(repository, {})[sha(data)] = (media_type, data)
            if tag:
                self.tags.setdefault(repository, {})[tag] = sha(data)
        return sha(data)

    def manifest(self, repository: str, reference: str) -> tuple[str, str, bytes] | None:
        """Media type, digest and bytes of what a tag or digest leads to."""
        digest = self.tags.get(repository, {}).get(reference, reference)
        found = self.manifests.get(repository, {}).get(digest)
        return (found[0], digest, found[1]) if found else None

    def has(self, repository: str, digest: str) -> bool:
        return digest in self.repositories.get(repository, ()) and digest in self.blobs

    def size(self, digest: str) -> int:
        blob = self.blobs[digest]
        return blob.stat().st_size if isinstance(blob, Path) else len(blob)

    def add_image(
        self,
        repository: str,
        tag: str,
        layers: Sequence[bytes],
        *,
        compression: str = "gzip",
        docker: bool = False,
        architecture: str = "amd64",
        variant: str = "",
        config: dict[str, Any] | None = None,
        **manifest: Any,
    ) -> Stored:
        """Put an image of these tars; `config` is laid over its config, `manifest` over its manifest."""
        diff_ids = [sha(layer) for layer in layers]
        document: dict[str, Any] = {"architecture": architecture, "os": "linux", "created": MADE}
        document |= {"variant": variant} if variant else {}
        document |= {"config": {"Cmd": ["sh"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        document["history"] = [
            {"created": "2020-02-03T04:05:06Z", "created_by": f"layer {i}"} for i in range(len(layers))
        ]
        config_data = json.dumps(document | (config or {})).encode()
        sent = [packed(layer, compression) for layer in layers]
        for data in (config_data, *sent):
            self.put_blob(repository, data)
        kind = (types.DOCKER_MANIFEST, types.DOCKER_CONFIG) if docker else (types.OCI_MANIFEST, types.OCI_CONFIG)
        entries = [descriptor(layer_type(compression, docker), data) for data in sent]
        whole = {
            "schemaVersion": 2,
            "mediaType": kind[0],
            "config": descriptor(kind[1], config_data),
            "layers": entries,
        }
        digest = self.put_manifest(repository, json.dumps(whole | manifest).encode(), kind[0], tag)
        return Stored(digest, sha(config_data), tuple(sha(data) for data in sent), tuple(diff_ids))

    def add_index(
        self,
        repository: str,
        tag: str,
        entries: Iterable[tuple[Stored, str]],
        *,
        docker: bool = False,
        said: Iterable[dict[str, Any]] = (),
        **index: Any,
    ) -> str:
        """Put an index of images that are in the repository, each with its platform ("linux/arm64/v8"), and of what
        `add_attestation` gave."""
        manifests: list[dict[str, Any]] = []
        for stored, platform in entries:
            media_type, data = self.manifests[repository][stored.manifest]
            system, architecture, variant = (*platform.split("/"), "")[:3]
            where = {"os": system, "architecture": architecture} | ({"variant": variant} if variant else {})
            manifests.append(descriptor(media_type, data) | {"platform": where})
        manifests += said
        kind = types.DOCKER_INDEX if docker else types.OCI_INDEX
        whole = {"schemaVersion": 2, "mediaType": kind, "manifests": manifests}
        return self.put_manifest(repository, json.dumps(whole | index).encode(), kind, tag)

    def add_attestation(self, repository: str, about: str, *statements: bytes) -> dict[str, Any]:
        """Put what is said about a manifest, as BuildKit does; returns the entry for an index."""
        config = json.dumps({"architecture": "unknown", "os": "unknown", "config": {}, "made": "elsewhere"}).encode()
        kind = "application/vnd.in-toto+json"
        for data in (config, *statements):
            self.put_blob(repository, data)
        whole = {
            "schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "config": descriptor(types.OCI_CONFIG, config),
            "layers": [
                descriptor(kind, data) | {"annotations": {"in-toto.io/predicate-type": "https://spdx.dev/Document"}}
                for data in statements
            ],
        }  # fmt: skip
        data = json.dumps(whole, indent=1).encode()
        self.put_manifest(repository, data, types.OCI_MANIFEST)
        named = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about}
        where = {"os": "unknown", "architecture": "unknown"}
        return descriptor(types.OCI_MANIFEST, data) | {"annotations": named, "platform": where}

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """Descriptors of the manifests whose subject is `digest`."""
        found = []
        for media_type, data in self.manifests.get(repository, {}).values():
            value = json.loads(data)
            if isinstance(value, dict) and (value.get("subject") or {}).get("digest") == digest:
                kind = value.get("artifactType") or value.get("config", {}).get("mediaType", "")
                found.append(descriptor(media_type, data) | {"artifactType": kind})
        return found


def layer_type(compression: str, docker: bool = False) -> str:
    """The media type of a layer; Docker's own zstd one is hardly in use, so that OCI's stands for it."""
    if docker and compression != "zstd":
        return types.DOCKER_LAYER_GZIP if compression else types.DOCKER_LAYER
    return types.OCI_LAYER_BY_COMPRESSION[compression]


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha(data), "size": len(data)}
