"""Flags of `carrack build` that docker's classic request has no words for, seen from inside what is built."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.built import forget_builds
from tests.cli.running import Cli, CommandLine, DaemonProcess, api
from tests.fakes.elsewhere import Repository, git_daemon, web

pytestmark = pytest.mark.root


@pytest.fixture
def carrack(daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    command = CommandLine("carrack", daemon)
    yield command
    forget_builds(daemon, command, image)


def test_stages_that_are_not_taken_from_the_cache(carrack: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox AS One\nRUN cat /proc/sys/kernel/random/uuid > /now\n"
        "FROM busybox AS two\nRUN cat /proc/sys/kernel/random/uuid > /now\n"
        "FROM scratch\nCOPY --from=one /now /1\nCOPY --from=two /now /2\n"
    )

    def times(*words: str) -> tuple[str, str]:
        carrack("build", *words, "-o", str(tmp_path / "out"), str(tmp_path))
        return (tmp_path / "out/1").read_text(), (tmp_path / "out/2").read_text()

    first = times()
    assert times() == first
    second = times("--no-cache-filter", "One")
    assert (second[0] != first[0], second[1]) == (True, first[1])
    third = times("--no-cache-filter", "none,two", "--no-cache-filter", "one")
    assert (third[0] != second[0], third[1] != second[1]) == (True, True)
    failed = carrack("build", "--no-cache", "--no-cache-filter", "one", str(tmp_path), check=False)
    assert (failed.returncode, "cannot currently be used together" in failed.stderr) == (1, True)


def test_entitlements(carrack: Cli, daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN --network=host readlink /proc/self/ns/net\n")
    failed = carrack("build", str(tmp_path), check=False)
    assert (failed.returncode, "build with --allow network.host" in failed.stderr) == (1, True)
    shown = carrack("build", "--allow", "network.host", str(tmp_path)).stdout
    assert f"\n{os.readlink('/proc/self/ns/net')}\n" in shown
    for name in ("security.insecure", "everything"):
        failed = carrack("build", "--allow", name, str(tmp_path), check=False)
        assert f"granting entitlement {name} is not allowed by build daemon configuration" in failed.stderr
    status, answer = api(daemon, "POST", "/build?allow=network.host")
    assert (status, b"need style=buildkit" in answer) == (400, True)


def test_contexts_in_place_of_images_and_stages(carrack: Cli, image: str, tmp_path: Path) -> None:
    """As with buildx, see test_buildx_contexts."""
    other, context = tmp_path / "other", tmp_path / "context"
    other.mkdir()
    context.mkdir()
    (other / "f").write_text("elsewhere")
    (other / "secret").write_text("")
    (other / ".dockerignore").write_text("secret\n.dockerignore\n")
    (context / "Dockerfile").write_text(
        "FROM none:latest AS one\nCOPY --from=files . /c/\nRUN cat /c/*; ls -A /c\n"
        "FROM files\nCOPY --from=three /bin/busybox /bin/sh\nRUN ls /\n"
        "FROM gone AS three\nRUN false\n"
        "FROM three\nRUN echo in three\nCOPY --from=1 /f /g\nCOPY --from=one /c/f /h\nRUN cat /g /h\n"
    )
    words = ["--build-context", f"none=docker-image://{image}", "--build-context", f"files={other}"]
    words += ["--build-context", f"three:latest=docker-image://{image}"]
    shown = carrack("build", *words, str(context)).stdout
    assert "\nelsewheref\n" in shown
    assert "\nelsewhereelsewhere" in shown
    assert [word in shown for word in ("in three", "RUN false")] == [True, False]
    assert "\nin three" not in carrack("build", *words, str(context)).stdout, "all is in the cache"
    for number in range(70):  # so many that they are listed
        (other / f"n{number}").write_text("")
    for text in ("changed", "changed once more"):
        (other / "f").write_text(text)
        assert f"\n{text}" in carrack("build", *words, str(context)).stdout
    failed = carrack("build", "--build-context", f"x={tmp_path}/none", str(context), check=False)
    assert (failed.returncode, "there is no such folder" in failed.stderr) == (1, True)


def test_contexts_from_elsewhere(carrack: Cli, docker: Cli, image: str, daemon: DaemonProcess, tmp_path: Path) -> None:
    docker("save", "-o", str(tmp_path / "saved.tar"), image)
    with tarfile.open(tmp_path / "saved.tar") as tar:
        tar.extractall(tmp_path / "layout")
    (tmp_path / "Dockerfile").write_text(
        "FROM layout AS one\nRUN cp /bin/busybox /copied\n"
        "FROM scratch\nCOPY --from=repo in /a\nCOPY --from=repo in /b\nCOPY --from=url d /\nCOPY --from=one /copied /\n"
    )
    with web({"/d": b"by http"}) as address, git_daemon(tmp_path / "repos") as git:
        Repository(tmp_path / "repos" / "r.git").commit({"sub/in": "by git"})
        words = ["--build-context", f"repo={git}/r.git#main:sub", "--build-context", f"url={address}/d"]
        words += ["--build-context", f"layout=oci-layout://{tmp_path}/layout", "-o", str(tmp_path / "out")]
        carrack("build", *words, str(tmp_path))
    assert [(tmp_path / "out" / name).read_text() for name in "abd"] == ["by git", "by git", "by http"]
    assert (tmp_path / "out" / "copied").stat().st_size > 100_000
    failed = carrack("build", "--build-context", f"x=oci-layout://{tmp_path}/layout:none", str(tmp_path), check=False)
    assert (failed.returncode, "there is no image none" in failed.stderr) == (1, True)
    status, answer = api(daemon, "POST", "/build?style=buildkit&contexts=%7B%22a%22%3A%22sent%3Ax%22%7D")
    assert (status, b"send it again" in answer) == (404, True)


def test_agents_and_keys(carrack: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSH's own program asks for the keys inside the container."""
    program = shutil.which("ssh-add")
    if not program or not shutil.which("ssh-agent"):
        pytest.skip("ssh-agent is not installed")
    key, sock, context = tmp_path / "key", tmp_path / "agent", tmp_path / "context"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "my comment", "-f", key], check=True)
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for each in (program, *(word for word in linked.split() if word.startswith("/"))):
        place = context / each.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(each, place)
    shutil.copy(f"{key}.pub", context)
    (context / "Dockerfile").write_text(
        "FROM busybox\nCOPY . /\n"
        f"RUN --mount=type=ssh,required stat -c '%a of %u' $SSH_AUTH_SOCK; {program} -L\n"
        f"RUN --mount=type=ssh,id=other,required {program} -T /key.pub && echo it signs\n"
    )
    said = subprocess.run(["ssh-agent", "-a", sock], capture_output=True, text=True, check=True).stdout
    try:
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": str(sock)}, check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        shown = carrack("build", "--ssh", "default", "--ssh", f"other={key}", str(context)).stdout
    finally:
        os.kill(int(said.partition("SSH_AGENT_PID=")[2].partition(";")[0]), signal.SIGTERM)
    assert "\n600 of 0\nssh-ed25519 " in shown
    assert " my comment\n" in shown
    assert "\nit signs\n" in shown
    failed = carrack("build", "--no-cache", str(context), check=False)
    assert "give one with --ssh default" in failed.stderr
    failed = carrack("build", "--ssh", f"default={tmp_path}/none", str(context), check=False)
    assert "neither an agent's socket nor a key" in failed.stderr
