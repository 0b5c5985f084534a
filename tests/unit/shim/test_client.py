import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from carrack.errors import InvalidArgument
from carrack.runtime import channel
from carrack.shim.client import Slot, SlotPlan, StartFailed


def play(scene: Callable[[Slot, socket], Awaitable[None]]) -> None:
    async def run() -> None:
        ours, theirs = channel.pair()
        try:
            await asyncio.wait_for(scene(Slot(ours), theirs), 10)
        finally:
            theirs.close()

    asyncio.run(run())


def stand(theirs: socket, network: bool = True) -> None:
    """Say that the sandbox stands, with as many descriptors as it has."""
    ended = os.posix_spawn("/bin/true", ["true"], {})
    fds = [os.pidfd_open(ended), *(os.open("/dev/null", os.O_RDONLY) for _ in range(2 if network else 0))]
    os.waitpid(ended, 0)
    channel.send(theirs, {"ready": {"pid": 11, "cgroup": "/none/such"}}, fds)
    for fd in fds:
        os.close(fd)


def test_a_plan_is_a_whole_sandbox_by_default() -> None:
    assert SlotPlan().namespaces == ("pid", "network", "ipc", "mount", "uts")
    assert dict(SlotPlan().join) == {}


def test_a_slot_has_descriptors_for_what_is_its_own() -> None:
    async def scene(slot: Slot, theirs: socket) -> None:
        stand(theirs)
        await slot.ready()
        assert slot.init_pid == 11
        assert min(slot.pidfd, slot.netns_fd, slot.netlink_fd) >= 0
        slot.abandon()
        assert (slot.pidfd, slot.netns_fd, slot.netlink_fd) == (-1, -1, -1)
        assert theirs.recv(1) == b""

    async def without(slot: Slot, theirs: socket) -> None:
        stand(theirs, network=False)
        await slot.ready()
        assert slot.pidfd >= 0
        assert (slot.netns_fd, slot.netlink_fd) == (-1, -1)
        slot.abandon()

    play(scene)
    play(without)


def test_a_sandbox_that_cannot_be_made_says_why() -> None:
    async def scene(slot: Slot, theirs: socket) -> None:
        channel.send(theirs, {"error": {"stage": "sandbox", "message": "no space", "exit_code": 125}})
        with pytest.raises(StartFailed, match="no space"):
            await slot.ready()
        slot.abandon()

    play(scene)


def test_an_exit_that_comes_with_the_answer_is_heard(tmp_path: Path) -> None:
    async def scene(slot: Slot, theirs: socket) -> None:
        stand(theirs)
        await slot.ready()
        request: Any = {"container": "c", "directory": str(tmp_path), "plan": {}, "cgroup": "/none/c"}
        starting = asyncio.gather(slot.start(request, []))
        message, fds = await asyncio.get_running_loop().run_in_executor(None, channel.receive, theirs)
        assert message is not None
        assert (message["op"], message["directory"], len(fds)) == ("start", 0, 1)
        channel.send(theirs, {"id": message["id"], "ok": {"pid": 11}})
        channel.send(theirs, {"event": "exit", "code": 3, "at": 1.0, "oom_killed": False})
        channel.send(theirs, {"event": "released"})
        os.close(fds[0])
        (shim,) = await starting
        assert (await shim.exited).code == 3
        await shim.released
        assert (shim.pid, shim.pidfd) == (11, -1)

    play(scene)


def test_a_failed_start_gives_the_slot_up(tmp_path: Path) -> None:
    async def scene(slot: Slot, theirs: socket) -> None:
        stand(theirs)
        await slot.ready()
        request: Any = {"container": "c", "directory": str(tmp_path), "plan": {}, "cgroup": "/none/c"}
        starting = asyncio.gather(slot.start(request, []))
        message, fds = await asyncio.get_running_loop().run_in_executor(None, channel.receive, theirs)
        assert message is not None
        os.close(fds[0])
        channel.send(theirs, {"id": message["id"], "error": {"stage": "execute", "message": "no", "exit_code": 127}})
        with pytest.raises(StartFailed):
            await starting
        assert slot.pidfd == -1
        await slot.discard()  # an undo that comes after does nothing, and does not wait
        assert theirs.recv(1) == b""

    play(scene)


def test_more_descriptors_than_a_message_has_are_refused_by_what_they_are(tmp_path: Path) -> None:
    async def scene(slot: Slot, theirs: socket) -> None:
        stand(theirs)
        await slot.ready()
        request: Any = {"container": "c", "directory": str(tmp_path), "plan": {}, "cgroup": "/none/c"}
        with pytest.raises(InvalidArgument, match="at most some 240 volumes and binds"):
            await slot.start(request, [0] * 250)
        assert slot.pidfd == -1
        assert theirs.recv(1) == b"", "nothing was sent"

    play(scene)
