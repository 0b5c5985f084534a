"""Images that are made to mislead, pulled by a daemon: each is refused in clear words, the store is clean after it, and
the next honest pull succeeds."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import DaemonProcess
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_content import Content, Stored, descriptor, sha
from tests.fakes.registry_faults import Fault
from tests.faults.pulling import Disk, images, pull, remove
from tests.suites.tarballs import END, header

from carrack.oci import media_types as types

pytestmark = pytest.mark.root

_NUMBERS = itertools.count()


def new_layer() -> bytes:
    """A tar that no earlier test has pulled."""
    return tar({"bin/sh": b"#!", "data": b"%d" % next(_NUMBERS) + bytes(range(256)) * 300})


ZEROS = "sha256:" + "0" * 64
NO_DIGESTS = {
    "a path": "sha256:../../../../etc/passwd",
    "a short path": "../../x",
    "upper case": "sha256:" + "A" * 64,
    "short": ZEROS[:-1],
    "unknown": "md5:" + "0" * 32,
    "empty": "",
    "null": None,
    "a number": 5,
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path_factory.mktemp("hostile-pulls"))
    try:
        process.start()
        yield process
    finally:
        process.stop()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as started:
        yield started


class Change:
    """A manifest and a config that can be changed before they are put into the registry as `app:1`."""

    def __init__(self, content: Content, layers: list[bytes] | None = None) -> None:
        self.content, self.tars = content, [new_layer()] if layers is None else layers
        stored = content.add_image("app", "honest", self.tars)
        self.manifest: dict[str, Any] = json.loads(content.manifests["app"][stored.manifest][1])
        blob = content.blobs[stored.config]
        assert isinstance(blob, bytes)
        self.config: dict[str, Any] = json.loads(blob)

    def put_config(self, data: bytes | None = None) -> None:
        """Let the manifest point to the config as it is now, or to these bytes."""
        data = json.dumps(self.config).encode() if data is None else data
        self.content.put_blob("app", data)
        self.manifest["config"] = descriptor(types.OCI_CONFIG, data)

    def put_layer(self, data: bytes, media_type: str = types.OCI_LAYER_GZIP, diff_id: str = "") -> None:
        """The one layer is these bytes."""
        self.content.put_blob("app", data)
        self.manifest["layers"] = [descriptor(media_type, data)]
        self.config["rootfs"]["diff_ids"] = [diff_id or ZEROS]
        self.put_config()

    def put(self, data: bytes | None = None, media_type: str = types.OCI_MANIFEST, tag: str = "1") -> str:
        data = json.dumps(self.manifest).encode() if data is None else data
        return self.content.put_manifest("app", data, media_type, tag)


def refused(daemon: DaemonProcess, registry: FakeRegistry, words: str = "", tag: str = "1") -> str:
    """Pull `app:1`, see it refused, the store clean, and an honest image pulled; returns the refusal."""
    disk, before = Disk(daemon.root), images(daemon)
    pulled = pull(daemon, f"{registry.host}/app:{tag}")
    assert pulled.error
    assert words in pulled.error
    assert pulled.error.isprintable()
    assert len(pulled.error) < 2000
    assert disk.wrong() == []
    assert images(daemon) == before
    registry.faults.clear()
    honest = registry.content.add_image("honest", "1", [new_layer()])
    good = pull(daemon, f"{registry.host}/honest:1")
    assert good.error == ""
    assert images(daemon) == before | {honest.config}
    remove(daemon, f"{registry.host}/honest:1")
    assert disk.wrong() == []
    assert disk.partial() == {}
    assert not list(Path("/").glob("canary-of-hostile-pulls*"))
    return pulled.error


def test_a_layer_whose_bytes_are_others(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    stored = registry.content.add_image("app", "1", [new_layer()])
    registry.faults = [Fault(f"/blobs/{stored.layers[0]}", corrupt=200, times=None)]
    said = refused(daemon, registry)
    assert registry.host in said
    assert stored.layers[0][7:19] in said


def test_a_config_whose_bytes_are_others(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    stored = registry.content.add_image("app", "1", [new_layer()])
    registry.faults = [Fault(f"/blobs/{stored.config}", corrupt=5, times=None)]
    assert stored.config[7:19] in refused(daemon, registry)


@pytest.mark.parametrize("by", [-1, 1, 1 << 40])
@pytest.mark.parametrize("what", ["layer", "config"])
def test_a_size_that_is_another(daemon: DaemonProcess, registry: FakeRegistry, by: int, what: str) -> None:
    change = Change(registry.content)
    (change.manifest["layers"][0] if what == "layer" else change.manifest["config"])["size"] += by
    change.put()
    refused(daemon, registry)


def test_a_diff_id_that_is_another(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    change = Change(registry.content)
    change.config["rootfs"]["diff_ids"] = [ZEROS]
    change.put_config()
    change.put()
    assert "diff id" in refused(daemon, registry)


@pytest.mark.parametrize("where", ["config", "layer", "diff id", "index"])
def test_cve_2024_3727_what_is_no_digest(daemon: DaemonProcess, registry: FakeRegistry, where: str) -> None:
    """Each in its turn, as `app:0` and so on; after the last one an honest pull."""
    for number, digest in enumerate(NO_DIGESTS.values()):
        change = Change(registry.content)
        data, kind = None, types.OCI_MANIFEST
        if where == "config":
            change.manifest["config"]["digest"] = digest
        elif where == "layer":
            change.manifest["layers"][0]["digest"] = digest
        elif where == "diff id":
            change.config["rootfs"]["diff_ids"] = [digest]
            change.put_config()
        else:
            where_it_runs = {"os": "linux", "architecture": "amd64"}
            entry = {"mediaType": types.OCI_MANIFEST, "digest": digest, "size": 5, "platform": where_it_runs}
            data, kind = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(), types.OCI_INDEX
        change.put(data, kind, str(number))
        if number + 1 < len(NO_DIGESTS):
            said = pull(daemon, f"{registry.host}/app:{number}").error
            assert said
            assert said.isprintable()
            assert images(daemon) == set()
    refused(daemon, registry, tag=str(len(NO_DIGESTS) - 1))
    assert not any(".." in request.path for request in registry.requests)


BAD_CONFIGS: dict[str, bytes] = {
    "no JSON": b"\x7fELF",
    "a list": b"[]",
    "deep": b'{"config":' * 5000 + b"1" + b"}" * 5000,
    "long": b'{"architecture":"amd64","os":"linux","author":"' + b"x" * (9 << 20) + b'"}',
    "no platform": b'{"rootfs":{"type":"layers","diff_ids":[]}}',
    "twice": b'{"os":"linux","os":"windows","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}',
    "no layers": b'{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}',
}


@pytest.mark.parametrize("data", BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_config_that_is_none(daemon: DaemonProcess, registry: FakeRegistry, data: bytes) -> None:
    change = Change(registry.content)
    change.put_config(data)
    change.put()
    refused(daemon, registry)


BAD_MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "index and manifest": (lambda m: m | {"manifests": []}, types.OCI_MANIFEST),
    "an index by type": (lambda m: m, types.OCI_INDEX),
    "another type inside": (lambda m: m | {"mediaType": types.DOCKER_MANIFEST}, types.OCI_MANIFEST),
    "lookalike": (lambda m: m | {"Layers": []}, types.OCI_MANIFEST),
    "513 layers": (lambda m: m | {"layers": m["layers"] * 513}, types.OCI_MANIFEST),
    "one layer too many": (lambda m: m | {"layers": m["layers"] * 2}, types.OCI_MANIFEST),
    "a layer too few": (lambda m: m | {"layers": []}, types.OCI_MANIFEST),
    "negative size": (lambda m: m | {"config": m["config"] | {"size": -1}}, types.OCI_MANIFEST),
    "no size": (lambda m: m | {"config": m["config"] | {"size": None}}, types.OCI_MANIFEST),
    "a chart": (
        lambda m: m | {"config": m["config"] | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}},
        types.OCI_MANIFEST,
    ),
    "unknown layers": (
        lambda m: m | {"layers": [m["layers"][0] | {"mediaType": "application/x-rpm"}]},
        types.OCI_MANIFEST,
    ),
    "schema 1": (
        lambda m: {"schemaVersion": 1, "name": "app", "tag": "1", "fsLayers": [], "history": [], "signatures": []},
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ),
    "a web page": (lambda m: m, "text/html"),
    "many entries": (lambda m: {"schemaVersion": 2, "manifests": [m["config"]] * 4097}, types.OCI_INDEX),
}


@pytest.mark.parametrize(("made", "kind"), BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_cve_2021_41190_a_manifest_that_is_not_one(
    daemon: DaemonProcess, registry: FakeRegistry, made: Callable[[dict[str, Any]], object], kind: str
) -> None:
    change = Change(registry.content)
    change.put(json.dumps(made(change.manifest)).encode(), kind)
    refused(daemon, registry)


def test_indexes_within_indexes_end(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    content = registry.content
    stored = content.add_image("app", "honest", [new_layer()])
    digest = content.add_index("app", "", [(stored, "linux/amd64")])
    for _ in range(6):
        digest = content.add_index("app", "1", [(Stored(digest, "", (), ()), "linux/amd64")])
    refused(daemon, registry)
    assert len(registry.asked("GET", "/app/manifests/")) <= 6


def test_an_index_of_too_many_that_might_fit(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """None says what it is for, so that each would have to be looked at, and its config."""
    entries = []
    for number in range(300):
        other = registry.content.add_image("app", "", [], architecture="arm", config={"author": str(number)})
        kind, data = registry.content.manifests["app"][other.manifest]
        entries.append(descriptor(kind, data))
    index = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    registry.content.put_manifest("app", index, types.OCI_INDEX, "1")
    refused(daemon, registry)
    assert len(registry.asked("GET", "/app/manifests/")) < 100


def test_a_manifest_cannot_have_other_images_content_removed(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """It names what another image keeps here as its layer, with a diff id or size that cannot be."""
    victim = registry.content.add_image("victim", "1", [new_layer()])
    assert pull(daemon, f"{registry.host}/victim:1").error == ""
    blobs = Disk(daemon.root).blobs()
    layer = registry.content.blobs[victim.layers[0]]
    assert isinstance(layer, bytes)
    for digest in (victim.config, victim.layers[0]):
        for size in (len(layer), 5):
            change = Change(registry.content)
            entry = {"mediaType": types.OCI_LAYER_GZIP, "digest": digest, "size": size}
            change.manifest["layers"] = [entry]
            change.config["rootfs"]["diff_ids"] = ["sha256:" + "1" * 64]
            change.put_config()
            change.put()
            refused(daemon, registry)
            assert blobs <= Disk(daemon.root).blobs()
    remove(daemon, f"{registry.host}/victim:1")


def test_what_a_liar_left_does_not_spoil_the_honest(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """The first bytes of a blob came from a registry that made them up, and broke off."""
    data = gzip.compress(random.Random(5).randbytes(300_000))
    stored = registry.content.add_image("app", "1", [tar({"data": data})], compression="")
    with FakeRegistry() as liar:
        liar.content.add_image("app", "1", [tar({"data": data})], compression="")
        liar.faults = [
            Fault(f"/blobs/{stored.layers[0]}", corrupt=70_000, cut=100_000),
            Fault(f"/blobs/{stored.layers[0]}", status=404, times=None),
        ]
        said = pull(daemon, f"{liar.host}/app:1").error
        assert liar.host in said
    assert Disk(daemon.root).partial() == {stored.layers[0]: 100_000}
    good = pull(daemon, f"{registry.host}/app:1")
    assert good.error == ""
    assert [request.headers.get("range") for request in registry.asked("GET", f"/blobs/{stored.layers[0]}")] == [
        "bytes=100000-",
        None,
    ]
    remove(daemon, f"{registry.host}/app:1")
    assert Disk(daemon.root).wrong() == []
    assert Disk(daemon.root).partial() == {}


def test_an_index_that_names_what_is_another(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """The manifest's bytes are not those of the digest in the index."""
    content = registry.content
    stored = content.add_image("app", "", [new_layer()])
    content.add_index("app", "1", [(stored, "linux/amd64")])
    kind, data = content.manifests["app"][stored.manifest]
    content.manifests["app"][stored.manifest] = (kind, data + b" ")
    assert stored.manifest[7:19] in refused(daemon, registry)


