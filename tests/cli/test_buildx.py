"""The real buildx against our daemon: BuildKit's face as its users meet it.

Skipped by name where there is no buildx: CARRACK_TEST_BUILDX names the plugin's file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, DaemonProcess, api

pytestmark = pytest.mark.root

_PLACES = (
    os.environ.get("CARRACK_TEST_BUILDX", ""),
    os.environ.get("CARRACK_PEERS", "/opt/peers") + "/root/usr/libexec/docker/cli-plugins/docker-buildx",
    "/usr/libexec/docker/cli-plugins/docker-buildx",
    "/usr/lib/docker/cli-plugins/docker-buildx",
)
Buildx = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def buildx(daemon: DaemonProcess, docker: Cli, image: str, tmp_path: Path) -> Iterator[Buildx]:
    """Runs `docker buildx build` on a context of files; what it left is removed."""
    plugin = next((place for place in _PLACES if place and os.path.isfile(place)), None)
    if plugin is None or not shutil.which("docker"):
        pytest.skip("no docker with buildx: CARRACK_TEST_BUILDX names no plugin")
    plugins = tmp_path / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(plugin)
    context = tmp_path / "context"
    context.mkdir()

    def run(
        text: str, *words: str, check: bool = True, env: dict[str, str] | None = None, **files: str
    ) -> subprocess.CompletedProcess[str]:
        (context / "Dockerfile").write_text(text)
        for name, content in files.items():
            place = context / name.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins.parent), **(env or {})}
        command = ["docker", "buildx", "build", "--progress", "plain", *words, str(context)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done

    yield run
    base = docker("images", "-q", image).stdout.strip()
    for identity in docker("images", "-aq").stdout.split():
        if identity != base:
            docker("rmi", "-f", identity, check=False)
    api(daemon, "POST", "/build/prune?all=1")


def test_a_project(buildx: Buildx, docker: Cli) -> None:
    text = """# syntax=docker/dockerfile:1
FROM busybox AS one
ARG V=1
RUN echo made $V > /made && echo spoken >&2
FROM busybox
COPY --from=one /made /made
COPY src /src
CMD ["cat", "/made", "/src/a"]
"""
    files = {"src__a": "file\n", "src__b.md": "x", ".dockerignore": "**/*.md\n"}
    shown = buildx(text, "-t", "built:1", "--build-arg", "V=2", "--label", "l=1", **files).stderr
    assert "[one 2/2] RUN echo made" in shown
    assert "spoken" in shown
    assert docker("run", "--rm", "built:1").stdout == "made 2\nfile\n"
    assert docker("run", "--rm", "built:1", "ls", "/src").stdout == "a\n"
    assert docker("inspect", "-f", "{{.Config.Labels.l}}", "built:1").stdout == "1\n"
    again = buildx(text, "-t", "built:1", "--build-arg", "V=2", **files).stderr
    assert again.count("CACHED") == 3


def test_secrets_contexts_and_binds(buildx: Buildx, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").write_text("elsewhere")
    text = """FROM busybox
RUN --mount=type=secret,id=tok cat /run/secrets/tok && stat -c %a /run/secrets/tok
RUN --mount=type=secret,id=tok,env=TOK echo "in the environment: $TOK"
RUN --mount=target=/ctx ls /ctx
RUN --mount=from=other,target=/o cat /o/f
COPY --from=other f /f
"""
    words = ["--secret", f"id=tok,src={tmp_path / 'token'}", "--build-context", f"other={tmp_path / 'other'}"]
    shown = buildx(text, *words).stderr
    for said in ("hush400", "in the environment: hush", "Dockerfile", "elsewhere"):
        assert said in shown


def test_an_agent(buildx: Buildx, tmp_path: Path) -> None:
    if not shutil.which("ssh-agent"):
        pytest.skip("ssh-agent is not installed")
    sock = str(tmp_path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL)
    try:
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": sock}, check=True)
        text = "FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && stat -c '%a of %u' $SSH_AUTH_SOCK"
        shown = buildx(text, "--ssh", "default", env={"SSH_AUTH_SOCK": sock}).stderr
        assert "600 of 0" in shown
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM busybox\nRUN echo last words; exit 7", "exit code: 7"),
        ("FROM busybox\nFOO x", "dockerfile parse error on line 2: unknown instruction: FOO"),
        ("FROM busybox\nCOPY none /", "not found"),
        ("FROM busybox\nRUN --security=insecure true", "security.insecure is not allowed"),
    ],
)
def test_failures(buildx: Buildx, docker: Cli, text: str, said: str) -> None:
    failed = buildx(text, check=False)
    assert failed.returncode == 1
    assert said in failed.stderr
    assert docker("ps", "-aq").stdout == ""
