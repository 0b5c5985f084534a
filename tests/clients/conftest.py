"""A daemon of our own for clients that others wrote, the clients themselves, and images of real servers."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess
from tests.clients import images, packages

pytestmark = pytest.mark.root


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """carrackd with its own roots, socket, bridge, firewall table and cgroups; all of it is gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    process = DaemonProcess(tmp_path_factory.mktemp("clients"))
    try:
        process.start()
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="session")
def busybox(daemon: DaemonProcess) -> str:
    """An image of the distribution's static busybox, imported without any registry."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    CommandLine("carrack", daemon)(*IMPORT, stdin=archive)
    return IMAGE


@pytest.fixture
def provide(daemon: DaemonProcess) -> Callable[[images.Recipe], str]:
    """Makes (or takes from the cache) an image of Debian's packages, and gives its name."""
    return lambda recipe: images.provide(daemon, recipe)


@pytest.fixture(scope="session")
def python_client(daemon: DaemonProcess) -> Callable[[str], Any]:
    """Imports a client by its module's name; a test is skipped where it cannot be had."""
    try:
        folder = str(packages.python_packages())
    except packages.NotToBeHad as problem:
        pytest.skip(str(problem))
    if folder not in sys.path:
        sys.path.append(folder)  # at the end: what the project itself uses comes first
    return importlib.import_module


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """The folder with node_modules in it; a test is skipped where they cannot be had."""
    try:
        return packages.node_packages()
    except packages.NotToBeHad as problem:
        pytest.skip(str(problem))


@pytest.fixture(autouse=True)
def cleaned(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test leaves behind is removed."""
    daemon = request.getfixturevalue("daemon")
    yield
    command = CommandLine("carrack", daemon)
    if left := command("ps", "-aq").stdout.split():
        command("rm", "-fv", *left)
    if volumes := command("volume", "ls", "-q").stdout.split():
        command("volume", "rm", "-f", *volumes)


@pytest.fixture(scope="session")
def docker(python_client: Callable[[str], Any]) -> Any:
    """The module of docker-py."""
    return python_client("docker")


@pytest.fixture
def client(docker: Any, daemon: DaemonProcess, busybox: str) -> Iterator[Any]:
    """docker-py, connected."""
    connected = docker.DockerClient(base_url=f"unix://{daemon.socket}", timeout=30)
    yield connected
    connected.close()


@pytest.fixture
def sleeper(client: Any) -> Any:
    """docker-py's view of a container that sleeps."""
    return client.containers.run("busybox", "sleep 600", detach=True, name="sleeper", stop_signal="KILL", init=True)
