"""The daemon is killed while Compose brings an application up or takes it down: the next call puts everything right."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from tests.cli.running import DaemonProcess
from tests.compose.project import Project

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker_cli,
    pytest.mark.skipif("CARRACK_TEST_ENGINE" in os.environ, reason="another engine is not ours to kill"),
]


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.5])
def test_killed_on_the_way_up_and_down(
    seconds: float, engine: DaemonProcess, application: Callable[[str], Project]
) -> None:
    names = application("names")
    _interrupt(engine, names, seconds, "up", "-d")
    names.up()
    assert len(names.containers()) == 7
    address = names.inspect("near-1")["NetworkSettings"]["Networks"][f"{names.name}_one"]["IPAddress"]
    assert names.execute("glibc", "dig", "+short", "neighbour") == f"{address}\n"
    assert names.execute("both", "ping", "-c", "1", "-W", "2", "far").count("1 packets received") == 1
    _interrupt(engine, names, seconds, "down", "--timeout", "2")
    names.down()
    assert names.left() == []


def _interrupt(engine: DaemonProcess, project: Project, seconds: float, *words: str) -> None:
    """Kill the daemon so long after Compose has begun, and start it again."""
    composing = project.start(*words)
    time.sleep(seconds)
    engine.crash()
    composing.communicate(timeout=60)
    engine.start()
