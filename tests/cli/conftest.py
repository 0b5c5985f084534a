"""A daemon of our own, and the two commands that are judged against it: the real ``docker`` and ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from tests.cli.buildx import buildx, plugins
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually

__all__ = ["buildx", "cli", "daemon", "docker", "image", "plugins"]

pytestmark = pytest.mark.root


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """carrackd with its own roots, socket, bridge, firewall table and cgroups; all of it is gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    process = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    try:
        process.start()
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="session")
def image(daemon: DaemonProcess) -> str:
    """An image of the distribution's static busybox, imported without any registry."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    CommandLine("carrack", daemon)(*IMPORT, stdin=archive)
    return IMAGE


@pytest.fixture(params=["docker", "carrack"])
def cli(request: pytest.FixtureRequest, daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """A command line against the daemon; what a test leaves behind is removed."""
    if request.param == "docker" and not shutil.which("docker"):
        pytest.skip("the real docker command is not installed")
    command = CommandLine(request.param, daemon)
    yield command
    _clean(command)


@pytest.fixture
def docker(daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """The real docker (ours where it is not installed), for tests of what the engine alone decides."""
    command = CommandLine("docker" if shutil.which("docker") else "carrack", daemon)
    yield command
    _clean(command)


def _clean(command: Cli) -> None:
    def empty() -> bool:
        left = command("ps", "-aq").stdout.split()
        return not left or command("rm", "-fv", *left, check=False).returncode == 0  # else one is just being removed

    eventually(empty)
    volumes = command("volume", "ls", "-q").stdout.split()
    if volumes:
        command("volume", "rm", "-f", *volumes)
