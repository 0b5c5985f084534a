"""Layers that are stored and remembered."""

import asyncio

from tests.fakes.building import Workshop

from carrack.engine.build.steps import WorkdirStep
from carrack.engine.build.working import Note, RunFailed, Worker


def test_a_layer_is_recorded_before_it_is_remembered(workshop: Workshop) -> None:
    async def run() -> None:
        note = Note("sha256:" + "1" * 64, (), {"x": 1}, "WORKDIR /w", "p")
        entry = await Worker(workshop.tools).workdir(note, WorkdirStep("/w"), 5)
        assert workshop.world.layers.has(entry.diff_id)
        found = workshop.cache.find(note.key)
        assert found is not None
        assert (found.description, found.inputs) == ("WORKDIR /w", {"x": 1})

    asyncio.run(run())


def test_no_change_is_no_layer(workshop: Workshop) -> None:
    async def run() -> None:
        worker = Worker(workshop.tools)
        first = await worker.workdir(Note("sha256:" + "1" * 64, (), {}, "", ""), WorkdirStep("/w"), 5)
        again = await worker.workdir(Note("sha256:" + "2" * 64, first.layers, {}, "", ""), WorkdirStep("/w"), 5)
        assert again.diff_id == ""
        assert again.layers == first.layers

    asyncio.run(run())


def test_failure_in_words() -> None:
    assert str(RunFailed(3, False)) == "exit code: 3"
