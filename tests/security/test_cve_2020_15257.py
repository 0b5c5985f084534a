"""CVE-2020-15257: a container on the host's network reaches a shim through its abstract socket and commands it."""

import asyncio
import signal
from pathlib import Path

import pytest
from tests.root.shim_harness import Harness, play

pytestmark = pytest.mark.root

SPACES = ("pid", "ipc", "mount", "uts", "cgroup")


def abstract() -> set[str]:
    """Names of all abstract sockets of the host's network namespace."""
    return {line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if " @" in line}


def test_no_socket_of_ours_is_abstract_and_the_path_is_private(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        before = abstract()
        slot = await harness.slot(namespaces=SPACES)
        request = harness.request("/bin/sh", "-c", "cat /proc/net/unix; sleep 1000", namespaces=SPACES)
        shim = await harness.start(request, slot=slot)
        parked = await harness.slot()
        assert abstract() <= before
        for _ in range(500):
            if "shim.sock" in (seen := harness.log(request)):
                break
            await asyncio.sleep(0.01)
        socket = Path(request["directory"]) / "shim.sock"
        assert "shim.sock" in seen  # the container's root sees that it is there
        assert socket.stat().st_mode & 0o777 == 0o600
        assert not (harness.root / str(socket).lstrip("/")).exists()  # but has no path that leads to it
        await parked.discard()
        await shim.signal(signal.SIGKILL)
        await shim.exited

    play(tmp_path, scene)
