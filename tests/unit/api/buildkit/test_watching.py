"""Builds as status messages."""

from __future__ import annotations

import asyncio
from typing import Any

from carrack.api.buildkit.watching import messages, moment
from carrack.dockerfile import checks, file
from carrack.engine.build.progress import Vertex
from carrack.engine.build.recording import Recording

VERTEX = Vertex("sha256:a", "[1/2] RUN x", ("sha256:b",))


def told(recording: Recording) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        recording.close()
        return [message async for message in messages(recording.bursts())]

    return asyncio.run(run())


def test_each_event() -> None:
    recording = Recording()
    recording.reads("D", b"FROM x")
    recording.started(VERTEX)
    recording.log(VERTEX, 2, b"out\xff")
    recording.moved(VERTEX, "layer", 1, 1)
    recording.warned(VERTEX, "odd", 3)
    recording.ended(VERTEX, cached=True)
    started, log, moved, warned, ended = told(recording)
    assert started["vertexes"][0]["inputs"] == ["sha256:b"]
    assert log["logs"][0]["msg"] == b"out\xff"
    assert moved["statuses"][0]["completed"]
    warning = warned["warnings"][0]
    assert (warning["short"], warning["info"]["data"]) == (b"odd (line 3)", b"FROM x")
    assert warning["ranges"] == [{"start": {"line": 3}, "end": {"line": 3}}]
    assert ended["vertexes"][0]["cached"]
    assert ended["vertexes"][0]["started"] == started["vertexes"][0]["started"]


def test_events_of_a_kind_go_together() -> None:
    recording = Recording()
    recording.started(VERTEX)
    recording.started(Vertex("sha256:c", "[2/2] RUN y"))
    for _ in range(4):
        recording.log(VERTEX, 1, b"x" * 60_000)
    recording.ended(VERTEX)
    begun, *logs, ended = told(recording)
    assert [each["name"] for each in begun["vertexes"]] == ["[1/2] RUN x", "[2/2] RUN y"]
    assert [len(each["logs"]) for each in logs] == [3, 1]
    assert ended["vertexes"][0]["completed"]


def test_breaches_of_rules() -> None:
    recording = Recording()
    recording.reads("D", b"FROM scratch AS A")
    (breach,) = checks.check(file.parse("FROM scratch AS A"))
    recording.warned(None, f"{breach.rule.name}: {breach.detail}", 1, breach)
    ((warning,),) = [message["warnings"] for message in told(recording)]
    assert warning["short"] == b"StageNameCasing: Stage name 'A' should be lowercase (line 1)"
    assert warning["detail"] == [b"Stage names should be lowercase"]
    assert warning["url"] == "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/"
    assert warning["info"] == {"filename": "D", "data": b"FROM scratch AS A", "language": "Dockerfile"}


def test_moments() -> None:
    assert moment(7_000_000_005) == {"seconds": 7, "nanos": 5}
