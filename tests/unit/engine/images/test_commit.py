"""Committing: a layer on top of the image, and Docker's way of joining configs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, sha, stream, tar

from carrack.engine.images.commit import EMPTY_LAYER, Committer, Source, merge
from carrack.oci import reference
from carrack.storage.walk import opened

BASE = tar({"etc/hosts": b"x"})
CONFIG = config_for([BASE], author="someone", docker_version="1")
CONTAINER: dict[str, Any] = {
    "Cmd": ["sh", "-c", "x"],
    "Env": ["A=1"],
    "Hostname": "h",
    "Tty": True,
    "Labels": {"l": "1"},
}


@pytest.fixture
def committer(world: World) -> Committer:
    asyncio.run(world.loader.load(stream(docker_archive([(CONFIG, [BASE], ["app:1"])]))))
    return Committer(world.store, world.layers, world.content)


def commit(world: World, committer: Committer, upper: Path, name: str = "", **options: Any) -> Any:
    async def run() -> Any:
        source = Source(CONTAINER, lambda: opened(upper), await world.store.resolve("app:1"))
        return await committer.commit(source, reference.parse(name) if name else None, **options)

    return asyncio.run(run())


def test_commit(world: World, committer: Committer, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "new").write_text("new")
    image = commit(
        world, committer, tmp_path / "up", "made:1", comment="why", author="me", instructions=["ENV B=2", "LABEL m=2"]
    )
    assert image.diff_ids[0] == sha(BASE)
    assert len(image.diff_ids) == 2
    assert image.tags == ("made:1",)
    assert image.parent == sha(CONFIG)
    assert image.config["config"] == {"Cmd": ["sh", "-c", "x"], "Env": ["A=1", "B=2"], "Labels": {"l": "1", "m": "2"}}
    assert image.config["author"] == "me"
    assert "docker_version" not in image.config
    step = image.config["history"][-1]
    assert (step["created_by"], step["comment"], step["author"]) == ("sh -c x", "why", "me")
    shown = asyncio.run(world.lister.history("made:1"))
    assert [row["Id"] for row in shown] == [image.id, sha(CONFIG)]
    file, _, _ = world.layers.open(image.diff_ids[1])
    with file:
        assert b"new" in file.read()
    assert world.leavings() == []


def test_nothing_changed(world: World, committer: Committer, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    image = commit(world, committer, tmp_path / "up")
    assert image.diff_ids == (sha(BASE),)
    assert image.config["history"][-1]["empty_layer"] is True
    assert sha(bytes(1024)) == EMPTY_LAYER


def test_failure_leaves_nothing(world: World, committer: Committer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        commit(world, committer, tmp_path / "absent")
    assert world.leavings() == []
    assert len(world.store) == 1


def test_merge() -> None:
    base: Any = {"Cmd": ["a"], "Entrypoint": ["e"], "Env": ["A=1", "B=1"], "Volumes": {"/v": {}}}
    assert merge({"Env": ["B=2", "C=3"], "Volumes": {"/w": {}}}, base) == {
        "Cmd": ["a"],
        "Entrypoint": ["e"],
        "Env": ["B=2", "C=3", "A=1"],
        "Volumes": {"/v": {}, "/w": {}},
    }
    assert merge({"Entrypoint": ["x"]}, base).get("Cmd") is None
    assert merge({"Cmd": ["y"]}, base)["Entrypoint"] == ["e"]
