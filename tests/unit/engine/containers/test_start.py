"""Starting: what is asked of the slot and the shim, and that a failure leaves no descriptor, slot or address."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path

import pytest
from tests.fakes.engine import World, inside

from carrack.engine.containers.slots import Parked
from carrack.engine.containers.start import seccomp_program
from carrack.engine.privileges import USUAL
from carrack.errors import Conflict, Internal
from carrack.shim.client import Exit, StartFailed


def test_the_request_says_it_all(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        body = (
            {
                "Tty": True, "OpenStdin": True, "User": "me",
                "HostConfig": {"ConsoleSize": [24, 80], "GroupAdd": ["wheel"], "CgroupParent": "/other",
                               "LogConfig": {"Config": {"max-size": "1k", "max-file": "3"}}},
            }
        )  # fmt: skip
        c, _ = await world.started("web", body)
        request = world.slots.given[0].requests[0]
        assert request["container"] == c.id
        assert request["directory"] == world.paths.run(c.id)
        assert request["cgroup"] == "/other/" + c.id
        assert request["terminal"] is request["stdin"] is True
        assert request["size"] == [24, 80]
        assert request["log"] == {
            "directory": world.paths.data(c.id),
            "file": {
                "kind": "json-file", "name": f"{c.id}-json.log", "max_size": 1000, "max_file": 3, "compress": False,
            },
        }  # fmt: skip
        plan = request["plan"]
        assert (plan["user"], plan["groups"], plan["rootfs_fd"]) == ("me", ["wheel"], 0)
        assert base64.b64decode(plan["seccomp_program"]) == seccomp_program(c, USUAL)
        assert plan["spec"]["process"]["args"] == ["sh"]
        assert world.slots.asked[0][2] == "/other"

    inside(tmp_path, test)


def test_no_filter_no_log_no_terminal(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        host = {"LogConfig": {"Type": "none"}, "SecurityOpt": ["seccomp=unconfined"], "ConsoleSize": [24, 80]}
        await world.started("web", {"HostConfig": host})
        request = world.slots.given[0].requests[0]
        assert request["log"] is None
        assert request["size"] is None
        assert "seccomp_program" not in request["plan"]

    inside(tmp_path, test)


def test_clients_that_wait_go_with_the_start(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"OpenStdin": True})
        ends = [await world.attachments.attach(c, stdin=True, stdout=out, stderr=False) for out in (True, False)]
        await world.lifecycle.start(c)
        attach = world.slots.given[0].requests[0]["attach"]
        assert [(a["stdin"], a["stdout"], a["stderr"]) for a in attach] == [(True, True, False), (True, False, False)]
        assert len({a["fd"] for a in attach}) == 2
        assert world.attachments.pending(c) == []
        for end in ends:
            end.close()

    inside(tmp_path, test)


def test_ports_are_held_by_the_shim_and_given_back_on_failure(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        host = {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
        c = await world.create("web", {"HostConfig": host})
        before = set(os.listdir("/proc/self/fd"))
        world.slots.failure = StartFailed("exec", "no", 125)
        with pytest.raises(Internal):
            await world.lifecycle.start(c)
        assert world.fabric.connected == {}
        assert world.slots.given[0].discarded
        assert set(os.listdir("/proc/self/fd")) == before
        world.slots.failure = None
        await world.lifecycle.start(c)
        assert world.slots.given[1].requests[0]["hold_fds"] == [1]
        assert not world.slots.given[1].discarded
        assert c.ports == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
        assert set(os.listdir("/proc/self/fd")) == before

    inside(tmp_path, test)


def test_the_record_is_written_before_it_counts(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web")
        world.records.broken = OSError("no space")
        with pytest.raises(Internal, match="no space"):
            await world.lifecycle.start(c)
        assert c.state.status == "created"
        assert world.slots.given[0].discarded

    inside(tmp_path, test)


def test_only_a_running_container_can_be_joined(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first = await world.create("first")
        second = await world.create("second", {"HostConfig": {"PidMode": "container:first"}})
        with pytest.raises(Conflict, match=f"^failed to join PID namespace: container {first.id} is not running$"):
            await world.lifecycle.start(second)
        await world.lifecycle.start(first)
        first.state.pid = os.getpid()
        await world.lifecycle.start(second)
        names, join, *_ = world.slots.asked[-1]
        assert list(join) == ["pid"]
        assert "pid" not in names

    inside(tmp_path, test)


def test_one_that_ends_while_it_is_joined_is_not_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        first, shim = await world.started("first")
        first.state.pid = os.getpid()
        second = await world.create("second", {"HostConfig": {"PidMode": "container:first"}})

        async def take(*_: object, **__: object) -> Parked:
            asyncio.get_running_loop().call_soon(shim.exited.set_result, Exit(0, 1.0))
            raise StartFailed("sandbox", "clone3: Cannot allocate memory", 125)

        monkeypatch.setattr(world.slots, "take", take)
        with pytest.raises(Conflict, match=f"^failed to join PID namespace: container {first.id} is not running$"):
            await world.lifecycle.start(second)

    inside(tmp_path, test)


def test_a_program_that_cannot_be_recorded_does_not_go_on(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        world.records.broken = OSError(28, "No space left on device")
        with pytest.raises(Internal, match="no space left on device"):
            await world.lifecycle.start(c)
        assert world.slots.given[0].discarded
        assert world.slots.given[0].shims[0].closed
        assert c.state.status == "created"
        assert not os.path.exists(world.paths.run(c.id))
        await world.lifecycle.start(c)

    inside(tmp_path, test)
