"""Builds as status messages."""

import asyncio
from typing import Any

from carrack.api.buildkit.watching import Watching
from carrack.dockerfile import checks, file
from carrack.engine.build.progress import Vertex

VERTEX = Vertex("sha256:a", "[1/2] RUN x", ("sha256:b",))


def test_all_is_told_to_who_comes_late_and_early() -> None:
    async def run() -> None:
        watching = Watching()

        async def collect() -> list[dict[str, Any]]:
            return [message async for message in watching.messages()]

        early = asyncio.get_running_loop().create_task(collect())
        await asyncio.sleep(0)
        watching.reads("D", b"FROM x")
        watching.started(VERTEX)
        watching.started(Vertex("sha256:q", "ENV", quiet=True))
        watching.log(VERTEX, 2, b"out")
        watching.moved(VERTEX, "layer", 1, 1)
        watching.warned(VERTEX, "odd", 3)
        watching.ended(VERTEX, cached=True)
        watching.close()
        told = await early
        assert told == await collect()
        started, log, moved, warned, ended = told
        assert started["vertexes"][0]["inputs"] == ["sha256:b"]
        assert (log["logs"][0]["msg"], log["logs"][0]["stream"]) == (b"out", 2)
        assert moved["statuses"][0]["completed"] is not None
        assert warned["warnings"][0]["ranges"] == [{"start": {"line": 3}, "end": {"line": 3}}]
        assert ended["vertexes"][0]["cached"] is True
        assert ended["vertexes"][0]["started"] == started["vertexes"][0]["started"]

    asyncio.run(run())


def test_output_is_bounded() -> None:
    async def run() -> None:
        watching = Watching()
        for _ in range(50):
            watching.log(VERTEX, 1, b"x" * 100_000)
        watching.close()
        total = [len(log["msg"]) async for message in watching.messages() for log in message["logs"]]
        assert sum(total) <= 2 << 20

    asyncio.run(run())


def test_breaches_of_rules() -> None:
    async def run() -> None:
        watching = Watching()
        watching.reads("D", b"FROM scratch AS A")
        (breach,) = checks.check(file.parse("FROM scratch AS A"))
        watching.warned(None, f"{breach.rule.name}: {breach.detail}", 1, breach)
        watching.close()
        ((warning,),) = [message["warnings"] async for message in watching.messages()]
        assert warning["short"] == b"StageNameCasing: Stage name 'A' should be lowercase (line 1)"
        assert warning["detail"] == [b"Stage names should be lowercase"]
        assert warning["url"] == "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/"
        assert warning["info"] == {"filename": "D", "data": b"FROM scratch AS A", "language": "Dockerfile"}

    asyncio.run(run())
