"""The examples, built by each client that people build with, and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.clients import packages

EXAMPLES = Path(__file__).parents[2] / "examples"


class Kitchen:
    """Builds examples for one daemon; ``folder`` is for copies and for the plugins of docker."""

    def __init__(self, daemon: DaemonProcess, folder: Path) -> None:
        self.daemon = daemon
        self._folder = folder
        self.carrack = CommandLine("carrack", daemon)

    def copy(self, example: str) -> Path:
        """A copy of an example, whose files are as a fresh clone has them."""
        place = self._folder / example
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(EXAMPLES / example, place, copy_function=shutil.copy)
        return place

    def buildx(self, place: Path, *words: str, env: Mapping[str, str] | None = None) -> str:
        """What the real `docker buildx build` says."""
        return self._docker(place, ["buildx", "build", "--progress", "plain", *words, "."], env)

    def compose(self, place: Path, *words: str, env: Mapping[str, str] | None = None) -> str:
        """What the real `docker compose` says."""
        return self._docker(place, ["compose", "--progress", "plain", *words], env)

    def run(self, image: str, *words: str) -> str:
        """What a container of the image prints."""
        return self.carrack("run", "--rm", image, *words).stdout

    def _docker(self, place: Path, words: list[str], env: Mapping[str, str] | None) -> str:
        environment = {**self.daemon.environment, "DOCKER_CONFIG": str(self._plugins()), **(env or {})}
        done = subprocess.run(
            ["docker", *words], cwd=place, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _plugins(self) -> Path:
        if shutil.which("docker") is None:
            pytest.skip("the real docker command is not on the PATH")
        folder = self._folder / "docker"
        try:
            found = {"docker-buildx": packages.buildx(), "docker-compose": packages.compose()}
        except packages.NotToBeHad as problem:
            pytest.skip(str(problem))
        (folder / "cli-plugins").mkdir(parents=True, exist_ok=True)
        for name, program in found.items():
            place = folder / "cli-plugins" / name
            if not place.is_symlink():
                place.symlink_to(program)
        return folder


def passed_on(*, secrets: bool = True) -> list[str]:
    """The options by which a build gets at packages from where this machine does: proxies, indexes, certificates
    (which are for ``secrets``)."""
    names = [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "NO")]
    names += [name.lower() for name in names] + ["PIP_INDEX_URL", "NPM_CONFIG_REGISTRY"]
    words = [word for name in names if os.environ.get(name) for word in ("--build-arg", name)]
    certificates = os.environ.get("SSL_CERT_FILE", "")
    return [*words, "--secret", f"id=certificates,src={certificates}"] if certificates and secrets else words


@contextmanager
def ssh_agent() -> Iterator[str]:
    """The socket of an agent that has a key of its own."""
    if not shutil.which("ssh-agent"):
        pytest.skip("ssh-agent is not installed")
    with tempfile.TemporaryDirectory(prefix="crk-agent-") as folder:
        sock, key = f"{folder}/agent", f"{folder}/key"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL)
        try:
            eventually(lambda: os.path.exists(sock))
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mine", "-f", key], check=True)
            subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": sock}, check=True)
            yield sock
        finally:
            agent.terminate()
            agent.wait()
