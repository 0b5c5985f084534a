"""Commits by a container's name: found, frozen while it is read, told."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, sha, stream, tar

from carrack.engine.images.commit import Committer
from carrack.engine.images.service import ContainerCommits
from carrack.errors import Conflict, NotFound
from carrack.oci import reference
from carrack.storage.walk import opened

BASE = tar({"etc/hosts": b"x"})
CONFIG = config_for([BASE])


class Shim:
    def __init__(self) -> None:
        self.calls: list[str] = []

    async def pause(self) -> None:
        self.calls.append("pause")

    async def resume(self) -> None:
        self.calls.append("resume")


class Containers(list[Any]):
    def find(self, name: str) -> Any:
        if not self:
            raise NotFound(f"No such container: {name}")
        return self[0]


@pytest.fixture
def commits(world: World, tmp_path: Path) -> ContainerCommits:
    asyncio.run(world.loader.load(stream(docker_archive([(CONFIG, [BASE], ["app:1"])]))))
    (tmp_path / "upper").mkdir()
    snapshotter: Any = SimpleNamespace(changes=lambda key: opened(tmp_path / ("upper" if key == "box" else "gone")))
    committer = Committer(world.store, world.layers, world.content)
    return ContainerCommits(world.store, committer, Containers(), snapshotter, world.events)


def box(status: str, identity: str = "box") -> Any:
    state = SimpleNamespace(status=status, running=status == "running")
    return SimpleNamespace(
        id=identity, name="n", image="app:1", image_id=sha(CONFIG), layers=(), config={}, state=state, shim=Shim()
    )


def run(commits: ContainerCommits, container: Any, **options: Any) -> Any:
    commits._containers = Containers([container])
    return asyncio.run(commits.commit("box", reference.parse("made:1"), **options))


def test_frozen_while_it_is_read(commits: ContainerCommits, world: World) -> None:
    running = box("running")
    assert run(commits, running).tags == ("made:1",)
    assert running.shim.calls == ["pause", "resume"]
    assert [action for action, _ in world.told[-5:]] == ["pause", "create", "tag", "commit", "unpause"]


def test_not_frozen_when_not_wanted_or_not_running(commits: ContainerCommits) -> None:
    for container, pause in ((box("running"), False), (box("exited"), True), (box("paused"), True)):
        run(commits, container, pause=pause)
        assert container.shim.calls == []


def test_woken_again_after_a_failure(commits: ContainerCommits) -> None:
    broken = box("running", "other")
    with pytest.raises(FileNotFoundError):
        run(commits, broken)
    assert broken.shim.calls == ["pause", "resume"]


def test_refusals(commits: ContainerCommits) -> None:
    with pytest.raises(NotFound):
        asyncio.run(commits.commit("box", None))
    with pytest.raises(Conflict, match="being removed"):
        run(commits, box("removing"))
