"""What archives say they hold: platforms, nesting, attestations, and documents that must not be believed."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import HOST, config_for, oci_layout, pointer, sha, tar

from carrack.engine.images import intake as taking
from carrack.engine.images.intake import Intake
from carrack.engine.images.layout import Plan, plans
from carrack.errors import InvalidArgument
from carrack.oci.platform import Platform
from carrack.storage.content import ContentStore

LAYER = tar({"a": b"x"})
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


class Layout:
    """An image layout under construction."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def add(self, media_type: str, value: Any, **more: Any) -> dict[str, Any]:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.blobs[f"blobs/sha256/{sha(data)[7:]}"] = data
        return pointer(media_type, data) | more

    def image(self, architecture: str, config_type: str = CONFIG_TYPE, layer_type: str = LAYER_TYPE) -> dict[str, Any]:
        config = self.add(config_type, config_for([LAYER], architecture=architecture))
        manifest = {"schemaVersion": 2, "config": config, "layers": [self.add(layer_type, LAYER)]}
        return self.add(MANIFEST, manifest, platform={"os": "linux", "architecture": architecture})

    def index(self, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.add(INDEX, {"schemaVersion": 2, "manifests": list(entries)}, **more)

    def read(
        self, tmp_path: Path, *entries: dict[str, Any], wanted: Platform | None = None, **files: bytes
    ) -> list[Plan]:
        index = json.dumps({"schemaVersion": 2, "manifests": list(entries)}).encode()
        whole = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index, **self.blobs, **files}
        with Intake(ContentStore(tmp_path)) as intake:
            intake.read(io.BytesIO(tar(whole)))
            return plans(intake, wanted, HOST)


def architectures(found: list[Plan]) -> list[str]:
    return [json.loads(plan.config)["architecture"] for plan in found]


def test_platforms(tmp_path: Path) -> None:
    layout = Layout()
    index = layout.index(layout.image("arm64"), layout.image("amd64"), layout.image("s390x"))
    found = layout.read(tmp_path, index | {"annotations": {"io.containerd.image.name": "docker.io/library/app:1"}})
    assert architectures(found) == ["amd64", "arm64", "s390x"]
    assert [len(plan.names) for plan in found] == [1, 0, 0]
    assert {sha(plan.index) for plan in found} == {index["digest"]}
    assert architectures(layout.read(tmp_path, index, wanted=Platform("linux", "arm64"))) == ["arm64"]
    with pytest.raises(InvalidArgument, match="no image for linux/riscv64"):
        layout.read(tmp_path, index, wanted=Platform("linux", "riscv64"))


def test_what_an_index_lists_and_is_not_there_is_passed_over(tmp_path: Path) -> None:
    layout = Layout()
    there, gone = layout.image("amd64"), layout.image("arm64")
    index = layout.index(gone, there, layout.image("s390x"))
    del layout.blobs[f"blobs/sha256/{gone['digest'][7:]}"]
    layer = f"blobs/sha256/{sha(LAYER)[7:]}"
    assert architectures(layout.read(tmp_path, index)) == ["amd64", "s390x"]
    del layout.blobs[layer]
    with pytest.raises(InvalidArgument, match="holds no image"):
        layout.read(tmp_path, index)


def test_names_join_and_other_things_are_passed_over(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image("amd64")
    named = [image | {"annotations": {"io.containerd.image.name": f"docker.io/library/app:{n}"}} for n in (1, 2)]
    attestation = layout.image("unknown") | {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    artifact = layout.add(MANIFEST, {"schemaVersion": 2, "config": layout.add("a/b", {}), "layers": []})
    other = layout.add("text/plain", b"words")
    (plan,) = layout.read(tmp_path, attestation, named[0], artifact, other, named[1])
    assert [name.familiar for name in plan.names] == ["app:1", "app:2"]


def test_nesting_is_limited(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.index(layout.index(layout.image("amd64")))
    assert architectures(layout.read(tmp_path, entry)) == ["amd64"]
    for _ in range(4):
        entry = layout.index(entry)
    with pytest.raises(InvalidArgument, match="nested deeper than 4"):
        layout.read(tmp_path, entry)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"oci-layout": b'{"imageLayoutVersion": "2.0.0"}'}, "must be 1.0.0"),
        ({"oci-layout": b"{}"}, "must be 1.0.0"),
        ({"index.json": b'{"schemaVersion": 2, "manifests": []}'}, "holds no image"),
        ({"index.json": b"[]"}, "expected a JSON object"),
        ({"manifest.json": b'[{"Config": 1}]'}, "Config must be a string"),
        ({"manifest.json": b"[1]"}, "expected an object"),
        ({"manifest.json": b"[]"}, "holds no image"),
    ],
)
def test_bad_documents(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        Layout().read(tmp_path, wanted=None, **files)


def test_pointers_must_be_true(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image("amd64")
    for wrong in ({"size": image["size"] + 1}, {"digest": "sha512:" + "0" * 128}, {"digest": sha(b"gone")}):
        with pytest.raises(InvalidArgument):
            layout.read(tmp_path, image | wrong)
    with pytest.raises(InvalidArgument, match="media type x/y is not supported"):
        layout.read(tmp_path, layout.image("amd64", layer_type="x/y"))
    with pytest.raises(InvalidArgument, match=r"differs from the promised|does not fit"):
        layout.read(tmp_path, image | {"mediaType": INDEX})


def test_the_manifest_beside_a_docker_archive(tmp_path: Path) -> None:
    config = config_for([LAYER])
    both = oci_layout(config, [LAYER])
    with Intake(ContentStore(tmp_path)) as intake:
        intake.read(io.BytesIO(both))
        blob = next(plan for plan in plans(intake, None, HOST)).spools[0].finish()
        path = "blobs/sha256/"
        entry = {"Config": path + sha(config)[7:], "Layers": [path + blob.digest[7:]], "RepoTags": ["app:1"]}
        intake.read(io.BytesIO(tar({"manifest.json": json.dumps([entry]).encode()})))
        (plan,) = plans(intake, None, HOST)
        assert json.loads(plan.manifest)["config"]["digest"] == sha(config)
        assert [name.familiar for name in plan.names] == ["app:1"]


def test_indexes_that_name_each_other_over_and_over(tmp_path: Path) -> None:
    """A few kilobytes, and for ever."""
    layout = Layout()
    entry = layout.image("amd64")
    for _ in range(3):
        entry = layout.index(*[entry] * 200)
    with pytest.raises(InvalidArgument, match="too often"):
        layout.read(tmp_path, entry)


def test_one_config_for_very_many_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is held in memory."""
    monkeypatch.setattr(taking, "BYTES_LIMIT", 4 << 20)
    config = config_for([LAYER], config={"Labels": {"a": "x" * 1_000_000}})
    entry = {"Config": "c", "Layers": ["l"], "RepoTags": None}
    for count in (3, 100):
        files = {"manifest.json": json.dumps([entry] * count).encode(), "c": config, "l": LAYER}
        with Intake(ContentStore(tmp_path)) as intake:
            intake.read(io.BytesIO(tar(files)))
            if count == 3:
                assert len(plans(intake, None, HOST)) == 3
                continue
            with pytest.raises(InvalidArgument, match="too large together"):
                plans(intake, None, HOST)
