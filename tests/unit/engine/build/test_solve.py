"""Whole builds over fakes: what is done, what is remembered, what is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.fakes.building import Watcher, Workshop
from tests.unit.engine.build.test_service import builder, request

from carrack.dockerfile.problem import DockerfileError
from carrack.engine.build.failing import BuildFailed
from carrack.engine.build.progress import Vertex
from carrack.engine.build.running import Job
from carrack.errors import InvalidArgument, NotFound

SIMPLE = "FROM base\nRUN one\nCOPY a /a\nRUN two\n"


def test_steps_in_order(workshop: Workshop) -> None:
    async def run() -> None:
        result, watcher = await workshop.build(SIMPLE, {"a": "text"})
        assert workshop.runner.ran == ["one", "two"]
        assert workshop.files(result)["a"] == "text"
        assert len(result.layers) == 3
        assert [entry["created_by"] for entry in result.history] == [
            "RUN /bin/sh -c one # buildkit", "COPY a /a # buildkit", "RUN /bin/sh -c two # buildkit",
        ]  # fmt: skip
        assert watcher.output == {"[2/4] RUN one": b"ran one\n", "[4/4] RUN two": b"ran two\n"}

    asyncio.run(run())


def test_what_was_done_is_not_done_again(workshop: Workshop) -> None:
    async def run() -> None:
        first, _ = await workshop.build(SIMPLE, {"a": "text"})
        again, watcher = await workshop.build(SIMPLE, {"a": "text"})
        assert again.layers == first.layers
        assert workshop.runner.ran == ["one", "two"]
        assert watcher.cached() == ["[2/4] RUN one", "[3/4] COPY a /a", "[4/4] RUN two"]

    asyncio.run(run())


def test_a_changed_file_is_the_reason(workshop: Workshop) -> None:
    async def run() -> None:
        await workshop.build(SIMPLE, {"a": "text"})
        _, watcher = await workshop.build(SIMPLE, {"a": "other"})
        assert watcher.cached() == ["[2/4] RUN one"]
        assert watcher.ends["[3/4] COPY a /a"][2] == "the files of context are different"
        assert watcher.ends["[4/4] RUN two"][2].startswith("what it is built on is different")

    asyncio.run(run())


def test_the_cache_outlives_a_restart(workshop: Workshop) -> None:
    async def run() -> None:
        await workshop.build(SIMPLE, {"a": "text"})
        workshop.cache.load()
        _, watcher = await workshop.build(SIMPLE, {"a": "text"})
        assert len(watcher.cached()) == 3

    asyncio.run(run())


def test_without_the_cache(workshop: Workshop) -> None:
    async def run() -> None:
        await workshop.build(SIMPLE, {"a": "text"})
        _, watcher = await workshop.build(SIMPLE, {"a": "text"}, no_cache=True)
        assert watcher.cached() == []

    asyncio.run(run())


TWO = """FROM base AS one
RUN x
FROM base AS unused
RUN never
FROM base AS two
RUN y
FROM scratch
COPY --from=one /x /x
COPY --from=two /y /y
"""


def test_stages_side_by_side_and_unused_ones_not_at_all(workshop: Workshop) -> None:
    async def run() -> None:
        together = asyncio.Event()
        waiting = 0
        touch = workshop.runner.program

        async def program(job: Job, upper: Path) -> int:
            nonlocal waiting
            waiting += 1
            if waiting == 2:
                together.set()
            await asyncio.wait_for(together.wait(), 5)
            return await touch(job, upper)

        workshop.runner.program = program
        result, _ = await workshop.build(TWO)
        assert set(workshop.files(result)) == {"x", "y"}
        assert sorted(workshop.runner.ran) == ["x", "y"]

    asyncio.run(run())


def test_target(workshop: Workshop) -> None:
    async def run() -> None:
        result, _ = await workshop.build(TWO, target="TWO")
        assert set(workshop.files(result)) == {"y"}
        with pytest.raises(InvalidArgument, match="target stage 'three' could not be found; the stages are: one, "):
            await workshop.build(TWO, target="three")

    asyncio.run(run())


def test_a_program_that_fails(workshop: Workshop) -> None:
    async def run() -> None:
        async def program(job: Job, upper: Path) -> int:
            return 3

        workshop.runner.program = program
        with pytest.raises(
            BuildFailed, match='process "/bin/sh -c one" did not complete successfully: exit code: 3'
        ) as caught:
            await workshop.build(SIMPLE, {"a": "text"})
        assert (caught.value.exit_code, caught.value.place.line) == (3, 2)
        assert list(workshop.cache) == []
        assert workshop.world.layers.total_size() == 0

    asyncio.run(run())


def test_triggers_of_the_base(workshop: Workshop) -> None:
    async def run() -> None:
        workshop.bases.images["parent"] = {"config": {"OnBuild": ["RUN first", "ENV X=1"]}}
        result, _ = await workshop.build("FROM parent\nRUN second")
        assert workshop.runner.ran == ["first", "second"]
        assert "X=1" in result.state.config["Env"]
        assert "OnBuild" not in result.state.config

    asyncio.run(run())


def test_triggers_of_a_stage(workshop: Workshop) -> None:
    async def run() -> None:
        text = "FROM base AS one\nONBUILD RUN triggered\nRUN first\nFROM one AS two\nRUN second\nFROM two\nRUN third\n"
        await workshop.build(text, {})
        assert workshop.runner.ran == ["first", "triggered", "second", "third"]

    asyncio.run(run())


def test_triggers_that_want_each_other(workshop: Workshop) -> None:
    async def run(last: str) -> None:
        text = f"FROM base AS one\nONBUILD COPY --from={last} /a /b\nFROM one AS two\nRUN x\nFROM two AS three\nRUN y\n"
        with pytest.raises(InvalidArgument, match="circular dependency"):
            await asyncio.wait_for(workshop.build(text, {}), 10)

    asyncio.run(run("two"))
    asyncio.run(run("three"))


def test_arguments_are_seen_where_they_are_declared(workshop: Workshop) -> None:
    async def run() -> None:
        text = "ARG N=base\nFROM $N\nRUN one\nARG V=1\nRUN two\nENV V=env\nRUN three"
        await workshop.build(text, arguments={"V": "2"})
        seen = [[word for word in job.env if word.startswith("V=")] for job in workshop.runner.jobs]
        assert seen == [[], ["V=2"], ["V=env"]]
        assert workshop.bases.asked == ["base"]
        _, watcher = await workshop.build(text, arguments={"V": "3"})
        assert watcher.cached() == ["[2/4] RUN one"]

    asyncio.run(run())


def test_proxies_reach_programs_and_nothing_else(workshop: Workshop) -> None:
    async def run() -> None:
        result, _ = await workshop.build("FROM base\nRUN one", arguments={"HTTP_PROXY": "http://p"})
        assert "HTTP_PROXY=http://p" in workshop.runner.jobs[0].env
        assert "HTTP_PROXY" not in str(result.history) + str(result.state.config)
        _, watcher = await workshop.build("FROM base\nRUN one", arguments={"HTTP_PROXY": "http://q"})
        assert watcher.cached() == ["[2/2] RUN one"]

    asyncio.run(run())


def test_a_base_that_is_not_there(workshop: Workshop) -> None:
    async def run() -> None:
        with pytest.raises(NotFound, match="nothing: not found"):
            await workshop.build("FROM nothing")

    asyncio.run(run())


def test_a_circle(workshop: Workshop) -> None:
    async def run() -> None:
        text = "FROM base AS a\nCOPY --from=b /x /\nFROM base AS b\nCOPY --from=a /x /\n"
        with pytest.raises(DockerfileError, match="circular dependency detected on stage"):
            await workshop.build(text)

    asyncio.run(run())


def test_two_builds_share_what_they_both_need(workshop: Workshop) -> None:
    async def run() -> None:
        await asyncio.gather(*(workshop.build("FROM base\nRUN one") for _ in range(3)))
        assert workshop.runner.ran == ["one"]

    asyncio.run(run())


def test_a_cancelled_build_leaves_the_other_its_work(workshop: Workshop) -> None:
    async def run() -> None:
        go = asyncio.Event()
        touch = workshop.runner.program

        async def program(job: Job, upper: Path) -> int:
            await go.wait()
            return await touch(job, upper)

        workshop.runner.program = program
        first = asyncio.get_running_loop().create_task(workshop.build("FROM base\nRUN one"))
        second = asyncio.get_running_loop().create_task(workshop.build("FROM base\nRUN one"))
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        result, _ = await second
        assert set(workshop.files(result)) == {"one"}

    asyncio.run(run())


def test_copy_from_a_stage_into_a_folder(workshop: Workshop) -> None:
    async def run() -> None:
        result, _ = await workshop.build("FROM base AS s\nRUN one\nFROM scratch\nCOPY --from=s /one /two/")
        assert "two/one" in workshop.files(result)

    asyncio.run(run())


def test_nothing_is_worked_in_at_its_root(workshop: Workshop) -> None:
    """BuildKit says so of an image made of scratch; the classic builder leaves it open."""

    async def run() -> None:
        for style, config in (("buildkit", {"WorkingDir": "/"}), ("classic", {})):
            result, _ = await workshop.build("FROM scratch\nCOPY a /", {"a": ""}, style=style)
            assert {key: value for key, value in result.state.config.items() if key != "Env"} == config

    asyncio.run(run())


def test_what_each_step_waits_for(workshop: Workshop) -> None:
    class Graph(Watcher):
        def __init__(self) -> None:
            super().__init__()
            self.inputs: dict[str, list[str]] = {}
            self.names: dict[str, str] = {}

        def started(self, vertex: Vertex) -> None:
            if not vertex.quiet:
                self.names[vertex.digest] = vertex.name
                self.inputs[vertex.name] = [self.names[digest] for digest in vertex.inputs]

    async def run() -> None:
        text = "FROM base AS a\nRUN one\nFROM base AS b\nRUN two\nFROM a\nENV X=1\nCOPY --from=b /two /\nRUN three"
        graph, wanted = Graph(), request(workshop, text)
        await builder(workshop).build(wanted, (), graph)
        assert graph.inputs == {
            "[internal] load metadata for docker.io/library/base:latest": [],
            "[b 1/2] FROM docker.io/library/base:latest": [],
            "[a 2/2] RUN one": ["[b 1/2] FROM docker.io/library/base:latest"],
            "[b 2/2] RUN two": ["[b 1/2] FROM docker.io/library/base:latest"],
            "[stage-2 1/2] COPY --from=b /two /": ["[a 2/2] RUN one", "[b 2/2] RUN two"],
            "[stage-2 2/2] RUN three": ["[stage-2 1/2] COPY --from=b /two /"],
        }

    asyncio.run(run())
