"""dockerode and testcontainers for node: each file in `node/` is a suite of node's own test runner."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.clients import images

pytestmark = pytest.mark.root
_SUITES = Path(__file__).parent / "node"


def _run(suite: str, clients: Path, daemon: DaemonProcess, scratch: Path, **more: str) -> None:
    environment = {**daemon.environment, "NODE_PATH": str(clients / "node_modules"), "SCRATCH": str(scratch), **more}
    done = subprocess.run(
        ["node", "--test", str(_SUITES / suite)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.census(
    "POST /containers/{id}/attach",
    "POST /exec/{id}/start",
    "GET /events",
    "PUT /containers/{id}/archive",
    "POST /commit",
)
def test_dockerode(node_clients: Path, daemon: DaemonProcess, busybox: str, tmp_path: Path) -> None:
    _run("dockerode.cjs", node_clients, daemon, tmp_path)


def test_testcontainers(
    node_clients: Path, daemon: DaemonProcess, busybox: str, provide: Callable[[images.Recipe], str], tmp_path: Path
) -> None:
    for recipe in (images.POSTGRES, images.REDIS, images.NGINX):
        provide(recipe)
    reaper = {"RYUK_CONTAINER_IMAGE": provide(images.REAPER), "TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT": "1s"}
    _run("testcontainers.cjs", node_clients, daemon, tmp_path, **reaper)
    # The reaper ends once the tests' process is gone, and takes with it the image that was to go then.
    cli = CommandLine("carrack", daemon)
    eventually(lambda: cli("image", "ls", "-q", "committed").stdout == "")
