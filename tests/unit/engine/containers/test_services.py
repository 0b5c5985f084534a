"""The services in one hand: a value, made of everything the routes need."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import IMAGE_ID, run
from tests.fakes.engine import World

from carrack.engine.containers.files import Files
from carrack.engine.containers.services import ContainerServices


def test_they_belong_together_and_do_not_change(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path)
        fakes: Any = world

        async def ids(word: str) -> set[str]:
            return {IMAGE_ID}

        services = ContainerServices(
            world.store, world.creator, world.lifecycle, world.changes, world.live, world.links, world.remover,
            world.supervisor, world.attachments, world.execs,
            Files(fakes.snapshots, world.volumes, fakes.events), fakes.events, world.paths,
            lambda c: {"Name": "fake"}, lambda c: 0, ids,
        )  # fmt: skip
        c = await world.create()
        await services.lifecycle.start(c)
        assert services.store.find("web") is c
        with pytest.raises(dataclasses.FrozenInstanceError):
            services.store = world.store  # type: ignore[misc]
        await world.close()

    run(main)
