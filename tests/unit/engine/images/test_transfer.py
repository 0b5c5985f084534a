"""Layers on their way: broken connections, earlier tries, several pulls of one layer, wrong content, the cache."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import tar
from tests.fakes.pulling import Pulling, pulling
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault

from carrack.engine.images import transfer
from carrack.errors import InvalidArgument, Unavailable
from carrack.registry.settings import RegistrySettings, parse_rules

DATA = tar({"a": os.urandom(400_000)})
BLOB = "/blobs/sha256"


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Pulling, FakeRegistry]]:
    monkeypatch.setattr(transfer, "_PAUSE", 0.01)
    with pulling(tmp_path / "d") as made:
        yield made


def layer_requests(registry: FakeRegistry, stored: Any) -> list[str]:
    """The Range of each request for the layer."""
    return [r.headers.get("range", "") for r in registry.asked("GET", f"/blobs/{stored.layers[0]}")]


def test_a_broken_connection_is_gone_on_from(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    pattern = f"/blobs/{stored.layers[0]}"
    registry.faults += [Fault(pattern, cut=100_000), Fault(pattern, cut=150_000, reset=True)]
    world.pull(f"{registry.host}/app")
    first, second, third = layer_requests(registry, stored)
    assert first == ""
    assert second == "bytes=100000-"
    assert 100_000 < int(third.removeprefix("bytes=").rstrip("-")) <= 250_000
    assert world.partials == {}
    assert world.leavings() == []


def test_a_registry_without_ranges_is_read_again(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    registry.faults.append(Fault(f"/blobs/{stored.layers[0]}", cut=100_000))
    registry.faults.append(Fault(f"/blobs/{stored.layers[0]}", ignore_range=True))
    world.pull(f"{registry.host}/app")
    assert layer_requests(registry, stored) == ["", "bytes=100000-"]


def test_what_came_before_a_restart_is_not_asked_for_again(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    registry.faults.append(Fault(f"/blobs/{stored.layers[0]}", cut=100_000))
    registry.faults.append(Fault(f"/blobs/{stored.layers[0]}", times=None, cut=0))
    with pytest.raises(Unavailable, match="try again"):
        world.pull(f"{registry.host}/app")
    kept = world.partials[stored.layers[0]]
    assert 0 < kept <= 100_000
    assert world.leavings() == []
    world.reopen()
    assert world.partials == {stored.layers[0]: kept}
    registry.faults.clear()
    registry.requests.clear()
    world.pull(f"{registry.host}/app")
    assert layer_requests(registry, stored) == [f"bytes={kept}-"]
    assert world.partials == {}


def test_wrong_bytes_of_an_earlier_try_are_fetched_again(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    with world.content.partial(stored.layers[0]) as partial:
        partial.write(os.urandom(5000))
    world.pull(f"{registry.host}/app")
    assert layer_requests(registry, stored)[-1] == ""
    assert world.partials == {}


def test_what_is_swept_away_between_count_and_use_is_fetched_again(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    monkeypatch.setattr(transfer, "received", lambda root, digest: 5000)
    world.pull(f"{registry.host}/app")
    assert layer_requests(registry, stored) == ["bytes=5000-", ""]
    assert world.partials == {}


@pytest.mark.parametrize("lie", ["other bytes", "other layer", "no archive"])
def test_a_lie_leaves_nothing_and_the_next_honest_try_succeeds(both: Any, lie: str) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    honest = registry.content.blobs[stored.layers[0]]
    wrong = {"other bytes": os.urandom(len(honest)), "no archive": b"<html>", "other layer": honest[:-1] + b"\1"}[lie]
    registry.content.blobs[stored.layers[0]] = wrong
    with pytest.raises((InvalidArgument, Unavailable), match=stored.layers[0][7:19]):
        world.pull(f"{registry.host}/app")
    assert world.leavings() == []
    assert world.partials == {}
    registry.content.blobs[stored.layers[0]] = honest
    world.pull(f"{registry.host}/app")
    assert world.leavings() == []


@pytest.mark.parametrize(
    "fault",
    [{"corrupt": 1000}, {"cut": 1000}, {"cut": 150_000, "corrupt": 20}, {"length": 5}, {"chunked": True, "fill": 9}],
)
def test_a_mirror_that_fails_on_the_way_is_asked_no_more(both: Any, fault: dict[str, Any]) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    with FakeRegistry(registry.content) as mirror:
        mirror.faults.append(Fault(f"/blobs/{stored.layers[0]}", times=None, **fault))
        text = f"[[registry]]\nprefix = '{registry.host}'\n[[registry.mirror]]\nlocation = '{mirror.host}'\n"
        settings = RegistrySettings(attempts=2, rules=parse_rules(text))
        (image,) = world.pull(f"{registry.host}/app", settings=settings)
        assert mirror.asked("GET", stored.layers[0])
    assert image.id == stored.config
    assert world.partials == {}
    assert world.leavings() == []


def test_pulls_of_one_layer_share_its_download(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    registry.content.add_image("app", "other", [DATA], config={"author": "x"})
    registry.faults.append(Fault(f"/blobs/{stored.layers[0]}", times=None, speed=1_000_000))

    async def twice() -> None:
        await asyncio.gather(world.pulling(f"{registry.host}/app"), world.pulling(f"{registry.host}/app:other"))

    asyncio.run(twice())
    assert len(layer_requests(registry, stored)) == 1
    assert len(world.store) == 2
    short = stored.layers[0][7:19]
    assert world.said.count(f"{short}: Pull complete") == 2


def test_one_of_two_gives_up_and_the_other_goes_on(both: Any) -> None:
    world, registry = both
    stored = registry.content.add_image("app", "latest", [DATA])
    registry.content.add_image("app", "other", [DATA], config={"author": "x"})
    registry.faults.append(Fault(f"/blobs/{stored.layers[0]}", cut=150_000, speed=150_000))

    async def twice() -> None:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(world.pulling(f"{registry.host}/app"))
            while not world.partials:  # noqa: ASYNC110 - another thread makes it
                await asyncio.sleep(0.01)
            group.create_task(world.pulling(f"{registry.host}/app:other"))
            await asyncio.sleep(0.1)
            first.cancel()

    asyncio.run(twice())
    assert [image.tags for image in world.store] == [(f"{registry.host}/app:other",)]
    assert layer_requests(registry, stored)[-1].startswith("bytes=")
    assert world.leavings() == []


def test_no_more_come_at_a_time_than_are_allowed(both: Any) -> None:
    world, registry = both
    layers = [tar({"a": os.urandom(50_000)}) for _ in range(4)]
    registry.content.add_image("app", "latest", layers)
    world.transfers.allow(1)
    world.pull(f"{registry.host}/app")
    assert sum(": Waiting" in line for line in world.said) == 3
