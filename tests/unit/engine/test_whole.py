"""Steps that cancellation must not cut in two."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from carrack.engine.whole import in_thread, made, whole


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


async def fail() -> None:
    raise ValueError("bad")


def test_results_and_failures_pass() -> None:
    assert asyncio.run(whole(double(4))) == 8
    with pytest.raises(ValueError, match="bad"):
        asyncio.run(whole(fail()))


@pytest.mark.parametrize("failing", [False, True])
def test_the_step_ends_before_the_cancellation_goes_on(failing: bool) -> None:
    order: list[str] = []

    async def step(gate: asyncio.Event) -> None:
        await gate.wait()
        order.append("step")
        if failing:
            raise ValueError("bad")

    async def caller(gate: asyncio.Event) -> None:
        try:
            await whole(step(gate))
        finally:
            order.append("caller")

    async def run() -> None:
        gate = asyncio.Event()
        task = asyncio.get_running_loop().create_task(caller(gate))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert order == ["step", "caller"]


async def cancelled_in_line(step: Callable[[], Awaitable[object]], *, running: bool = False) -> None:
    """Cancel a step that waits for the one thread there is; or while it runs."""
    loop, gate = asyncio.get_running_loop(), Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    if not running:
        loop.run_in_executor(None, gate.wait)

    async def go() -> None:
        await step()

    task = loop.create_task(go())
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("running", [False, True])
def test_a_step_that_waits_for_a_thread_is_done(running: bool) -> None:
    done: list[int] = []
    asyncio.run(cancelled_in_line(lambda: in_thread(done.append, 1), running=running))
    assert done == [1]


def test_what_nobody_gets_is_undone() -> None:
    undone: list[int] = []
    assert asyncio.run(made(lambda: 7, undone.append)) == 7
    asyncio.run(cancelled_in_line(lambda: made(lambda: 7, undone.append)))
    assert undone == [7]

    def fail() -> int:
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(made(fail, undone.append))
    asyncio.run(cancelled_in_line(lambda: made(fail, undone.append)))
    assert undone == [7]
