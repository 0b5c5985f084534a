"""`docker buildx history` and `--metadata-file`: what the real buildx learns of builds that are over."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.buildx import Buildx
from tests.cli.running import DaemonProcess

History = Callable[..., str]


@pytest.fixture
def history(daemon: DaemonProcess, plugins: Path) -> History:
    """Runs `docker buildx history`; both of its outputs, the first one first."""
    environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins)}

    def run(*words: str) -> str:
        command = ["docker", "buildx", "history", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_the_history_of_builds(buildx: Buildx, history: History) -> None:
    history("rm", "--all")
    buildx("FROM busybox\nRUN echo some words", "--build-arg", "A=1")
    buildx("FROM busybox\nRUN echo last words; exit 7", check=False)
    assert history("ls", "--format", "{{.Status}}").split() == ["Error", "Completed"]
    assert history("ls", "--filter", "status=error", "--format", "{{.Status}}").split() == ["Error"]
    failed = json.loads(history("inspect", "--format", "json"))["Error"]
    assert failed["Message"].endswith("exit code: 7")
    assert ">>> RUN echo last words; exit 7" in history("inspect")
    told = json.loads(history("inspect", "^1", "--format", "json"))
    assert (told["Status"], told["BuildArgs"]) == ("completed", [{"Name": "A", "Value": "1"}])
    assert told["NumCompletedSteps"] == told["NumTotalSteps"] > 2
    assert [each["URI"] for each in told["Materials"]] == ["pkg:docker/busybox@latest?platform=linux%2Famd64"]
    assert "some words" in history("logs", "^1")
    history("rm", told["Ref"])
    assert history("ls", "--format", "{{.Status}}").split() == ["Error"]


def _documents(place: Path) -> list[Any]:
    with tarfile.open(place) as tar:
        files = [tar.extractfile(each) for each in tar if each.isreg() and each.name.startswith("blobs/")]
        texts = [file.read() for file in files if file is not None]
    return [json.loads(text) for text in texts if text.startswith((b'{"', b"{\n"))]


def test_records_leave_whole(buildx: Buildx, history: History, tmp_path: Path) -> None:
    place, archive = tmp_path / "record.tar.gz", tmp_path / "image.tar"
    buildx("FROM busybox\nCOPY a /a\nRUN echo x", "--build-arg", "A=1", "-o", f"type=oci,dest={archive}", a="1")
    history("export", "-o", str(place))
    found = _documents(place)
    kinds = [[layer["mediaType"] for layer in each["layers"]] for each in found if "layers" in each]
    assert ["application/vnd.buildkit.status.v0", "application/vnd.in-toto+json", "application/json"] in kinds
    said = next(each for each in found if "buildConfig" in each)
    assert said["invocation"]["parameters"]["args"] == {"build-arg:A": "1"}
    assert json.loads(history("inspect", "attachment", "--type", "provenance")) == said
    buildx("FROM busybox\nRUN exit 7", check=False)
    history("export", "-o", str(place))
    (error,) = [each for each in _layers(place) if "rpc.status" in each]
    assert error


def _layers(place: Path) -> list[str]:
    return [layer["mediaType"] for each in _documents(place) for layer in each.get("layers") or ()]


@pytest.mark.parametrize(
    ("words", "several"),
    [((), False), (("-o", "type=cacheonly"), False), (("--platform", "linux/amd64,linux/arm64"), True)],
)
def test_what_is_written_about_a_build(buildx: Buildx, tmp_path: Path, words: tuple[str, ...], several: bool) -> None:
    place = tmp_path / "said.json"
    buildx("FROM scratch\nCOPY a /a\n", "--metadata-file", str(place), *words, a="1")
    said = json.loads(place.read_text())
    assert said["buildx.build.ref"]
    assert ("containerimage.digest" in said) is ("cacheonly" not in str(words))
    if not several:  # of several platforms buildx writes none beside an image, on dockerd neither
        provenance = said["buildx.build.provenance"]
        assert provenance["invocation"]["parameters"]["locals"] == [{"name": "context"}, {"name": "dockerfile"}]


def test_a_graph_that_buildx_reads_whole(buildx: Buildx, tmp_path: Path) -> None:
    """Compose asks for it at each build, and fails where a value has another type than BuildKit's."""
    mounts = " ".join(f"--mount=type={kind},target=/{kind}" for kind in ("bind", "cache", "tmpfs"))
    text = f"FROM busybox\nRUN {mounts} --mount=type=secret,id=s --mount=type=ssh true\nCOPY --chown=7:root a /a\n"
    text += "RUN --network=none true\nWORKDIR /w\n"
    said = tmp_path / "said"
    buildx(text, "--metadata-file", str(said), env={"BUILDX_METADATA_PROVENANCE": "max"}, a="1")
    told = json.loads(said.read_text())["buildx.build.provenance"]
    steps = [step["op"]["Op"] for step in told["buildConfig"]["llbDefinition"]]
    (first, _) = [each["exec"] for each in steps if "exec" in each]
    assert [row.get("mountType", 0) for row in first["mounts"]] == [0, 0, 3, 4, 1, 2]
    (copy,) = [each["file"]["actions"][0]["Action"]["copy"] for each in steps if "copy" in str(each)]
    assert copy["owner"]["user"] == {"User": {"byId": 7}}
