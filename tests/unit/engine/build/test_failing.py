"""Failures of builds in words."""

from __future__ import annotations

import asyncio

from carrack.dockerfile.file import parse
from carrack.engine.build import failing
from carrack.engine.build.steps import RunStep, WorkdirStep
from carrack.engine.build.working import RunFailed

COMMAND = parse("FROM x\nRUN make").stages[0].commands[0]


def test_what_is_told_of_a_program() -> None:
    step = RunStep(("sh", "-c", "make"), (), "/", "")
    assert failing.text(COMMAND, step, RunFailed(3, False)) == (
        'process "sh -c make" did not complete successfully: exit code: 3'
    )
    assert failing.text(COMMAND, WorkdirStep("/"), RunFailed(1, True)).startswith('process "RUN make"')
    assert "for want of memory" in failing.text(COMMAND, step, RunFailed(137, True))


def test_the_failure_that_others_came_of() -> None:
    real = ValueError("real")
    group = BaseExceptionGroup("", [asyncio.CancelledError(), BaseExceptionGroup("", [real])])
    assert failing.first(group) is real
    canceled = asyncio.CancelledError()
    assert failing.first(BaseExceptionGroup("", [canceled])) is canceled


def test_a_failure_knows_its_place() -> None:
    assert failing.BuildFailed("no", COMMAND, 3).place.line == 2
