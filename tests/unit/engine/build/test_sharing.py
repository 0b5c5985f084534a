"""Work that is done once for all."""

import asyncio

import pytest

from carrack.engine.build.sharing import Shared


def test_once_for_all() -> None:
    async def run() -> None:
        shared: Shared[int] = Shared()
        count = 0

        async def work() -> int:
            nonlocal count
            count += 1
            await asyncio.sleep(0.01)
            return count

        results = await asyncio.gather(*(shared.do("k", work) for _ in range(3)))
        assert results == [(1, True), (1, False), (1, False)]
        assert await shared.do("k", work) == (2, True)

    asyncio.run(run())


def test_failure_is_everybodys() -> None:
    async def run() -> None:
        shared: Shared[int] = Shared()

        async def work() -> int:
            raise ValueError("no")

        results = await asyncio.gather(*(shared.do("k", work) for _ in range(2)), return_exceptions=True)
        assert [type(result) for result in results] == [ValueError, ValueError]

    asyncio.run(run())


def test_the_last_to_leave_ends_it() -> None:
    async def run() -> None:
        shared: Shared[int] = Shared()
        ended = []

        async def work() -> int:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(True)
            return 1

        waiting = [asyncio.get_running_loop().create_task(shared.do("k", work)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.wait([waiting[0]])
        assert not ended
        waiting[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[1]
        assert ended

    asyncio.run(run())
