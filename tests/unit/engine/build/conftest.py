"""A workshop for every test, and two machines that share a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.building import Workshop
from tests.fakes.caches import Machine, MemoryStore
from tests.fakes.images import World


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    world = World(tmp_path)
    yield Workshop(world)
    world.close()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    store, worlds = MemoryStore(), []
    for name in "ab":
        (tmp_path / name).mkdir()
        worlds.append(World(tmp_path / name))
    yield Machine(Workshop(worlds[0]), store), Machine(Workshop(worlds[1]), store)
    for world in worlds:
        world.close()
