"""What happens by itself: ends, restart policies with growing pauses, and a new daemon's finding everything again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeShim, settle
from tests.fakes.engine import World, inside

from carrack.engine.containers import rootfs
from carrack.engine.containers import supervisor as module
from carrack.errors import NotFound
from carrack.shim.client import Exit, Shim, StartFailed


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.001)


def policy(name: str, retries: int = 0, **more: Any) -> dict[str, Any]:
    return {"HostConfig": {"RestartPolicy": {"Name": name, "MaximumRetryCount": retries}, **more}}


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - of something that tells nobody
        await asyncio.sleep(0.001)


def test_the_end_is_told_and_recorded_in_order(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        shim.end(137, oom=True)
        await c.ended()
        assert world.events.actions == ["create", "start", "oom", "die"]
        assert c.state.oom_killed
        await settle()
        assert shim.closed
        assert '"exit_code": 137' in world.records.rows["container"][c.id][2]

    inside(tmp_path, test)


def test_an_end_is_told_though_it_cannot_be_recorded_and_the_network_be_gone(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        world.records.broken = OSError(28, "No space left on device")
        world.fabric.broken = OSError(19, "No such device")
        shim.end(3)
        assert await c.ended() == (3, "")
        assert c.state.status == "exited"

    inside(tmp_path, test)


def test_a_lost_shim_says_so(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        shim.end(137, lost=True)
        code, _ = await c.ended()
        assert code == 137
        assert "shim was lost" in c.state.error

    inside(tmp_path, test)


def test_with_auto_remove_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootfs, "open_sources", lambda mounts, held, *rest: {})  # would need privilege

    async def test(world: World) -> None:
        c, shim = await world.started("web", {"Volumes": {"/v": {}}, "HostConfig": {"AutoRemove": True}})
        removed = c.wait("removed")
        shim.end(4)
        assert await removed == (4, "")
        await world.jobs.drain()
        assert len(world.store) == 0
        assert world.snapshots.keys() == []
        assert world.volumes.recorded == []
        assert os.listdir(world.paths.data("")) == []
        assert world.events.actions[-3:] == ["die", "destroy", "destroy"]  # the volume, too

    inside(tmp_path, test)


@pytest.mark.census("restart no")
@pytest.mark.parametrize(
    ("name", "retries", "code", "again"),
    [
        ("no", 0, 1, False),
        ("always", 0, 0, True),
        ("unless-stopped", 0, 0, True),
        ("on-failure", 0, 1, True),
        ("on-failure", 0, 0, False),
    ],
)
def test_policies(tmp_path: Path, name: str, retries: int, code: int, again: bool) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", policy(name, retries))
        shim.end(code)
        await until(lambda: c.state.status != "running")
        assert c.state.status == ("restarting" if again else "exited")
        if again:
            await until(lambda: c.state.status == "running" and c.shim is not None)
            assert c.restart_count == 1
            assert world.shim(c) is not shim

    inside(tmp_path, test)


def test_on_failure_gives_up_after_its_retries(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", policy("on-failure", 2))
        waiting = c.ended()
        for _ in range(3):
            shim.end(1)
            await until(lambda: c.state.status != "running")
            if c.state.status == "restarting":
                await until(lambda: c.state.status == "running" and c.shim is not None)
                shim = world.shim(c)
        assert c.state.status == "exited"
        assert c.restart_count == 2
        assert await waiting == (1, "")

    inside(tmp_path, test)


def test_a_user_who_stops_is_obeyed_also_while_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 50.0)

    async def test(world: World) -> None:
        c, shim = await world.started("web", policy("always"))
        shim.end(1)
        await until(lambda: c.state.status == "restarting")
        waiting = c.ended()
        await world.lifecycle.stop(c)
        assert c.state.status == "exited"
        assert (await waiting)[0] == 1
        await world.lifecycle.start(c)
        await world.lifecycle.stop(c)
        await settle()
        assert c.state.status == "exited"
        await world.lifecycle.start(c)
        world.shim(c).end(1)
        await until(lambda: c.state.status == "restarting")
        await world.lifecycle.kill(c)
        assert c.state.status == "exited"

    inside(tmp_path, test)


@pytest.mark.census("restart backoff 100ms doubling to 1min", "restart reset after 10s running")
def test_the_pauses_grow_and_begin_anew_after_a_good_run(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started("web", policy("always"))
        supervisor = world.supervisor
        delays = []
        for ran in (1, 1, 1, 11, 1):
            supervisor._restart_later(c, ran)
            delays.append(supervisor._delays[c.id] / module.FIRST_DELAY)
            supervisor._restarting.pop(c.id).cancel()
        assert delays == [1, 2, 4, 1, 2]
        supervisor._delays[c.id] = module.LONGEST_DELAY
        supervisor._restart_later(c, 0)
        assert supervisor._delays[c.id] == module.LONGEST_DELAY
        supervisor.cancel_restart(c)

    inside(tmp_path, test)


def test_a_restart_that_fails_is_tried_again(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", policy("always"))
        world.slots.failure = StartFailed("exec", "not now", 127)
        shim.end(1)
        await until(lambda: len(world.slots.given) >= 3)
        world.slots.failure = None
        await until(lambda: c.state.status == "running" and c.shim is not None)
        assert c.restart_count >= 2

    inside(tmp_path, test)


class Reconnecting:
    """Plays what `Shim.reconnect` finds in run directories."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: dict[str, FakeShim] = {}
        monkeypatch.setattr(Shim, "reconnect", self)

    async def __call__(self, directory: str) -> FakeShim:
        if directory not in self.found:
            raise NotFound(directory)
        return self.found[directory]


