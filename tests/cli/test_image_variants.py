"""Images for several platforms: one row, told apart, run, saved and removed by platform."""

from __future__ import annotations

import io
import json
import platform
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.busybox import root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess, api
from tests.fakes.images import config_for, multi_platform, tar

pytestmark = pytest.mark.root
OURS = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
OTHER = "arm64" if OURS == "amd64" else "amd64"
# all that a descriptor may say
SAID = {
    "platform": {
        "architecture": OTHER, "os": "linux", "variant": "v9", "os.version": "1.2", "os.features": ["sse4"],
    },
    "annotations": {"org.example.key": "value"},
    "urls": ["https://blobs.example.org/1"],
    "artifactType": "application/vnd.example.kind",
    "data": "e30=",
}  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = root_file_system()
    if base is None:
        pytest.skip("the distribution's busybox-static is not installed")
    base = _with_mark(base)
    layers = {each: [base, tar({f"for-{each}": b"x" * 4000})] for each in (OTHER, OURS)}
    images = {each: (config_for(layers[each], architecture=each), layers[each]) for each in layers}
    path = tmp_path_factory.mktemp("archive") / "multi.tar"
    path.write_bytes(multi_platform(images, "docker.io/library/multi:1", attested=OURS, said={OTHER: SAID}))
    return path


def _with_mark(base: bytes) -> bytes:
    """The same files as a layer that no other image has, so that it is kept as it comes."""
    file = io.BytesIO(base)
    with tarfile.open(fileobj=file, mode="a") as archive:
        archive.addfile(tarfile.TarInfo("several-platforms"))
    return file.getvalue()


@pytest.fixture
def multi(daemon: DaemonProcess, archive: Path) -> Iterator[DaemonProcess]:
    cli = CommandLine("carrack", daemon)
    cli("load", "-i", str(archive))
    yield daemon
    for left in cli("ps", "-aq", "--filter", "name=variant").stdout.split():
        cli("rm", "-f", left)
    cli("rmi", "-f", "multi:1", check=False)
    cli("image", "prune", "-f")


def get(daemon: DaemonProcess, path: str) -> Any:
    status, body = api(daemon, "GET", path)
    assert status == 200, body
    return json.loads(body) if isinstance(body, (str, bytes)) else body


@pytest.mark.census("GET /images/json?manifests", "GET /images/{name}/json?manifests", "image multi-platform store")
@pytest.mark.census("GET /images/json → [].Manifests*", "GET /images/{name}/json → Manifests*", "image attestations")
@pytest.mark.census("GET /images/json → [].Descriptor", "GET /images/{name}/json → Descriptor")
@pytest.mark.census(
    *(f"GET /images/json → [].Descriptor.{name}" for name in ("digest", "mediaType", "size")),
    *(f"GET /images/{{name}}/json → Descriptor.{name}" for name in ("digest", "mediaType", "size")),
    *(f"GET /system/df → Images[].Descriptor{name}" for name in ("", ".digest", ".mediaType", ".size")),
)
def test_what_is_told_of_each_platform(multi: DaemonProcess) -> None:
    cli = CommandLine("carrack", multi)
    identity = cli("create", "--name", "variant", "multi:1").stdout.strip()
    (row,) = get(multi, '/images/json?manifests=1&filters={"reference":["multi"]}')
    shown = get(multi, "/images/multi:1/json?manifests=1")
    assert shown["Manifests"] == row["Manifests"]
    assert shown["Descriptor"] == row["Descriptor"]
    assert row["Descriptor"].keys() == {"mediaType", "digest", "size"}
    assert row["Descriptor"]["mediaType"] == "application/vnd.oci.image.index.v1+json"
    used = [each for each in get(multi, "/system/df")["Images"] if each["Id"] == row["Id"]]
    assert used[0]["Descriptor"] == row["Descriptor"]
    other, ours, attestation = row["Manifests"]
    assert {key: value for key, value in other["Descriptor"].items() if key in SAID} == SAID
    assert other["Descriptor"].keys() - SAID.keys() == {"mediaType", "digest", "size"}
    for each in (other, ours):
        assert (each["Kind"], each["Available"], each["ID"]) == ("image", True, each["Descriptor"]["digest"])
        sizes = each["Size"]
        assert sizes["Total"] == sizes["Content"] + each["ImageData"]["Size"]["Unpacked"] > 1_000_000
        assert each["ImageData"]["Platform"] == each["Descriptor"]["platform"]
    assert [each["ImageData"]["Containers"] for each in (other, ours)] == [[], [identity]]
    assert (attestation["Kind"], attestation["AttestationData"]) == ("attestation", {"For": ours["ID"]})


