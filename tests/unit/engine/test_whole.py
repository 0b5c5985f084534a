"""Steps that cancellation must not cut in two."""

import asyncio

import pytest

from carrack.engine.whole import whole


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
