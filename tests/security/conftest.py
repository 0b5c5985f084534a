"""The daemon under test and the docker command, as the tests of the command lines have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.cli.buildx import buildx, plugins
from tests.cli.built import forget_builds
from tests.cli.conftest import daemon, docker, image
from tests.cli.running import Cli, DaemonProcess, Result

__all__ = ["build", "buildx", "daemon", "docker", "image", "plugins"]


@pytest.fixture
def build(docker: Cli, daemon: DaemonProcess, image: str) -> Iterator[Callable[..., Result]]:
    """Builds a Dockerfile without a context; what was built and what is remembered of it is removed afterwards."""

    def run(text: str, *words: str, check: bool = True) -> Result:
        return docker("build", *words, "-", stdin=text, check=check)

    yield run
    forget_builds(daemon, docker, image)