@pytest.mark.census(
    "GET /containers/json → [].ImageManifestDescriptor*", "GET /containers/{id}/json → ImageManifestDescriptor*"
)
def test_a_container_tells_of_its_images_manifest(multi: DaemonProcess) -> None:
    CommandLine("carrack", multi)("create", "--name", "variant", "--platform", f"linux/{OTHER}", "multi:1")
    entry = next(each for each in get(multi, "/images/multi:1/json?manifests=1")["Manifests"])["Descriptor"]
    assert SAID.items() <= entry.items()
    for path in ('/containers/json?all=1&filters={"name":["variant"]}', "/containers/json?all=1"):
        row = next(each for each in get(multi, path) if each["Names"] == ["/variant"])
        assert row["ImageManifestDescriptor"] == entry
        old = next(each for each in get(multi, f"/v1.47{path}") if each["Names"] == ["/variant"])
        assert "ImageManifestDescriptor" not in old
    assert get(multi, "/containers/variant/json")["ImageManifestDescriptor"] == entry
    assert "ImageManifestDescriptor" not in get(multi, "/v1.47/containers/variant/json")
    assert all("ImageManifestDescriptor" not in each for each in get(multi, "/system/df")["Containers"])


@pytest.mark.census("GET /images/{name}/attestations")
def test_older_clients_are_told_less_and_asked_for_less(multi: DaemonProcess) -> None:
    row = next(each for each in get(multi, "/v1.47/images/json?manifests=1") if each["RepoTags"] == ["multi:1"])
    assert ("Manifests" in row, "Descriptor" in row) == (True, False)
    row = next(each for each in get(multi, "/v1.46/images/json?manifests=1") if each["RepoTags"] == ["multi:1"])
    assert "Manifests" not in row
    wanted = json.dumps({"os": "linux", "architecture": OTHER}).replace(" ", "")
    assert get(multi, f"/images/multi:1/json?platform={wanted}")["Architecture"] == OTHER
    assert get(multi, f"/v1.48/images/multi:1/json?platform={wanted}")["Architecture"] == OURS
    assert get(multi, f"/images/multi:1/history?platform={wanted}") != get(multi, "/images/multi:1/history")
    assert get(multi, f"/v1.47/images/multi:1/history?platform={wanted}") == get(multi, "/images/multi:1/history")
    assert api(multi, "GET", f"/images/multi:1/json?manifests=1&platform={wanted}")[0] == 400
    assert api(multi, "GET", "/images/multi:1/attestations")[0] == 404


def test_run_by_platform(multi: DaemonProcess, cli: Cli) -> None:
    """The other platform's program is a script's here: busybox of this machine."""
    found = [cli("run", "--rm", "--platform", f"linux/{each}", "multi:1", "ls").stdout for each in (OURS, OTHER)]
    assert f"for-{OURS}" in found[0]
    assert f"for-{OTHER}" in found[1]
    refused = cli("run", "--rm", "--pull", "never", "--platform", "linux/s390x", "multi:1", check=False)
    assert refused.returncode == 125
    assert "linux/s390x" in refused.stderr


@pytest.mark.census("image ls --tree")
@pytest.mark.docker_28
def test_tree(multi: DaemonProcess, cli: Cli) -> None:
    cli("tag", "multi:1", "several:2")
    told = cli("images", "--tree").stdout
    cli("rmi", "several:2")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).split() for line in told.splitlines()]
    end = next(number for number, line in enumerate(lines) if line[:1] == ["├─"])
    assert sorted((lines[end - 2][0], lines[end - 1][0])) == ["multi:1", "several:2"]
    branches = [(line[0], line[1]) for line in lines[end : end + 2]]
    assert branches == [("├─", f"linux/{OTHER}/v9"), ("└─", f"linux/{OURS}")]
    if cli.name == "carrack":
        assert "not here" not in told
        assert cli("images", "--tree", "-q", check=False).returncode != 0


@pytest.mark.docker_28
def test_saved_with_all_platforms_and_with_one(multi: DaemonProcess, cli: Cli, tmp_path: Path) -> None:
    cli("save", "-o", str(tmp_path / "all.tar"), "multi:1")
    cli("save", "-o", str(tmp_path / "one.tar"), "--platform", f"linux/{OTHER}", "multi:1")
    before = get(multi, "/images/multi:1/json?manifests=1")
    assert before["Architecture"] == OURS
    cli("rmi", "multi:1")
    cli("load", "-i", str(tmp_path / "all.tar"))
    after = get(multi, "/images/multi:1/json?manifests=1")
    assert (after["Id"], after["Descriptor"], after["Manifests"]) == (
        before["Id"], before["Descriptor"], before["Manifests"],
    )  # fmt: skip
    cli("rmi", "multi:1")
    cli("load", "-i", str(tmp_path / "one.tar"))
    assert get(multi, "/images/multi:1/json")["Architecture"] == OTHER


@pytest.mark.docker_28
def test_removed_by_platform(multi: DaemonProcess, cli: Cli) -> None:
    first = get(multi, "/images/multi:1/json")["Id"]
    assert cli("rmi", "--platform", f"linux/{OURS}", "multi:1").stdout.splitlines()[0] == f"Deleted: {first}"
    shown = get(multi, "/images/multi:1/json?manifests=1")
    assert shown["Architecture"] == OTHER
    assert [each["Available"] for each in shown["Manifests"]] == [True, False, False]
    if cli.name == "carrack":
        assert "not here" in cli("images", "--tree", "-a").stdout
        assert OURS not in cli("images", "--tree").stdout
    cli("rmi", "--platform", f"linux/{OTHER}/v9", "multi:1", check=False)
    cli("rmi", "-f", "multi:1", check=False)
    assert cli("images", "-aq", "multi").stdout == ""
