"""Caches of builds by our command and by docker's classic one; those of buildx are in test_buildx."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.built import forget_builds, forget_steps
from tests.cli.running import Cli, CommandLine, DaemonProcess
from tests.fakes.registry import FakeRegistry

pytestmark = pytest.mark.root

TEXT = """FROM busybox AS one
RUN date +%N > /made
FROM busybox
COPY --from=one /made /copied
COPY f /f
RUN echo on top
"""


@pytest.fixture
def context(daemon: DaemonProcess, docker: Cli, image: str, tmp_path: Path) -> Iterator[str]:
    """A folder to build; every image but the base is removed afterwards."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(TEXT)
    (tmp_path / "context" / "f").write_text("f")
    yield str(tmp_path / "context")
    forget_builds(daemon, docker, image)


@pytest.mark.census("image build --cache-from")
def test_caches_of_our_command(context: str, docker: Cli, daemon: DaemonProcess, tmp_path: Path) -> None:
    ours, place = CommandLine("carrack", daemon), tmp_path / "cache"
    with FakeRegistry() as registry:
        name = f"{registry.host}/app"
        given = [
            "--cache-to",
            f"type=local,dest={place},mode=max",
            "--cache-to",
            f"type=registry,ref={name}:c,mode=max",
        ]
        ours("build", *given, "--build-arg", "BUILDKIT_INLINE_CACHE=1", "-t", f"{name}:1", context)
        docker("push", f"{name}:1")
        identity = docker("inspect", "-f", "{{.Id}}", f"{name}:1").stdout
        docker("rmi", "-f", f"{name}:1")
        for source, count in ((f"type=local,src={place}", 4), (f"{name}:c", 4), (f"{name}:1", 4)):
            forget_steps(daemon)
            shown = ours("build", "--cache-from", source, "-t", "again:1", context).stdout
            assert shown.count("Using cache") == count, shown
            if count == 4:
                assert ours("build", "--cache-from", source, "-q", "-o", "type=tar,dest=/dev/null", context)
            docker("rmi", "-f", "again:1")
    assert identity.startswith("sha256:")


def test_caches_that_cannot_be_had(context: str, daemon: DaemonProcess, tmp_path: Path) -> None:
    ours = CommandLine("carrack", daemon)
    sources = ["--cache-from", f"type=local,src={tmp_path / 'none'}", "--cache-from", "127.0.0.1:1/none"]
    shown = ours("build", *sources, context).stdout
    assert shown.count("it is done without") == 2
    assert "Successfully built" in shown


PLACES = {
    "gha": "type=gha,url=https://c.example,token=t",
    "s3": "type=s3,bucket=b,region=r,access_key_id=i,secret_access_key=k",
    "azblob": "type=azblob,account_url=https://a.example,secret_access_key=k",
    "other": "type=other",
}


@pytest.mark.parametrize(
    ("kind", "client"),
    [
        *((kind, "carrack") for kind in PLACES),
        *((kind, "buildx") for kind in ("azblob", "other")),  # buildx sends the others only from where they work
    ],
)
def test_places_that_are_not_for_us(
    kind: str, client: str, context: str, daemon: DaemonProcess, request: pytest.FixtureRequest
) -> None:
    """What cannot be given is refused; what cannot be had is told, and done without."""
    program, environment = [*CommandLine("carrack", daemon).program, "build"], daemon.environment
    if client == "buildx":
        environment = {**environment, "DOCKER_CONFIG": str(request.getfixturevalue("plugins"))}
        program = ["docker", "buildx", "build", "--progress=plain"]

    def run(flag: str) -> subprocess.CompletedProcess[str]:
        words = [*program, flag, PLACES[kind], context]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)

    refused = run("--cache-to")
    told = f"--cache-to type={kind} is not supported by Carrack: inline, registry, local are"
    assert (refused.returncode, told in refused.stderr) == (1, True), refused.stderr
    built = run("--cache-from")
    assert built.returncode == 0, built.stderr
    assert f"--cache-from type={kind} is not supported by Carrack: registry, local are" in built.stdout + built.stderr


@pytest.mark.census("builder build --cache-from", "image build --cache-from", "POST /build?cachefrom")
def test_images_as_caches_of_the_classic_request(
    context: str, docker: Cli, daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    made = docker("build", "--target", "one", "-t", "old:1", context).stdout
    assert "Using cache" not in made
    forget_steps(daemon)
    again = docker("builder", "build", "--cache-from", "old:1", "--cache-from", "none:1", "-t", "new:1", context).stdout
    assert again.count("Using cache") == 1
    assert (
        docker("run", "--rm", "old:1", "cat", "/made").stdout == docker("run", "--rm", "new:1", "cat", "/copied").stdout
    )
