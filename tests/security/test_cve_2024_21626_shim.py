"""CVE-2024-21626: a descriptor of the host that is open in a container, or is its working directory, is a way out."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from tests.root.shim_harness import Client, Harness, play

from carrack.shim.client import StartFailed

pytestmark = pytest.mark.root


def test_only_the_standard_streams_are_open_inside(tmp_path: Path) -> None:
    """And a daemon that has other descriptors open does not change that."""

    async def scene(harness: Harness) -> None:
        leaked = os.open("/", os.O_RDONLY)
        os.set_inheritable(leaked, True)
        try:
            code, text = await harness.run("/bin/sh", "-c", "ls /proc/$$/fd; true")
            assert (code, text.split()) == (0, ["0", "1", "2"])
            shim = await harness.start(harness.request("/bin/sleep", "100"))
            ours, theirs = socket.socketpair()
            request = harness.exec_request("/bin/sh", "-c", "ls /proc/$$/fd; true", attach=[{"fd": 0, "stdout": True}])
            with theirs:
                await shim.exec("e", request, [theirs.fileno()])
            assert (await (await Client.open(ours)).frames())[1].split() == [b"0", b"1", b"2"]
            await shim.signal(signal.SIGKILL)
            await shim.released
        finally:
            os.close(leaked)

    play(tmp_path, scene)


def test_no_working_directory_leads_out(tmp_path: Path) -> None:
    """Each either fails or is a directory of the container."""
    inside: list[str] = []

    async def scene(harness: Harness) -> None:
        (harness.root / "link").symlink_to("/proc/self/fd/7")
        shim = await harness.start(harness.request("/bin/sleep", "1000"))
        for cwd in (*(f"/proc/self/fd/{number}" for number in range(3, 20)), "/link", "/proc/self/fd/8/../.."):
            request = harness.request("/bin/stat", "-L", "-c", "%d:%i", ".", name="wd")
            request["plan"]["spec"]["process"]["cwd"] = cwd
            with suppress(StartFailed):
                await (await harness.start(request)).released
            inside.append(harness.log(request))
            Path(request["directory"], "log").unlink()
            ours, theirs = socket.socketpair()
            execute = harness.exec_request("/bin/stat", "-L", "-c", "%d:%i", ".", attach=[{"fd": 0, "stdout": True}])
            execute["plan"]["process"]["cwd"] = cwd
            with theirs, suppress(StartFailed):
                await shim.exec("x" + cwd, execute, [theirs.fileno()])
            inside.append((await (await Client.open(ours)).frames()).get(1, b"").decode())
        await shim.signal(signal.SIGKILL)
        await shim.exited
        root = os.stat(harness.root)
        assert {text.strip() for text in inside} <= {"", f"{root.st_dev}:{root.st_ino}"}

    play(tmp_path, scene)
    assert len(inside) == 38
