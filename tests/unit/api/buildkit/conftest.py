from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.building import Workshop
from tests.fakes.images import World


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    world = World(tmp_path)
    yield Workshop(world)
    world.close()
