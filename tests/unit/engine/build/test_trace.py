"""What a build was made of."""

from __future__ import annotations

import asyncio

from tests.fakes.building import Workshop

from carrack.engine.build.results import Result
from carrack.engine.build.trace import Trace, is_remote, origins

TEXT = """\
FROM base AS one
COPY a /a
RUN --network=none x
FROM scratch
COPY --from=one /a /b
WORKDIR /w
"""


def traced(workshop: Workshop, text: str = TEXT, **more: object) -> tuple[Result, Trace]:
    result, _ = asyncio.run(workshop.build(text, {"a": "1"}, **more))
    assert result.trace is not None
    return result, result.trace


def test_bases_steps_and_lines(workshop: Workshop) -> None:
    result, trace = traced(workshop)
    (base,) = trace.bases.values()
    assert (base.name, base.platform) == ("base", "linux/amd64")
    assert trace.begun == {0: "base linux/amd64"}
    assert [(made.line, bool(made.layer)) for made in trace.steps[0]] == [(2, True), (3, True)]
    assert [made.line for made in trace.steps[1]] == [5, 6]
    assert [step.network for step in trace.runs] == ["none"]
    assert trace.uses_context
    assert trace.stages[1] == result.layers
    assert [origins(made.step) for steps in trace.steps.values() for made in steps] == [[""], [], ["one"], []]


def test_what_needs_no_context(workshop: Workshop) -> None:
    _, trace = traced(workshop, "FROM base\nRUN x\nCOPY <<E /e\ntext\nE\n")
    assert not trace.uses_context


def test_what_is_fetched() -> None:
    names = ["https://x/a.tar", "http://x", "https://github.com/a/b.git", "a/b", "ftp://x"]
    assert [is_remote(name) for name in names] == [True, True, True, False, False]
