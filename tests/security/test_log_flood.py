"""A container that writes as fast as it can fills no disk, and neither daemon, shim nor logger grows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, eventually
from tests.cli.test_logs import document, folder, logger_of

pytestmark = pytest.mark.root
LIMIT = 2_000_000
FLOOD = "yes 'a line that says nothing new' & yes 'and one to the other side' >&2 & wait"


def resident(pid: int) -> int:
    """KiB that a process has in memory."""
    found = re.search(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def on_disk(place: Path) -> int:
    total = 0
    for path in place.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # rotated away
            continue
    return total


@pytest.mark.parametrize(
    "options",
    [
        ["--log-opt", "max-size=500k", "--log-opt", "max-file=3"],
        ["--log-opt", "max-size=500k", "--log-opt", "max-file=3", "--log-opt", "compress=true"],
        ["--log-driver", "local", "--log-opt", "max-size=500k", "--log-opt", "max-file=3"],
        ["--log-opt", "max-size=500k", "--log-opt", "max-file=3", "--log-opt", "mode=non-blocking"],
    ],
    ids=["json-file", "compressed", "local", "non-blocking"],
)
def test_a_flood_is_bounded(docker: Cli, image: str, options: list[str]) -> None:
    docker("run", "-d", "--name", "flood", *options, image, "sh", "-c", FLOOD)
    place = folder(docker, "flood")
    eventually(lambda: len([path for path in place.rglob("*") if re.search(r"\.log\.2", path.name)]) > 0)
    assert docker.daemon._process is not None
    shim = re.search(r"PPid:\s*(\d+)", Path(f"/proc/{document(docker, 'flood')['State']['Pid']}/status").read_text())
    assert shim is not None
    watched = [docker.daemon._process.pid, int(shim[1])]
    if "mode=non-blocking" in options:
        watched.append(logger_of(docker, "flood"))
    before = [resident(pid) for pid in watched]
    for _ in range(5):
        assert on_disk(place) < LIMIT
        assert docker("run", "--rm", image, "echo", "others").stdout == "others\n"
    grown = [resident(pid) - then for pid, then in zip(watched, before, strict=True)]
    assert max(grown) < 16 * 1024
    docker("rm", "-f", "flood")


def test_a_reader_that_stalls_holds_up_nobody(docker: Cli, image: str) -> None:
    """Followers that read nothing: the container, its log and the others go on, and the daemon keeps no lines."""
    options = ["--log-opt", "max-size=500k", "--log-opt", "max-file=2"]
    docker("run", "-d", "--name", "flood", *options, image, "sh", "-c", FLOOD)
    followers = [docker.start("logs", "-f", "flood") for _ in range(5)]
    assert docker.daemon._process is not None
    daemon = docker.daemon._process.pid
    before = resident(daemon)
    place = folder(docker, "flood")
    first = on_disk(place)
    eventually(lambda: on_disk(place) != first)
    assert docker("run", "--rm", image, "echo", "others").stdout == "others\n"
    assert api(docker.daemon, "GET", "/_ping")[0] == 200
    assert resident(daemon) - before < 32 * 1024
    for follower in followers:
        follower.kill()
        follower.communicate()
    docker("rm", "-f", "flood")
