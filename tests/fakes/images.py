"""An image store over fake layers, and archives to load into it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.layers import FakeLayers

from carrack.engine.events import Event, Events
from carrack.engine.images.delete import Remover, Use
from carrack.engine.images.import_ import Importer
from carrack.engine.images.keeper import Keeper
from carrack.engine.images.layers import LayerStore
from carrack.engine.images.listing import Lister
from carrack.engine.images.load import Loader
from carrack.engine.images.looking import Looker
from carrack.engine.images.policy import Disk
from carrack.engine.images.save import Saver
from carrack.engine.images.store import ImageStore
from carrack.engine.images.variants import Variants
from carrack.oci.platform import Platform
from carrack.storage import judge
from carrack.storage.content import ContentStore
from carrack.storage.looks import ImageLayers
from carrack.storage.records import Records

HOST = Platform("linux", "amd64")


class FakeJudge:
    """Plays the process that reads things again."""

    def __init__(self, content: ContentStore, files: FakeLayers) -> None:
        self._content = content
        self._files = files

    async def blob(self, digest: str) -> judge.Verdict:
        return judge.of_blob(self._content, digest)

    async def layer(self, diff_id: str) -> judge.Verdict:
        return judge.of_layer(self._files, diff_id)


class World:
    """Everything the image services need, in one folder; `reopen` plays a restart of the daemon."""

    def __init__(self, folder: Path, *, keeps_tar: bool = True) -> None:
        self.folder = folder
        self.files = FakeLayers(folder / "layers", keeps_tar=keeps_tar)
        self.uses: list[Use] = []
        self.held: list[str] = []
        self.disk = Disk(total=1000, free=500)
        self.open()

    def open(self) -> None:
        self.records = Records(self.folder / "meta.db")
        self.records.start()
        self.content = ContentStore(self.folder / "content")
        self.events = Events()
        self.layers = LayerStore(self.records, self.content, self.files, self.files.apply)
        self.store = ImageStore(self.records, self.content, self.layers, self.events, lambda: self.held)
        self.loader = Loader(self.store, self.layers, self.content, HOST)
        self.saver = Saver(self.store, self.layers, self.content)
        self.importer = Importer(self.store, self.layers, self.content, HOST)
        self.remover = Remover(self.store, lambda: self.uses, self.events)
        self.variants = Variants(self.store, self.layers, self.content, lambda: self.uses)
        self.lister = Lister(self.store, self.layers, lambda: self.uses, "fake", self.variants)
        self.looker = Looker(self.store, self.layers, self.look)
        self.keeper = Keeper(
            self.store, self.layers, self.content, self.remover, lambda: self.uses, self.events, lambda: self.disk
        )

    @asynccontextmanager
    async def judging(self) -> AsyncIterator[FakeJudge]:
        yield FakeJudge(self.content, self.files)

    async def reopen(self) -> None:
        self.records.close()
        self.open()
        await self.store.start()

    def close(self) -> None:
        self.records.close()

    async def look(self, images: Sequence[ImageLayers], full: bool, most: int) -> dict[str, Any]:
        """Plays the process that looks into layers: says what it was asked."""
        rows = [{"Files": 1, "Bytes": 1, "Hidden": 0, "Hides": 0} for _ in images[0]]
        return {"Layers": rows, "Asked": [list(image) for image in images], "Full": full, "Most": most}

    @property
    def told(self) -> list[tuple[str, str]]:
        """Events so far: action and the name in it."""
        past: Iterable[Event] = self.events._past(None, None, lambda event: True)
        return [(event.action, event.attributes.get("name", "")) for event in past]

    def leavings(self) -> list[str]:
        """Unfinished files."""
        return [path.name for path in (self.folder / "content" / "ingest").iterdir()]


async def stream(data: bytes, piece: int = 5000) -> AsyncIterator[bytes]:
    """A body in pieces."""
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


def tar(files: dict[str, bytes]) -> bytes:
    """A plain tar of regular files; a name ending in `@` is a link to its content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.rstrip("@"))
            if name.endswith("@"):
                info.type, info.linkname = tarfile.SYMTYPE, data.decode()
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config_for(layers: list[bytes], **more: Any) -> bytes:
    diff_ids = [sha(layer) for layer in layers]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2020-02-03T04:05:06Z",
        "config": {"Cmd": ["sh"], "Labels": {"made": "test"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2020-02-03T04:05:06Z", "created_by": f"layer {i}"} for i in range(len(layers))],
    }
    return json.dumps(document | more).encode()


def docker_archive(images: list[tuple[bytes, list[bytes], list[str]]]) -> bytes:
    """(config, layers, names) each; manifest.json comes last."""
    files: dict[str, bytes] = {}
    entries = []
    for number, (config, layers, names) in enumerate(images):
        for index, layer in enumerate(layers):
            files[f"{number}-{index}/layer.tar"] = layer
        files[f"{number}.json"] = config
        paths = [f"{number}-{index}/layer.tar" for index in range(len(layers))]
        entries.append({"Config": f"{number}.json", "RepoTags": names, "Layers": paths})
    return tar(files | {"manifest.json": json.dumps(entries).encode()})


def oci_layout(config: bytes, layers: list[bytes], name: str = "", /, **index: Any) -> bytes:
    """An OCI image layout with gzip layers."""
    zipped = [gzip.compress(layer, mtime=0) for layer in layers]
    layer_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    manifest = {
        "schemaVersion": 2,
        "config": pointer("application/vnd.oci.image.config.v1+json", config),
        "layers": [pointer(layer_type, data) for data in zipped],
    }
    manifest_bytes = json.dumps(manifest).encode()
    target = pointer("application/vnd.oci.image.manifest.v1+json", manifest_bytes)
    if name:
        target["annotations"] = {"org.opencontainers.image.ref.name": name}
    blobs = {f"blobs/sha256/{sha(data)[7:]}": data for data in (config, manifest_bytes, *zipped)}
    whole = {"schemaVersion": 2, "manifests": [target]} | index
    return tar(blobs | {"index.json": json.dumps(whole).encode(), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'})


def pointer(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha(data), "size": len(data)}


def multi_platform(
    images: dict[str, tuple[bytes, list[bytes]]],
    name: str,
    *,
    attested: str = "",
    said: dict[str, dict[str, Any]] | None = None,
) -> bytes:
    """An OCI image layout with one index: config and layers (which go in gzip'ed) by architecture, in this order.

    `attested`: the architecture whose image has an attestation, as BuildKit writes them; `said`: further members of an
    architecture's descriptor.
    """
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    blobs, entries = dict[str, bytes](), list[dict[str, Any]]()

    def put(media_type: str, data: bytes) -> dict[str, Any]:
        blobs[f"blobs/sha256/{sha(data)[7:]}"] = data
        return pointer(media_type, data)

    for architecture, (config, layers) in images.items():
        packed = [gzip.compress(layer, mtime=0) for layer in layers]
        body = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": put("application/vnd.oci.image.config.v1+json", config),
            "layers": [put("application/vnd.oci.image.layer.v1.tar+gzip", data) for data in packed],
        }
        entry = put(manifest_type, json.dumps(body).encode())
        platform = {"architecture": architecture, "os": "linux"}
        entries.append({**entry, "platform": platform, **(said or {}).get(architecture, {})})
        if architecture == attested:
            entries.append(_attestation(put, entry["digest"]))
    index_type = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": index_type, "manifests": entries}).encode()
    target = put(index_type, index) | {"annotations": {"io.containerd.image.name": name}}
    whole = json.dumps({"schemaVersion": 2, "manifests": [target]}).encode()
    return tar({**blobs, "index.json": whole, "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'})


def _attestation(put: Callable[[str, bytes], dict[str, Any]], subject: str) -> dict[str, Any]:
    body = {
        "schemaVersion": 2,
        "config": put("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [put("application/vnd.in-toto+json", b"{}")],
    }
    return {
        **put("application/vnd.oci.image.manifest.v1+json", json.dumps(body).encode()),
        "annotations": {
            "vnd.docker.reference.digest": subject,
            "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    }
