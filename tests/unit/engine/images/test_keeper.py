"""Garbage collection by rules: plans touch nothing, runs do what was planned, and what is in use stays."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, multi_platform, sha, stream, tar

from carrack.engine.images.delete import Use
from carrack.engine.images.policy import Disk, parse

BASE, TOP, LONE = tar({"etc/hosts": b"x"}), tar({"bin/app": b"y"}), tar({"bin/lone": b"z"})
OLD, NEW, OTHER = config_for([BASE]), config_for([BASE, TOP]), config_for([LONE])


@pytest.fixture
def loaded(world: World) -> World:
    archive = docker_archive([(OLD, [BASE], ["app:old"]), (NEW, [BASE, TOP], ["app:new"]), (OTHER, [LONE], ["lone:1"])])
    asyncio.run(world.loader.load(stream(archive)))
    for days, config in ((9, OLD), (1, NEW), (5, OTHER)):
        last_used(world, config, days)
    return world


def last_used(world: World, config: bytes, days: int) -> None:
    world.store.uses._times[sha(config)] -= days * 24 * 3600 * 10**9


def plan(world: World, **words: str) -> dict[str, Any]:
    rules = parse({word.replace("_", "-"): value for word, value in words.items()})
    return asyncio.run(world.keeper.plan(rules)).document()


def run(world: World, **words: str) -> dict[str, Any]:
    rules = parse({word.replace("_", "-"): value for word, value in words.items()})
    return asyncio.run(world.keeper.run(rules)).document()


def names(world: World) -> list[str]:
    return sorted(name for image in world.store for name in image.tags)


def test_a_plan_says_it_all_and_touches_nothing(loaded: World) -> None:
    told = plan(loaded, unused_for="3d")
    old, other = told["Steps"]
    assert (old["Image"], old["Names"], old["Deletes"], old["Reclaims"]) == (sha(OLD), ["app:old"], True, len(OLD))
    assert old["UnusedFor"] in (9 * 86400, 9 * 86400 + 1)
    assert (other["Names"], other["Reclaims"]) == (["lone:1"], len(LONE) + len(OTHER))
    assert told["SpaceReclaimed"] == told["Size"] - told["SizeAfter"] == len(LONE) + len(OTHER) + len(OLD)
    assert told["Done"] is False
    assert names(loaded) == ["app:new", "app:old", "lone:1"]


def test_a_run_does_what_was_planned(loaded: World) -> None:
    wanted = plan(loaded, unused_for="3d")
    told = run(loaded, unused_for="3d")
    for step in (*told["Steps"], *wanted["Steps"]):
        step.pop("UnusedFor")
    assert told == wanted | {"Done": True}
    assert names(loaded) == ["app:new"]
    assert loaded.layers.has(sha(BASE)), "another image needs it"
    assert not loaded.layers.has(sha(LONE))
    assert sorted(loaded.content.digests()) == [sha(NEW)]
    assert [action for action, _ in loaded.told[-5:]] == ["untag", "delete", "untag", "delete", "prune"]


def test_what_a_container_stands_on_stays_and_counts_as_used(loaded: World) -> None:
    loaded.uses = [Use("c" * 64, sha(OLD), False)]
    run(loaded, unused_for="3d")
    assert names(loaded) == ["app:new", "app:old"]
    loaded.uses = []
    assert plan(loaded, unused_for="3d")["Steps"] == [], "it was used until just now"


def test_what_comes_into_use_after_the_plan_stays(loaded: World) -> None:
    async def both() -> None:
        outcome = await loaded.keeper.plan(parse({"unused-for": "3d"}))
        async with loaded.store.hold(await loaded.store.resolve("app:old")):
            pass
        assert [await loaded.keeper._do(step) for step in outcome.plan.steps] == [False, True]

    asyncio.run(both())
    assert names(loaded) == ["app:new", "app:old"]


def test_only_names_beyond_the_last(loaded: World) -> None:
    asyncio.run(loaded.store.tag(asyncio.run(loaded.store.resolve("app:old")), asyncio.run(name("app:newest"))))
    run(loaded, keep_last="2")
    assert "app:newest" in names(loaded)
    assert len(names(loaded)) == 3


async def name(text: str) -> Any:
    from carrack.oci import reference

    return reference.parse(text)


def test_sweeping_needs_no_rules(loaded: World) -> None:
    stray = b"nobody's"
    loaded.content.put(stray)
    assert plan(loaded)["Swept"] == len(stray)
    assert run(loaded)["SpaceReclaimed"] == len(stray)
    assert not loaded.content.has(sha(stray))
    assert len(loaded.store) == 3
    assert run(loaded)["Swept"] == 0


def test_room(loaded: World) -> None:
    assert not loaded.keeper.short_of_room()
    loaded.keeper.rules = parse({"min-free": "60%"})
    assert loaded.keeper.short_of_room()
    loaded.disk = Disk(total=1000, free=600)
    assert not loaded.keeper.short_of_room()


def test_times_survive_a_restart(loaded: World) -> None:
    async def again() -> None:
        await loaded.keeper.note_uses()
        before = loaded.store.uses.last(sha(OLD))
        await loaded.reopen()
        assert loaded.store.uses.last(sha(OLD)) == before

    asyncio.run(again())


def test_platforms_of_one_image_go_together_or_not_at_all(world: World) -> None:
    layers = {name: tar({name: name.encode() * 9}) for name in ("amd64", "arm64")}
    configs = {name: config_for([layer], architecture=name) for name, layer in layers.items()}
    archive = multi_platform({name: (configs[name], [layers[name]]) for name in layers}, "docker.io/library/app:1")
    asyncio.run(world.loader.load(stream(archive)))
    assert len(world.store) == 2
    last_used(world, configs["arm64"], 9)
    assert plan(world, unused_for="3d")["Steps"] == [], "the other platform was used just now"
    assert plan(world, max_size="1", keep="app")["Steps"] == []
    world.uses = [Use("c" * 64, sha(configs["arm64"]), False)]
    assert plan(world, max_size="1")["Steps"] == []
    world.uses = []
    for config in configs.values():
        last_used(world, config, 9)
    (step,) = plan(world, unused_for="3d")["Steps"]
    assert step["Names"] == ["app:1"]
    told = run(world, unused_for="3d")
    assert told["SpaceReclaimed"] == told["Size"] == step["Reclaims"]
    assert len(world.store) == 0
    assert list(world.content.digests()) == []


def test_a_full_disk_keeps_nobody_from_making_room(loaded: World, caplog: pytest.LogCaptureFixture) -> None:
    write = loaded.records.write

    async def full(work: Any, *, durable: bool = True, spare: bool = False) -> Any:
        if not spare:
            raise OSError(errno.ENOSPC, "No space left on device")
        return await write(work, durable=durable, spare=spare)

    loaded.records.write = full  # type: ignore[method-assign]
    run(loaded, unused_for="3d")
    assert names(loaded) == ["app:new"]
    assert "when images were last used is not written" in caplog.text
    loaded.records.write = write  # type: ignore[method-assign]
    asyncio.run(loaded.keeper.note_uses())
    assert [key for key, _ in loaded.records.read("SELECT * FROM used")] == [sha(NEW)]
