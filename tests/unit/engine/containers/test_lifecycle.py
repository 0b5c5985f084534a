"""The life of containers as requests move it: every move, and every refusal with its kind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.fakes.containers import settle
from tests.fakes.engine import World, inside

from carrack.engine.containers import lifecycle as module
from carrack.engine.containers.lifecycle import Lifecycle
from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument, NotFound, NotModified
from carrack.shim.client import StartFailed


def test_start_and_the_programs_own_end(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        assert c.state.status == "running"
        assert c.state.pid == shim.pid
        waiting = c.ended()
        c.since -= 5
        shim.end(3, at=0)  # the clock was set back meanwhile
        assert await waiting == (3, "")
        assert (c.state.status, c.state.exit_code, c.state.pid, c.shim) == ("exited", 3, 0, None)
        assert world.events.actions == ["create", "start", "die"]
        assert world.events.seen[-1][3]["exitCode"] == "3"
        assert world.events.seen[-1][3]["execDuration"] == "5"
        await world.lifecycle.start(c)
        assert (c.state.status, c.state.exit_code) == ("running", 0)

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        ("running", NotModified, "is already running"),
        ("paused", Conflict, "cannot start a paused container, try unpause instead"),
        ("removing", Conflict, "container is marked for removal and cannot be started"),
        ("dead", Conflict, "container is marked for removal and cannot be started"),
    ],
)
def test_not_to_be_started(tmp_path: Path, status: str, kind: type[CarrackError], text: str) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        c.state.status = status
        with pytest.raises(kind, match=text):
            await world.lifecycle.start(c)
        c.state.status = "created"

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (StartFailed("exec", 'exec: "nosuch": executable file not found in $PATH', 127), InvalidArgument, 127),
        (StartFailed("cgroup", "no space", 125), Internal, 128),
        (OSError("broken"), Internal, 128),
        (NotFound("gone"), NotFound, 128),
    ],
)
def test_a_failed_start_is_recorded_and_undone(
    tmp_path: Path, failure: Exception, kind: type[CarrackError], code: int
) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        waiting = c.wait("next-exit")
        client = await world.attachments.attach(c, stdin=False, stdout=True, stderr=True)
        world.slots.failure = failure
        with pytest.raises(kind, match=str(failure).split('"')[0]):
            await world.lifecycle.start(c)
        assert (c.state.status, c.state.exit_code, c.state.pid, c.shim) == ("created", code, 0, None)
        assert str(failure) in c.state.error
        assert (await waiting)[0] == code
        assert client.recv(1) == b""
        client.close()
        assert world.slots.given[0].discarded
        assert world.events.actions == ["create"]
        world.slots.failure = None
        await world.lifecycle.start(c)
        assert c.state.error == ""

    inside(tmp_path, test)


def test_an_earlier_exit_code_stays_where_no_program_was_tried(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"HostConfig": {"NetworkMode": "gone"}})
        c.state.status, c.state.exit_code, c.state.finished_at = "exited", 137, 1
        with pytest.raises(NotFound, match="network gone not found"):
            await world.lifecycle.start(c)
        assert (c.state.status, c.state.exit_code) == ("exited", 137)

    inside(tmp_path, test)


def test_a_container_that_asked_for_it_is_removed_when_it_cannot_start(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"HostConfig": {"AutoRemove": True}})
        world.slots.failure = StartFailed("exec", "no", 127)
        with pytest.raises(InvalidArgument):
            await world.lifecycle.start(c)
        assert len(world.store) == 0

    inside(tmp_path, test)


def test_stop_asks_first_and_kills_later(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        await world.lifecycle.stop(c)
        assert shim.calls == [("signal", 15)]
        assert c.state.exit_code == 143
        assert world.events.actions == ["create", "start", "kill", "die", "stop"]
        with pytest.raises(NotModified):
            await world.lifecycle.stop(c)
        stubborn, shim = await world.started("stubborn", {"StopSignal": "SIGINT"})
        await world.lifecycle.stop(stubborn, timeout=0)
        assert shim.calls == [("signal", 2), ("signal", 9)]
        assert stubborn.state.exit_code == 137

    inside(tmp_path, test)


def test_stop_with_other_signals_and_for_a_paused_container(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        with pytest.raises(Internal, match=r"^cannot stop container: web: invalid signal: foo$"):
            await world.lifecycle.stop(c, "foo")
        with pytest.raises(Internal, match=r"^Cannot restart container web: invalid signal: foo$"):
            await world.lifecycle.restart(c, "foo")
        await world.lifecycle.pause(c)
        shim.ends_on[12] = 140
        await world.lifecycle.stop(c, "USR2", 5)
        assert shim.calls == [("pause",), ("resume",), ("signal", 12)]
        assert c.state.exit_code == 140

    inside(tmp_path, test)


def test_kill(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        await world.lifecycle.kill(c, "USR1")
        assert c.state.status == "running"
        assert not c.stopped_by_user
        await world.lifecycle.kill(c)
        assert (c.state.status, c.state.exit_code) == ("exited", 137)
        assert c.stopped_by_user
        assert shim.calls == [("signal", 10), ("signal", 9)]
        with pytest.raises(Conflict, match=f"^container {c.id} is not running$"):
            await world.lifecycle.kill(c)
        with pytest.raises(InvalidArgument, match=r"^the linux daemon does not support signal 65$"):
            await world.lifecycle.kill(c, "65")

    inside(tmp_path, test)


def test_kill_of_a_paused_container_thaws_it(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        await world.lifecycle.pause(c)
        await world.lifecycle.kill(c)
        assert shim.calls == [("pause",), ("signal", 9), ("resume",)]
        assert c.state.status == "exited"

    inside(tmp_path, test)


def test_pause_and_unpause(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        with pytest.raises(Conflict, match=f"^container {c.id} is not running$"):
            await world.lifecycle.pause(c)
        with pytest.raises(Conflict, match=f"^Container {c.id} is not paused$"):
            await world.lifecycle.unpause(c)
        await world.lifecycle.start(c)
        await world.lifecycle.pause(c)
        with pytest.raises(Conflict, match=f"^Container {c.id} is already paused$"):
            await world.lifecycle.pause(c)
        await world.lifecycle.unpause(c)
        assert c.state.status == "running"
        assert world.events.actions == ["create", "start", "pause", "unpause"]

    inside(tmp_path, test)


def test_restart_keeps_a_container_that_removes_itself(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, first = await world.started("web", {"HostConfig": {"AutoRemove": True}})
        await world.lifecycle.restart(c, timeout=5)
        assert first.calls == [("signal", 15)]
        assert c.state.status == "running"
        assert c.host_config["AutoRemove"]
        assert world.events.actions[-2:] == ["start", "restart"]
        stopped = await world.create("other")
        await world.lifecycle.restart(stopped)
        assert stopped.state.status == "running"

    inside(tmp_path, test)


def test_resize(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        with pytest.raises(Conflict, match=f"^container {c.id} is not running$"):
            await world.lifecycle.resize(c, 3, 4)
        await world.lifecycle.start(c)
        await world.lifecycle.resize(c, 3, 4)
        assert world.shim(c).calls == []  # it has no terminal, which Docker does not mind
        c.config["Tty"] = True
        await world.lifecycle.resize(c, 3, 4)
        assert world.shim(c).calls == [("resize", 3, 4, None)]

    inside(tmp_path, test)


def test_two_at_once_take_turns(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        results = await asyncio.gather(
            world.lifecycle.start(c), world.lifecycle.start(c), world.lifecycle.start(c), return_exceptions=True
        )
        assert [type(r) for r in results] == [type(None), NotModified, NotModified]
        assert len(world.slots.given) == 1

    inside(tmp_path, test)


def test_the_daemons_end_does_not_count_as_the_users_wish(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", {"HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}})
        await world.lifecycle.shut_down(c, 5)
        await settle()
        assert shim.calls == [("signal", 15)]
        assert c.state.status == "exited"
        assert not c.stopped_by_user
        assert isinstance(world.lifecycle, Lifecycle)

    inside(tmp_path, test)


def test_a_pause_that_comes_with_the_kill_does_not_hold_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KILL_WAIT", 0.4)

    async def test(world: World) -> None:
        c, shim = await world.started()
        shim.ends_on = {}  # frozen

        async def resume() -> None:
            shim.end(137)

        monkeypatch.setattr(shim, "resume", resume)
        await world.lifecycle.kill(c)
        assert c.state.status == "exited"

    inside(tmp_path, test)