def _bomb(size: int) -> bytes:
    return gzip.compress(header(b"zeros", b"0", size) + bytes(size) + END, compresslevel=9, mtime=0)


BAD_LAYERS: dict[str, Callable[[], tuple[bytes, str]]] = {
    "no archive": (lambda: (gzip.compress(b"no tar" * 1000), types.OCI_LAYER_GZIP)),
    "half an archive": (lambda: (gzip.compress(new_layer()[:40_000]), types.OCI_LAYER_GZIP)),
    "half a gzip": (lambda: (gzip.compress(new_layer())[:-40], types.OCI_LAYER_GZIP)),
    "a window of 2 GiB": (
        lambda: (
            b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + (3 << 3 | 1).to_bytes(3, "little") + b"abc",
            types.OCI_LAYER_ZSTD,
        )
    ),
    "garbage": (lambda: (zlib.compress(new_layer()), types.OCI_LAYER_GZIP)),
    "a size of 2^63": (lambda: (gzip.compress(header(b"big", b"0", 1 << 63)), types.OCI_LAYER_GZIP)),
    "a claimed terabyte": (lambda: (gzip.compress(header(b"big", b"0", 1 << 40)), types.OCI_LAYER_GZIP)),
}


@pytest.mark.parametrize("made", BAD_LAYERS.values(), ids=BAD_LAYERS)
def test_a_layer_that_is_none(
    daemon: DaemonProcess, registry: FakeRegistry, made: Callable[[], tuple[bytes, str]]
) -> None:
    change = Change(registry.content)
    change.put_layer(*made())
    change.put()
    refused(daemon, registry)


