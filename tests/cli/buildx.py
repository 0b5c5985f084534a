"""The real buildx against a daemon of our own, for the tests that need it: fixtures."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.built import forget_builds
from tests.cli.running import Cli, DaemonProcess
from tests.clients import packages

Buildx = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """The docker command's folder of configuration, with buildx in it."""
    if not shutil.which("docker"):
        pytest.skip("the real docker command is not on the PATH")
    try:
        plugin = packages.buildx()
    except packages.NotToBeHad as problem:
        pytest.skip(str(problem))
    plugins = tmp_path / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(plugin)
    return plugins.parent


@pytest.fixture
def buildx(daemon: DaemonProcess, docker: Cli, image: str, tmp_path: Path, plugins: Path) -> Iterator[Buildx]:
    """Runs `docker buildx build` on a context of files; what it left is removed."""
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
        environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins), **(env or {})}
        command = ["docker", "buildx", "build", "--progress", "plain", *words, str(context)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done

    yield run
    forget_builds(daemon, docker, image)
