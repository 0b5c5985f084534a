"""CVE-2020-15257: a container on the host's network reaches a shim through its abstract socket and commands it."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.root.netns import own_network
from tests.root.shim_harness import Harness, play

pytestmark = pytest.mark.root

SPACES = ("pid", "ipc", "mount", "uts", "cgroup")


def abstract() -> set[str]:
    """Names of all abstract sockets of our network namespace."""
    lines = Path("/proc/thread-self/net/unix").read_text().splitlines()
    return {line.split()[-1] for line in lines if " @" in line}


@own_network  # where no docker command of another test has one just now
def test_no_socket_of_ours_is_abstract_and_the_path_is_private(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        slot = await harness.slot(namespaces=SPACES)
        request = harness.request("/bin/sh", "-c", "cat /proc/net/unix; sleep 1000", namespaces=SPACES)
        shim = await harness.start(request, slot=slot)
        parked = await harness.slot()
        assert abstract() == set()
        for _ in range(500):
            if "shim.sock" in (seen := harness.log(request)):
                break
            await asyncio.sleep(0.01)
        path = Path(request["directory"]) / "shim.sock"
        assert "shim.sock" in seen  # the container's root sees that it is there
        assert path.stat().st_mode & 0o777 == 0o600
        assert not (harness.root / str(path).lstrip("/")).exists()  # but has no path that leads to it
        await parked.discard()
        await shim.signal(signal.SIGKILL)
        await shim.exited

    play(tmp_path, scene)


def test_through_the_daemon_on_the_host_s_network(docker: Cli, image: str) -> None:
    """The container sees abstract sockets, one of the test's own: so none of ours is none, not none seen."""
    control = f"crk-test-control-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + control)
        options = ("--network", "host", "--pid", "host", "--privileged")
        said = docker("run", "--rm", *options, image, "cat", "/proc/net/unix").stdout
    names = [line.split()[-1] for line in said.splitlines() if " @" in line]
    assert f"@{control}" in names
    ours = [name for name in names if "carrack" in name or "shim" in name or str(docker.daemon.root) in name]
    assert ours == []
    assert str(docker.daemon.root) in said  # sockets with a path, which leads nowhere in the container
    refused = docker("run", "--rm", "--network", "host", image, "ls", str(docker.daemon.root), check=False)
    assert "No such file" in refused.stderr
