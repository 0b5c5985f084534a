"""Jobs: owned, named, their failures logged, all ended together."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.fakes.containers import run, settle

from carrack.engine.jobs import Jobs, both


def test_a_failure_is_logged_with_the_jobs_name(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ValueError("so it goes")

    async def main() -> None:
        jobs = Jobs()
        jobs.start(broken(), "watch 123")
        await jobs.drain()
        await settle()

    with caplog.at_level(logging.ERROR):
        run(main)
    assert "job watch 123 failed" in caplog.text
    assert "so it goes" in caplog.text


def test_drain_waits_also_for_what_jobs_start() -> None:
    done = []

    async def main() -> None:
        jobs = Jobs()

        async def second() -> None:
            await asyncio.sleep(0)
            done.append(2)

        async def first() -> None:
            await asyncio.sleep(0)
            jobs.start(second(), "second")
            done.append(1)

        jobs.start(first(), "first")
        await jobs.drain()

    run(main)
    assert done == [1, 2]


def test_close_cancels_and_lets_undo_finish(caplog: pytest.LogCaptureFixture) -> None:
    undone = []

    async def endless() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            undone.append(True)

    async def main() -> None:
        jobs = Jobs()
        jobs.start(endless(), "endless")
        await settle()
        await jobs.close()
        await jobs.close()

    run(main)
    assert undone == [True]
    assert caplog.text == ""


def test_both_waits_for_both_and_raises_the_firsts_failure() -> None:
    ended = []

    async def fails(name: str, turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        ended.append(name)
        raise ValueError(name)

    async def good(value: int) -> int:
        return value

    async def main() -> None:
        assert await both(good(1), good(2)) == (1, 2)
        with pytest.raises(ValueError, match=r"^slow$"):
            await both(fails("slow", 5), fails("fast", 0))
        with pytest.raises(ValueError, match=r"^late$"):
            await both(good(1), fails("late", 3))

    run(main)
    assert ended == ["fast", "slow", "late"]
