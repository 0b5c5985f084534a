"""Keeping the build cache within its rules."""

from __future__ import annotations

import asyncio
import logging

import pytest

from carrack.engine.build.tending import tend
from carrack.engine.jobs import Jobs
from carrack.errors import InvalidArgument


class Recorder:
    def __init__(self) -> None:
        self.grown = asyncio.Event()
        self.times = 0

    async def collect(self) -> None:
        self.times += 1
        raise InvalidArgument("no")


def test_builds_that_come_together_are_one_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        cache, rests = Recorder(), []
        go_on = asyncio.Event()

        async def sleep(seconds: float) -> None:
            rests.append(seconds)
            await go_on.wait()

        jobs = Jobs()
        jobs.start(tend(cache, sleep=sleep), "tend")  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert rests == []
        for _ in range(3):
            cache.grown.set()
            await asyncio.sleep(0.001)
        assert (len(rests), cache.times) == (1, 0)
        go_on.set()
        await asyncio.sleep(0.001)
        assert (len(rests), cache.times) == (1, 1)
        await jobs.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert "not collected: no" in caplog.text
