"""The daemon under test and the docker command, as the tests of the command lines have them."""

from __future__ import annotations

from tests.cli.conftest import daemon, docker, image

__all__ = ["daemon", "docker", "image"]
