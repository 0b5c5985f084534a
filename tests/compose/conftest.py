"""An engine with the images that the applications are made of, and each application as a project.

`CARRACK_TEST_ENGINE` names the socket of another engine that runs them in ours' stead, such as dockerd's: that is how
the applications themselves were tried. It must see the directory of the tests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess
from tests.clients import images, packages
from tests.compose.project import Project

_POOL = ("--default-address-pool", "base=10.92.0.0/16,size=24")
_RECIPES = (images.BASE, images.PYTHON, images.NGINX, images.POSTGRES, images.REDIS)


class OtherEngine(DaemonProcess):
    """One that runs already, at the socket that the environment names."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "DOCKER_HOST": os.environ["CARRACK_TEST_ENGINE"]}


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """carrackd with its own roots, socket, bridge, firewall table and cgroups, and Compose as a plugin of docker."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if shutil.which("docker") is None:
        pytest.skip("the real docker command is not on the PATH")
    try:
        plugin = packages.compose()
    except packages.NotToBeHad as problem:
        pytest.skip(str(problem))
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    folder = tmp_path_factory.mktemp("compose")
    (folder / "client/cli-plugins").mkdir(parents=True)
    (folder / "client/cli-plugins/docker-compose").symlink_to(plugin)
    other = "CARRACK_TEST_ENGINE" in os.environ
    process = OtherEngine(folder) if other else DaemonProcess(folder, *_POOL)
    try:
        if not other:
            process.start()
        _provide(process, archive)
        yield process
    finally:
        if not other:
            process.stop()


def _provide(engine: DaemonProcess, archive: bytes) -> None:
    cli = CommandLine("carrack", engine)
    if cli("image", "inspect", IMAGE, check=False).returncode:
        cli(*IMPORT, stdin=archive)
    for recipe in _RECIPES:
        images.provide(engine, recipe)


@pytest.fixture
def application(engine: DaemonProcess, tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    """An application by its name; after the test it is taken down and must have left nothing."""
    projects: list[Project] = []

    def make(name: str) -> Project:
        projects.append(Project(engine, name, tmp_path))
        return projects[-1]

    tmp_path.chmod(0o755)  # servers inside read from it as users of their own
    yield make
    for project in projects:
        project.down("--volumes")
        assert project.left() == []
