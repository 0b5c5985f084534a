"""Removal: by request, forced, at once from the record and in the background from the disk; prune."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import World, inside

from carrack.engine.containers import remove as remover
from carrack.engine.containers.record import Container
from carrack.errors import Conflict, InvalidArgument, NotFound


async def remove(world: World, c: Container, **how: bool) -> None:
    await world.remover.remove(c, kill=world.lifecycle.kill, **how)
    await world.jobs.drain()


def test_nothing_stays_but_volumes(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"Volumes": {"/v": {}}})
        process = world.execs
        waiting = c.wait("removed")
        await remove(world, c)
        assert waiting.done()
        with pytest.raises(NotFound):
            world.store.find("web")
        assert world.snapshots.keys() == os.listdir(world.paths.data("")) == []
        assert len(world.volumes.recorded) == 1
        assert world.events.actions[-1] == "destroy"
        assert process is world.execs
        await world.create("web")

    inside(tmp_path, test)


def test_a_file_that_appears_meanwhile_goes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compressed file of a log, whose maker outlives the container for a moment."""
    real, late = shutil.rmtree, ["x.log.1.gz"]

    def rmtree(path: str, ignore_errors: bool = False) -> None:
        real(path, ignore_errors=ignore_errors)
        if late:
            os.mkdir(path)
            Path(path, late.pop()).touch()

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    monkeypatch.setattr(remover, "_BETWEEN_TRIES", 0)

    async def test(world: World) -> None:
        await remove(world, await world.create("web"))
        assert os.listdir(world.paths.data("")) == late == []

    inside(tmp_path, test)


def test_volumes_on_request_only_anonymous_and_unused_ones(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"Volumes": {"/v": {}}, "HostConfig": {"Binds": ["named:/n"]}})
        user = await world.create("user", {"HostConfig": {"VolumesFrom": ["web"]}})
        await remove(world, c, volumes=True)
        assert len(world.volumes.recorded) == 2
        await remove(world, user, volumes=True)
        assert [v.name for v in world.volumes.recorded] == ["named"]

    inside(tmp_path, test)


def test_a_running_container_is_kept_unless_forced(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", {"HostConfig": {"RestartPolicy": {"Name": "always"}}})
        with pytest.raises(Conflict) as failure:
            await remove(world, c)
        assert str(failure.value) == (
            'cannot remove container "web": container is running: stop the container before removing or force remove'
        )
        await world.lifecycle.pause(c)
        with pytest.raises(Conflict) as failure:
            await remove(world, c)
        assert str(failure.value) == 'cannot remove container "web": container is paused and must be unpaused first'
        await remove(world, c, force=True)
        assert ("signal", 9) in shim.calls
        assert len(world.store) == 0
        assert world.events.actions[-2:] == ["die", "destroy"]

    inside(tmp_path, test)


@pytest.mark.census("state removing")
def test_removing_twice(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        c.state.status = "removing"
        with pytest.raises(Conflict, match=r"^removal of container web is already in progress$"):
            await remove(world, c)
        await world.remover.remove_ended(c)
        assert len(world.store) == 1

    inside(tmp_path, test)


def test_prune(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        running, _ = await world.started("running")
        old, new = await world.create("old", {"Labels": {"a": "b"}}), await world.create("new")
        old.created = 10**9
        (world.snapshots.upper(old.id) / "file").write_bytes(b"x" * 10)
        assert await world.remover.prune({"label": ["a=c"]}) == ([], 0)
        assert await world.remover.prune({"label!": ["a"], "until": ["5"]}) == ([], 0)
        assert await world.remover.prune({"until": ["1h"], "label": ["a"]}) == ([old.id], 10)
        assert await world.remover.prune({}) == ([new.id], 0)
        assert [c.id for c in world.store] == [running.id]

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"foo": ["x"]}, "invalid filter 'foo'"),
        ({"until": ["1h", "2h"]}, "more than one until filter specified"),
        ({"until": ["abc"]}, ""),
    ],
)
def test_bad_prunes_remove_nothing(tmp_path: Path, filters: Any, text: str) -> None:
    async def test(world: World) -> None:
        await world.create()
        with pytest.raises(InvalidArgument) as failure:
            await world.remover.prune(filters)
        assert text in str(failure.value)
        assert len(world.store) == 1

    inside(tmp_path, test)


@pytest.mark.parametrize("force", [True, False])
def test_a_removal_that_meets_a_start_leaves_no_program(tmp_path: Path, force: bool) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        starting = asyncio.get_running_loop().create_task(world.lifecycle.start(c))
        await asyncio.sleep(0)
        assert c.lock.locked()
        if force:
            await remove(world, c, force=True)
            assert world.slots.given[0].shims[0].exited.done()
            assert len(world.store) == 0
        else:
            with pytest.raises(Conflict, match="is running"):
                await remove(world, c)
            assert c.state.status == "running"
        await starting

    inside(tmp_path, test)


@pytest.mark.census("POST /containers/{id}/wait → Error", "POST /containers/{id}/wait → Error.Message")
def test_a_failed_removal_can_be_tried_again(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        waiting = c.wait("removed")
        world.records.broken = OSError(5, "Input/output error")
        with pytest.raises(OSError, match="Input/output"):
            await remove(world, c)
        assert c.state.status == "created"
        assert "could not be removed: [Errno 5]" in waiting.result()[1]
        await remove(world, c)
        assert len(world.store) == 0

    inside(tmp_path, test)


def test_a_full_disk_is_made_room_on(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        world.records.broken = OSError(28, "No space left on device")
        await remove(world, c)
        assert world.records.rows["container"] == {}

    inside(tmp_path, test)
