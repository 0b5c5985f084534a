"""Extra processes: made, started once, ended, forgotten; Docker's words for each refusal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import settle
from tests.fakes.engine import World, inside

from carrack.engine.containers import exec as module
from carrack.errors import Conflict, Internal, InvalidArgument, NotFound, Unavailable
from carrack.shim.client import Exit, StartFailed
from carrack.shim.protocol import STOPPED


def test_a_life(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        process = world.execs.create("web", {"Cmd": ["echo", "hi"], "AttachStdout": True, "User": "0"})
        assert c.exec_ids == [process.id]
        document = world.execs.document(process)
        assert (
            list(document)
            == (
                "ID Running ExitCode ProcessConfig OpenStdin OpenStderr OpenStdout CanRemove ContainerID DetachKeys Pid"
            ).split()
        )
        assert document["ProcessConfig"] == {
            "tty": False, "entrypoint": "echo", "arguments": ["hi"], "privileged": False, "user": "0",
        }  # fmt: skip
        assert (document["Running"], document["ExitCode"], document["Pid"]) == (False, None, 0)
        ours = await world.execs.start(process, {}, attach=True)
        assert ours is not None
        assert ours.recv(1) == b""  # the stand-in keeps nothing of its end
        ours.close()
        assert world.execs.document(process)["Running"] is True
        shim.execs[process.id].set_result(Exit(5, 1.0))
        await settle()
        document = world.execs.document(process)
        assert (document["Running"], document["ExitCode"]) == (False, 5)
        assert c.exec_ids == []
        assert world.events.actions[2:] == ["exec_create: echo hi", "exec_start: echo hi", "exec_die"]
        assert world.events.seen[-1][3]["exitCode"] == "5"
        assert world.events.seen[-1][3]["execID"] == process.id

    inside(tmp_path, test)


def test_what_the_shim_is_asked(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started(
            "web", {"Env": ["A=1", "B=1"], "WorkingDir": "/w", "User": "me", "HostConfig": {"GroupAdd": ["g"]}}
        )
        body = {"Cmd": ["sh"], "Tty": True, "Env": ["A=2"], "AttachStdin": True, "ConsoleSize": [24, 80]}
        process = world.execs.create(c.id, body)
        assert await world.execs.start(process, {}, attach=False) is None
        _, identity, request, fds = shim.calls[-1]
        assert (identity, fds) == (process.id, 0)
        words = request["plan"]["process"]
        assert words["args"] == ["sh"]
        assert words["cwd"] == "/w"
        assert {"A=2", "B=1", "TERM=xterm"} <= set(words["env"])
        assert "A=1" not in words["env"]
        assert request["size"] == [24, 80]
        assert (request["terminal"], request["stdin"]) == (True, True)
        assert (request["plan"]["user"], request["plan"]["groups"]) == ("me", ["g"])
        assert "seccomp_program" in request["plan"]
        assert words["capabilities"]["inheritable"] == []
        strong = world.execs.create(c.id, {"Cmd": ["sh"], "Privileged": True})
        await world.execs.start(strong, {"ConsoleSize": [1, 1]}, attach=False)
        request = shim.calls[-1][2]
        assert "seccomp_program" in request["plan"]
        assert "CAP_SYS_ADMIN" in request["plan"]["process"]["capabilities"]["effective"]
        assert request["size"] is None

    inside(tmp_path, test)


def test_started_once(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        _, shim = await world.started()
        process = world.execs.create("web", {"Cmd": ["true"]})
        await world.execs.start(process, {}, attach=False)
        with pytest.raises(Conflict, match=f"^exec command {process.id} is already running$"):
            await world.execs.start(process, {}, attach=False)
        shim.execs[process.id].set_result(Exit(0, 1.0))
        await settle()
        with pytest.raises(Conflict, match=f"^exec command {process.id} has already run$"):
            await world.execs.start(process, {}, attach=False)

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (StartFailed("exec", 'exec: "x": executable file not found in $PATH', 127), InvalidArgument, 127),
        (StartFailed("join", "no", 125), Internal, 128),
        (StartFailed(STOPPED, "the container has ended", 125), Conflict, 128),
        (Unavailable("gone"), Unavailable, 126),
    ],
)
def test_a_failed_start(tmp_path: Path, failure: Exception, kind: Any, code: int | None) -> None:
    async def test(world: World) -> None:
        _, shim = await world.started()
        process = world.execs.create("web", {"Cmd": ["x"]})
        shim.refusal = failure
        with pytest.raises(kind):
            await world.execs.start(process, {}, attach=True)
        assert process.exit_code == code
        assert not process.running
        with pytest.raises(Conflict, match="has already run"):
            world.execs.check(process)

    inside(tmp_path, test)


def test_one_whose_container_ends_while_it_is_asked_for(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        shim.refusal = NotFound(f"container {c.id} has ended")  # as a connection that has been closed tells
        process = world.execs.create("web", {"Cmd": ["x"]})
        shim.exited.set_result(Exit(0, 1.0))
        with pytest.raises(Conflict, match=f"^container {c.id} is not running$"):
            await world.execs.start(process, {}, attach=False)

    inside(tmp_path, test)


def test_a_container_that_ends_at_once_takes_its_execs_with_it(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        process = world.execs.create("web", {"Cmd": ["sleep"]})
        await world.execs.start(process, {}, attach=False)
        shim.end(1)
        shim.execs[process.id].set_result(Exit(137, 1.0))
        c.shim = None
        await settle()
        assert (process.running, process.exit_code) == (False, 137)

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("paused", "Container {} is paused, unpause the container before exec"),
        ("restarting", "container {} is restarting, wait until the container is running"),
        ("exited", "container {} is not running"),
    ],
)
def test_only_in_a_running_container(tmp_path: Path, status: str, text: str) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started()
        process = world.execs.create("web", {"Cmd": ["x"]})
        c.state.status = status
        for call in (lambda: world.execs.create("web", {"Cmd": ["x"]}), lambda: world.execs.check(process)):
            with pytest.raises(Conflict) as failure:
                call()
            assert str(failure.value) in (text.format(c.id), text.format("web"))

    inside(tmp_path, test)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_PATIENCE_S", 0)

    async def test(world: World) -> None:
        await world.started()
        with pytest.raises(InvalidArgument, match=r"^No exec command specified$"):
            world.execs.create("web", {})
        with pytest.raises(InvalidArgument, match=r"^Invalid escape keys \(foo\) provided$"):
            world.execs.create("web", {"Cmd": ["x"], "DetachKeys": "foo"})
        with pytest.raises(NotFound, match=r"^No such container: nope$"):
            world.execs.create("nope", {"Cmd": ["x"]})
        with pytest.raises(NotFound, match=r"^No such exec instance: nope$"):
            world.execs.find("nope")
        with pytest.raises(InvalidArgument, match="Cmd of type"):
            world.execs.create("web", {"Cmd": "x"})
        process = world.execs.create("web", {"Cmd": ["x"]})
        with pytest.raises(Conflict, match="is not running"):
            await world.execs.resize(process, 1, 2)

    inside(tmp_path, test)


def test_resize_and_forget(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        process = world.execs.create("web", {"Cmd": ["x"], "Tty": True})
        async with asyncio.TaskGroup() as group:
            group.create_task(world.execs.resize(process, 3, 4))
            await settle()
            assert shim.calls == []
            await world.execs.start(process, {}, attach=False)
        assert shim.calls[-1] == ("resize", 3, 4, process.id)
        assert world.execs.find(process.id) is process
        world.execs.forget(c)
        with pytest.raises(NotFound):
            world.execs.find(process.id)

    inside(tmp_path, test)


def test_only_so_many_ended_ones_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDED_KEPT", 2)

    async def test(world: World) -> None:
        _, shim = await world.started()
        ids = []
        for _ in range(4):
            process = world.execs.create("web", {"Cmd": ["x"]})
            await world.execs.start(process, {}, attach=False)
            shim.execs[process.id].set_result(Exit(0, 1.0))
            await settle()
            ids.append(process.id)
        for identity in ids[:2]:
            with pytest.raises(NotFound):
                world.execs.find(identity)
        assert world.execs.find(ids[3]).exit_code == 0

    inside(tmp_path, test)


def test_only_so_many_are_made_and_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNSTARTED_KEPT", 2)

    async def test(world: World) -> None:
        c, _ = await world.started()
        first = world.execs.create("web", {"Cmd": ["true"]})
        await world.execs.start(first, {}, attach=False)
        made = [world.execs.create("web", {"Cmd": ["true"]}) for _ in range(3)]
        with pytest.raises(NotFound, match="No such exec instance"):
            world.execs.find(made[0].id)
        assert c.exec_ids == [first.id, made[1].id, made[2].id]
        world.execs.forget(c)

    inside(tmp_path, test)


def test_one_whose_shim_goes_while_it_starts_has_ended(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        process = world.execs.create("web", {"Cmd": ["true"]})
        shim.refusal = Unavailable("the shim of the container has gone")
        with pytest.raises(Unavailable):
            await world.execs.start(process, {}, attach=True)
        assert (process.running, process.exit_code, c.exec_ids) == (False, 126, [])
        assert process.settled.is_set()

    inside(tmp_path, test)


def test_those_of_the_daemon_before_are_taken_up(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()
        note = {"Cmd": ["sleep", "9"], "Tty": True, "User": "me", "DetachKeys": "ctrl-a"}
        shim.execs["runs"] = asyncio.get_running_loop().create_future()
        shim.state["execs"] = {
            "runs": {"pid": 77, "exit": None, "note": note},
            "over": {"pid": 78, "exit": {"code": 3, "at": 1.0}, "note": note},
            "older": {"pid": 79, "exit": None, "note": None},
        }
        world.execs.adopt()
        document = world.execs.document(world.execs.find("runs"))
        assert (document["Running"], document["Pid"], document["DetachKeys"]) == (True, 77, "AQ==")
        assert document["ProcessConfig"]["arguments"] == ["9"]
        assert world.execs.document(world.execs.find("over"))["ExitCode"] == 3
        assert c.exec_ids == ["runs"]
        with pytest.raises(NotFound):
            world.execs.find("older")
        with pytest.raises(Conflict, match="is already running"):
            await world.execs.start(world.execs.find("runs"), {}, attach=False)
        shim.execs["runs"].set_result(Exit(4, 2.0))
        await settle()
        assert world.execs.document(world.execs.find("runs"))["ExitCode"] == 4
        assert c.exec_ids == []

    inside(tmp_path, test)
