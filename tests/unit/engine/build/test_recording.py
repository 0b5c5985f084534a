"""Builds as lists of events."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.building import Watcher

from carrack.dockerfile import checks, file
from carrack.dockerfile.problem import DockerfileError, Place
from carrack.engine.build import recording as recording_module
from carrack.engine.build.progress import Vertex
from carrack.engine.build.recording import Both, Culprit, Event, Recording, graph
from carrack.errors import InvalidArgument

FIRST, SECOND = Vertex("sha256:a", "[1/2] RUN x"), Vertex("sha256:b", "[2/2] RUN y", ("sha256:a",))


def told(recording: Recording) -> list[str]:
    return [event["do"] for event in recording.events]


def test_all_is_told_to_who_comes_late_and_early() -> None:
    async def run() -> None:
        recording = Recording()

        async def collect() -> list[Event]:
            return [event async for event in recording.follow()]

        async def bursts() -> list[list[Event]]:
            return [burst async for burst in recording.bursts(60)]

        early = asyncio.get_running_loop().create_task(collect())
        together = asyncio.get_running_loop().create_task(bursts())
        await asyncio.sleep(0)
        recording.reads("D", b"FROM x\xff")
        recording.started(FIRST)
        recording.started(Vertex("sha256:q", "ENV", quiet=True))
        recording.log(FIRST, 2, b"out\xff")
        recording.ended(FIRST, reason="it is new")
        recording.close()
        found = await early
        assert await together == [found]
        assert found == await collect() == json.loads(json.dumps(found))
        assert told(recording) == ["file", "start", "log", "end"]
        assert found[2]["text"].encode("utf-8", "surrogateescape") == b"out\xff"
        assert (found[3]["began"], found[3]["reason"]) == (found[1]["at"], "it is new")

    asyncio.run(run())


def test_output_is_bounded() -> None:
    recording = Recording()
    for _ in range(50):
        recording.log(FIRST, 1, b"x" * 100_000)
    texts = [event["text"] for event in recording.events]
    assert sum(map(len, texts)) <= (2 << 20) + 100
    assert "not kept" in texts[-1]


def test_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "_MOST_EVENTS", 10)
    recording = Recording()
    recording.started(FIRST)
    for _ in range(50):
        recording.log(FIRST, 1, b"x")
    recording.ended(FIRST)
    assert len(recording.events) == 11
    assert graph(recording.events)[0].ended


def test_passwords_in_addresses_are_not_told() -> None:
    recording = Recording()
    vertex = Vertex("d", "[2/2] ADD https://me:secret@h/x /x")
    recording.started(vertex)
    recording.moved(vertex, "transferring https://me:secret@h/x", 1, 2)
    recording.warned(vertex, "https://me:secret@h/x is old")
    recording.ended(vertex, error="https://me:secret@h/x: no")
    assert "secret" not in repr(recording.events)


def test_what_moves_all_the_time_is_told_now_and_then() -> None:
    recording = Recording()
    for count in range(1000):
        recording.moved(FIRST, "layer", count, 1000)
    recording.moved(FIRST, "layer", 1000, 1000)
    assert len(recording.events) < 100
    assert recording.events[-1]["current"] == 1000


def test_graph() -> None:
    recording = Recording()
    recording.started(FIRST)
    recording.started(SECOND)
    recording.ended(FIRST, cached=True)
    first, second = graph(recording.events)
    assert (first.cached, first.ended > 0) == (True, True)
    assert (second.inputs, second.ended) == (("sha256:a",), 0)
    recording.ended(SECOND, error="no")
    assert graph(recording.events)[1].error == "no"
    assert [step.name for step in graph(recording.events[2:])] == ["[1/2] RUN x", "[2/2] RUN y"]


def test_warnings() -> None:
    recording = Recording()
    recording.started(FIRST)
    (breach,) = checks.check(file.parse("FROM scratch AS A"))
    recording.warned(None, "text", 1, breach)
    recording.warned(SECOND, "other")
    first, second = recording.events[1:]
    assert (first["vertex"], first["url"]) == (FIRST.digest, breach.rule.url)
    assert (second["vertex"], second["line"]) == (SECOND.digest, 0)


def test_both() -> None:
    recording, watcher = Recording(), Watcher()
    both: Any = Both(recording, watcher)
    both.started(FIRST)
    both.log(FIRST, 1, b"x")
    both.moved(FIRST, "y", 1, 1)
    both.warned(None, "z")
    both.ended(FIRST, cached=True)
    assert told(recording) == ["start", "log", "move", "warn", "end"]
    assert (watcher.warnings, watcher.cached()) == (["z"], [FIRST.name])


def test_whose_fault_it_is() -> None:
    recording = Recording()
    recording.ended(replace(FIRST, place=Place(2, 3)), error="out of luck")
    assert recording.culprit(InvalidArgument("out of luck")) is None  # whose lines would they be
    recording.reads("D", b"FROM x\nRUN y")
    recording.ended(replace(SECOND, place=Place(4, 4)), error="another one, later")
    assert recording.culprit(InvalidArgument("out of luck")) == Culprit("D", b"FROM x\nRUN y", Place(2, 3))
    assert recording.culprit(DockerfileError("no such thing", Place(1, 1, 2))) == Culprit(
        "D", b"FROM x\nRUN y", Place(1, 1, 2)
    )


def test_a_step_that_was_cancelled_is_not_to_blame() -> None:
    recording = Recording()
    recording.reads("D", b"FROM x")
    recording.ended(replace(FIRST, place=Place(2, 2)), error="canceled")
    recording.ended(SECOND, error="of no line")
    assert recording.culprit(OSError()) is None