def test_a_new_daemon_finds_its_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims = Reconnecting(monkeypatch)

    async def test(world: World) -> None:
        names = ("living", "paused", "ended", "lost", "always", "gone-rm")
        found = {name: await world.create(name) for name in names}
        for c in found.values():
            c.state.status, c.state.started_at, c.state.pid = "running", 1, 5
        for name in ("living", "paused", "ended"):
            shims.found[world.paths.run(found[name].id)] = FakeShim(pid=77)
        shims.found[world.paths.run(found["paused"].id)].state = {"paused": True}
        shims.found[world.paths.run(found["ended"].id)].exited.set_result(Exit(3, 50.0, True))
        found["always"].host_config["RestartPolicy"]["Name"] = "always"
        found["gone-rm"].host_config["AutoRemove"] = True
        to_start = await world.restore()
        state = {name: c.state for name, c in found.items()}
        assert (state["living"].status, state["living"].pid) == ("running", 77)
        assert state["paused"].status == "paused"
        assert (state["ended"].status, state["ended"].exit_code, state["ended"].oom_killed) == ("exited", 3, True)
        assert state["ended"].finished_at == 50 * 10**9
        assert (state["lost"].status, state["lost"].exit_code) == ("exited", 255)
        assert [c.name for c in to_start] == ["always"]
        assert "gone-rm" not in {c.name for c in world.store}
        world.supervisor.resume()
        waiting = found["living"].ended()
        world.shim(found["living"]).end(9)
        assert await waiting == (9, "")

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("name", "started", "by_user", "starts"),
    [
        ("always", 1, True, True), ("always", 0, False, False), ("unless-stopped", 1, False, True),
        ("unless-stopped", 1, True, False), ("on-failure", 1, False, False), ("no", 1, False, False),
    ],
)  # fmt: skip
def test_what_starts_with_the_daemon(tmp_path: Path, name: str, started: int, by_user: bool, starts: bool) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", policy(name))
        c.state.status, c.state.started_at, c.stopped_by_user = "exited", started, by_user
        assert (await world.restore() == [c]) is starts

    inside(tmp_path, test)


def test_a_restart_that_waited_goes_on_and_keeps_the_exit_code(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", policy("on-failure"))
        c.state.status, c.state.exit_code, c.state.started_at, c.state.finished_at = "restarting", 3, 1, 2
        assert await world.restore() == [c]
        assert (c.state.status, c.state.exit_code) == ("exited", 3)

    inside(tmp_path, test)


def test_what_runs_without_a_record_of_its_start_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims = Reconnecting(monkeypatch)

    async def test(world: World) -> None:
        c, over = await world.create("running"), await world.create("over")
        shims.found[world.paths.run(c.id)] = FakeShim(pid=77)
        shims.found[world.paths.run(over.id)] = FakeShim()
        shims.found[world.paths.run(over.id)].end(0)
        os.makedirs(world.paths.run(over.id))
        assert await world.restore() == []
        assert (c.state.status, c.state.pid) == ("running", 77)
        assert over.state.status == "created"
        await world.jobs.drain()
        assert not os.path.exists(world.paths.run(over.id))

    inside(tmp_path, test)


def test_a_container_without_a_record_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims = Reconnecting(monkeypatch)

    async def test(world: World) -> None:
        stray = shims.found["/run/stray"] = FakeShim()
        await world.supervisor.end_stray("/run/stray")
        assert stray.calls == [("signal", 9)]
        assert stray.closed
        await world.supervisor.end_stray("/run/nothing")

    inside(tmp_path, test)


def test_garbage_is_what_has_no_record(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        stray = world.paths.data("stray")
        os.makedirs(stray)
        os.makedirs(world.paths.run("other"))
        assert sorted(world.supervisor.garbage({c.id})) == sorted([stray, world.paths.run("other")])

    inside(tmp_path, test)


def test_closing_leaves_running_containers_alone(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", policy("always"))
        await world.supervisor.close()
        assert shim.closed
        assert shim.calls == []
        shim.end(1)
        await settle()
        assert c.state.status == "running"
        assert "die" not in world.events.actions

    inside(tmp_path, test)
