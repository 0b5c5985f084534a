"""Containers outlive the daemon and the zygote; nothing outlives its shim."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.root.shim_harness import Client, Harness, cgroups_of, play, remove_cgroups

from carrack.errors import NotFound
from carrack.shim.client import Exit, Shim

pytestmark = pytest.mark.root


def test_the_zygote_is_killed_and_the_container_goes_on(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        parked = await harness.slot()
        request = harness.request("/bin/sh", "-c", "for i in 1 2 3 4; do echo $i; sleep 0.1; done; exit 9")
        shim = await harness.start(request)
        os.kill(harness.zygote.pid, signal.SIGKILL)
        await harness.zygote.exited
        assert (await shim.exited).code == 9
        assert harness.log(request) == "1\n2\n3\n4\n"
        late = await harness.start(harness.request("/bin/sh", "-c", "exit 8"), slot=parked)
        assert (await late.exited).code == 8
        await asyncio.gather(shim.released, late.released)
        assert cgroups_of(harness.parent) == []

    play(tmp_path, scene)


def daemon(directory: Path, names: Any) -> None:
    """A daemon's life: it starts two containers, says so, and waits to be killed."""

    async def life() -> None:
        harness = await Harness(directory).open()
        script = "echo first; read line; echo got:$line; exit 6"
        request = harness.request("/bin/sh", "-c", script, stdin=True, name="talks")
        shim = await harness.start(request)
        await shim.exec("e", harness.exec_request("/bin/sleep", "1000"), [])
        await harness.start(harness.request("/bin/sh", "-c", "sleep 0.3; exit 5", name="ends"))
        await harness.slot()
        names.put((harness.parent, harness.zygote.pid, shim.pid))
        await asyncio.sleep(1000)

    asyncio.run(life())


def test_the_daemon_is_killed_and_the_next_one_finds_all(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    names = context.Queue()
    process = context.Process(target=daemon, args=(tmp_path, names))
    process.start()
    parent, zygote, pid = names.get(timeout=60)
    process.kill()
    process.join()
    run = tmp_path / "run"

    async def scene() -> None:
        shim = await Shim.reconnect(str(run / "talks"))
        assert (shim.container_id, shim.pid, shim.state["paused"]) == ("talks", pid, False)
        assert not shim.exited.done()
        ours, theirs = socket.socketpair()
        await shim.attach(theirs, stdin=True, stdout=True, stderr=True)
        client = await Client.open(ours)
        client.writer.write(b"again\n")
        assert await client.frames() == {1: b"got:again\n"}
        assert (await shim.exited).code == 6
        assert (await shim.exec_exited("e")).code == 137
        await shim.released
        lines = (run / "talks" / "log").read_text().splitlines()
        assert [json.loads(line)["log"] for line in lines] == ["first\n", "got:again\n"]
        for _ in range(500):  # its exit may not be on file yet
            other = await Shim.reconnect(str(run / "ends"))
            if (await other.exited).code == 5:
                break
        assert (await other.exited) == Exit(5, (await other.exited).at)
        await other.released

    try:
        asyncio.run(asyncio.wait_for(scene(), 60))
        for _ in range(2000):
            if not cgroups_of(parent) and not _alive(zygote):
                break
            time.sleep(0.01)
        assert cgroups_of(parent) == []  # the parked slot too
        assert not _alive(zygote)
    finally:
        remove_cgroups(parent)


def test_a_killed_shim_takes_its_container_along(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        shim = await harness.start(harness.request("/bin/sleep", "1000"))
        await shim.exec("e", harness.exec_request("/bin/sleep", "1000"), [])
        os.kill(_parent_of(shim.pid), signal.SIGKILL)
        exit = await asyncio.wait_for(shim.exited, 30)
        assert (exit.code, exit.lost) == (137, True)
        assert (await shim.exec_exited("e")).lost
        assert cgroups_of(harness.parent) == []

        other = await harness.start(harness.request("/bin/sleep", "1000", name="unseen"))
        await other.close()
        parent = _parent_of(other.pid)
        os.kill(parent, signal.SIGKILL)
        assert await _ends(parent, 20)
        found = await Shim.reconnect(str(harness.directory / "run/unseen"))
        assert (await found.exited).lost
        assert cgroups_of(harness.parent) == []

    play(tmp_path, scene)


@pytest.mark.parametrize("killed", [False, True], ids=["cancelled", "the daemon is killed"])
def test_a_start_that_nobody_awaits_any_more_leaves_no_container(tmp_path: Path, killed: bool) -> None:
    async def scene(harness: Harness) -> None:
        for delay in (0.0, 0.0005, 0.001):
            slot = await harness.slot()
            pid = slot.init_pid
            if killed:  # a dead daemon kills nothing
                os.close(slot.pidfd)
                slot.pidfd = -1
            request = harness.request("/bin/sleep", "1000")
            starting = asyncio.gather(harness.start(request, slot=slot))
            await asyncio.sleep(delay)
            if not starting.cancel():  # the machine is busy, and it runs already
                (shim,) = await starting
                os.kill(pid, signal.SIGKILL)
                await shim.released
                continue
            with pytest.raises(asyncio.CancelledError):
                await starting
            if not await _ends(pid, 1.0 if killed else 20.0):  # it was told so in the daemon's last breath
                assert killed, "nobody keeps it"
                found = await Shim.reconnect(request["directory"])  # as the next daemon would
                assert found.pid == pid
                os.kill(pid, signal.SIGKILL)
                await found.exited
            for _ in range(2000):
                if not (left := cgroups_of(harness.parent)):
                    break
                await asyncio.sleep(0.01)
            assert left == []

    play(tmp_path, scene)


def test_a_killed_parked_shim_is_noticed(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        slot = await harness.slot()
        os.kill(_parent_of(slot.init_pid), signal.SIGKILL)
        await asyncio.wait_for(slot.lost, 30)
        assert cgroups_of(harness.parent) == []
        other = await harness.slot()
        os.kill(other.init_pid, signal.SIGKILL)
        await asyncio.wait_for(other.lost, 30)
        assert cgroups_of(harness.parent) == []

    play(tmp_path, scene)


def test_a_directory_without_a_trace_is_not_found(tmp_path: Path) -> None:
    async def scene() -> None:
        for directory in (tmp_path, tmp_path / "none"):
            with pytest.raises(NotFound):
                await Shim.reconnect(str(directory))
        (tmp_path / "exit").write_text('{"code": 4, "at": 1.5, "oom_killed": true}')
        shim = await Shim.reconnect(str(tmp_path))
        assert await shim.exited == Exit(4, 1.5, True)

    asyncio.run(scene())


def test_pausing_is_remembered_for_the_next_daemon(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sleep", "1000")
        shim = await harness.start(request)
        await shim.pause()
        await shim.close()
        shim = await Shim.reconnect(request["directory"])
        assert shim.state["paused"] is True
        await shim.resume()
        await shim.signal(signal.SIGKILL)
        await shim.released

    play(tmp_path, scene)


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def _ends(pid: int, seconds: float) -> bool:
    """Whether it does so within that time."""
    end = time.monotonic() + seconds
    while _alive(pid) and time.monotonic() < end:  # noqa: ASYNC110 - another process ends
        await asyncio.sleep(0.01)
    return not _alive(pid)


def _alive(pid: int) -> bool:
    """Not gone, and not a zombie that waits for a slow init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
