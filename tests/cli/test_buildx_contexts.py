"""`--build-context` of the real buildx: in place of images and of stages, by folder, image and OCI layout."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.cli.buildx import Buildx
from tests.cli.running import Cli, DaemonProcess
from tests.fakes.elsewhere import web

pytestmark = pytest.mark.root


def test_in_place_of_images_and_stages(buildx: Buildx, image: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").write_text("elsewhere")
    (tmp_path / "other" / "left-out").write_text("")
    (tmp_path / "other" / ".dockerignore").write_text("left-*\n")
    shown = buildx(
        "FROM none:latest AS one\nCOPY --from=files . /\nRUN cat /f; echo is here: /left*\n"
        "FROM files\nCOPY --from=three /bin/busybox /bin/sh\nRUN ls /\nCOPY --from=one /f /g\n"
        "FROM gone AS three\nRUN false\n"
        "FROM three\nRUN echo in three\nCOPY --from=1 /g /g\n",
        "--build-context", f"none=docker-image://{image}", "--build-context", f"files={tmp_path / 'other'}",
        "--build-context", f"three=docker-image://{image}",
    ).stderr  # fmt: skip
    assert [word in shown for word in ("elsewhere", "is here: /left*", "in three", "RUN false")] == [
        True,
        True,
        True,
        False,
    ]


def test_an_image_in_a_layout(buildx: Buildx, docker: Cli, image: str, tmp_path: Path) -> None:
    docker("save", "-o", str(tmp_path / "saved.tar"), image)
    with tarfile.open(tmp_path / "saved.tar") as tar:
        tar.extractall(tmp_path / "layout")
    before = docker("images", "-aq").stdout
    words = ["--build-context", f"other=oci-layout://{tmp_path / 'layout'}"]
    shown = buildx("FROM other\nRUN echo within\nCOPY --from=other /bin/busybox /copied\n", *words).stderr
    assert "within" in shown
    assert len(set(docker("images", "-aq").stdout.split()) - set(before.split())) == 1
    failed = buildx("FROM none\n", "--build-context", "none=oci-layout:///nowhere:1", check=False)
    assert failed.returncode != 0


def test_another_target_of_bake(
    buildx: Buildx, daemon: DaemonProcess, plugins: Path, image: str, tmp_path: Path
) -> None:
    base = {"context": str(tmp_path), "dockerfile-inline": f"FROM {image}\nRUN echo made >/made\nENV A=env\n"}
    text = "FROM base\nRUN cat /made; echo $A\nCOPY --from=base /made /copied\n"
    app = {"context": str(tmp_path), "contexts": {"base": "target:base"}, "dockerfile-inline": text}
    (tmp_path / "bake.json").write_text(json.dumps({"target": {"base": base, "default": app}}))
    done = subprocess.run(
        ["docker", "buildx", "bake", "--progress", "plain", "--allow", f"fs={tmp_path}", "-f", "bake.json"],
        env={**daemon.environment, "DOCKER_CONFIG": str(plugins)}, cwd=tmp_path, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "] RUN " not in line]
    said = [line.rpartition(" ")[2] for line in lines if line.endswith((" made", " env"))]
    assert said == ["made", "env"]


def test_arguments_for_the_builder_itself(buildx: Buildx, image: str, tmp_path: Path) -> None:
    text = f"FROM {image}\nRUN --mount=type=cache,target=/c echo x >> /c/f; hostname; wc -l /c/f\n"
    said = []
    for space in ("", "one", "one"):
        words = ["--build-arg", f"BUILDKIT_CACHE_MOUNT_NS={space}", "--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=myhost"]
        shown = buildx(text, "--no-cache", "--build-arg", "BUILDKIT_SYNTAX=docker/dockerfile:1", *words).stderr
        assert "myhost" in shown
        said.append(next(line.split()[2] for line in shown.splitlines() if line.endswith("/c/f") and "RUN" not in line))
    assert said == ["1", "1", "2"]


DENIED = 'source "{}" denied by policy: source denied by policy'
DENY, ALLOW, INSTEAD = ((action, "WILDCARD") for action in ("DENY", "ALLOW", "CONVERT"))


@pytest.mark.parametrize(
    ("rules", "lines", "said"),
    [
        ([(*DENY, "docker-image://*", "")], "FROM {image}", DENIED.format("docker-image://{whole}")),
        ([(*DENY, "*", ""), (*ALLOW, "local://*", "")], "FROM scratch\nADD {url}/f /", DENIED.format("{url}/f")),
        ([(*DENY, "local://context", "")], "FROM scratch\nCOPY Dockerfile /", DENIED.format("local://context")),
        ([("DENY", "REGEX", "^l.*//.ockerfile", "")], "FROM scratch\nENV A=b", DENIED.format("local://dockerfile")),
        ([("DENY", "REGEX", r"(?U)/\pLockerfile\z", "")], "FROM scratch", DENIED.format("local://dockerfile")),
        ([("DENY", "REGEX", "(a+)+$", "")], "FROM scratch\nADD {url}/" + "a" * 99 + "! /", "404"),
        ([(*INSTEAD, "{url}/gone", "{url}/f")], "FROM {image}\nADD {url}/gone /\nRUN cat /gone; false", "so it is"),
        ([(*INSTEAD, "docker-image://*no:*", "docker-image://{image}")], "FROM no\nRUN echo h''ere; false", "here"),
    ],
)
def test_policies_for_sources(
    buildx: Buildx, image: str, tmp_path: Path, rules: list[tuple[str, str, str, str]], lines: str, said: str
) -> None:
    with web({"/f": b"so it is\n"}) as url:
        names = {"url": url, "image": image, "whole": f"docker.io/library/{image}"}
        told = [
            {
                "action": action,
                "selector": {"identifier": source.format(**names), "match_type": how},
                "updates": {"identifier": to.format(**names)},
            }
            for action, how, source, to in rules
        ]
        (tmp_path / "policy.json").write_text(json.dumps({"rules": told}))
        env = {"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY": str(tmp_path / "policy.json")}
        shown = buildx(lines.format(**names) + "\n", "--network=host", "--allow=network.host", check=False, env=env)
        assert shown.returncode == 1
        assert said.format(**names) in shown.stderr
