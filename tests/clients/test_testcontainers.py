"""testcontainers for Python: its modules, and its reaper (a stand-in of ours) that removes what dead tests leave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.clients import images, packages

pytestmark = pytest.mark.root
_SCRIPTS = Path(__file__).parent / "scripts"

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(daemon: DaemonProcess, busybox: str, provide: Callable[[images.Recipe], str]) -> Run:
    """Runs a script as a user's test run would be, in a process of its own."""
    try:
        folder = packages.python_packages()
    except packages.NotToBeHad as problem:
        pytest.skip(str(problem))
    environment = {
        **daemon.environment,
        "PYTHONPATH": str(folder),
        "RYUK_CONTAINER_IMAGE": provide(images.REAPER),
        "RYUK_RECONNECTION_TIMEOUT": "1s",
        "TC_POOLING_INTERVAL": "0.1",
    }

    def script(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(_SCRIPTS / name)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return script


def test_its_modules_serve(run: Run, provide: Callable[[images.Recipe], str]) -> None:
    for recipe in (images.POSTGRES, images.REDIS, images.NGINX):
        provide(recipe)
    done = run("testcontainers_modules.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "postgres works", "redis works", "nginx works", "plain works", "networks works",
    ]  # fmt: skip


def test_what_a_dead_test_leaves_is_reaped(run: Run, daemon: DaemonProcess) -> None:
    cli = CommandLine("carrack", daemon)
    done = run("testcontainers_crash.py")
    assert done.returncode == 1, done.stderr
    assert cli("inspect", done.stdout.strip(), check=False).returncode in (0, 1)
    eventually(lambda: cli("ps", "-aq").stdout == "")
    eventually(lambda: cli("volume", "ls", "-q").stdout == "")