def test_layers_that_point_out_of_the_image(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """Members outside, hard links to the host's files: whatever becomes of them, nothing outside is touched."""
    out, canary = io.BytesIO(), "canary-of-hostile-pulls"
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in (f"../../../../../../{canary}", f"/{canary}-2", f"a/../../../../{canary}-3"):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"bad"))
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.LNKTYPE, "../../../../../etc/passwd"
        archive.addfile(link)
    change = Change(registry.content)
    change.put_layer(gzip.compress(out.getvalue()), diff_id=sha(out.getvalue()))
    change.put()
    refused(daemon, registry)


def test_cve_2020_15157_urls_of_foreign_layers_are_never_asked(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """Neither where the registry has the layer, nor where it has not."""
    with FakeRegistry(registry.content) as other:
        change = Change(registry.content)
        layer = change.manifest["layers"][0]
        layer["mediaType"] = types.DOCKER_FOREIGN_LAYER_GZIP
        layer["urls"] = [f"{other.url}/v2/app/blobs/{layer['digest']}", "file:///etc/passwd"]
        change.put()
        registry.faults = [Fault(f"/app/blobs/{layer['digest']}", status=404, code="BLOB_UNKNOWN", times=None)]
        refused(daemon, registry)
        assert pull(daemon, f"{registry.host}/app:1").error == ""
        remove(daemon, f"{registry.host}/app:1")
        assert other.requests == []
