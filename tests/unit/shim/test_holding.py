import asyncio
import os
from collections.abc import Sequence
from typing import Any

import pytest

from carrack.errors import Unavailable
from carrack.shim.holding import Holding


class FakeConnection:
    def __init__(self, count: int) -> None:
        self.kept: list[int] = []
        self.asked: list[tuple[str, Any]] = []
        self._count = count

    async def request(self, operation: str, fds: Sequence[int] = (), **message: Any) -> int:
        self.kept += fds
        self.asked.append((operation, message))
        return len(fds)

    async def exchange(self, operation: str) -> tuple[int, list[int]]:
        return self._count, [os.dup(fd) for fd in self.kept]


def run(connection: FakeConnection | None, *, ended: bool = False) -> list[int]:
    async def body() -> list[int]:
        holding = Holding()
        holding.container_id = "c1"
        holding.exited = asyncio.get_running_loop().create_future()
        if ended:
            holding.exited.set_result(None)
        kept: Any = connection
        holding._connection = kept
        await holding.hold([])
        await holding.hold([0, 1])
        await holding.release([])
        await holding.release([("tcp", ("0.0.0.0", "::"), 80)])
        return await holding.held()

    return asyncio.run(body())


def test_what_is_held_is_given_again() -> None:
    connection = FakeConnection(2)
    fds = run(connection)
    assert len(fds) == 2
    assert [operation for operation, _ in connection.asked] == ["hold", "release"]
    assert connection.asked[1][1] == {"places": [["tcp", ["0.0.0.0", "::"], 80]]}
    for fd in fds:
        os.close(fd)


def test_what_came_without_its_descriptors_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="try again"):
        run(FakeConnection(3))


def test_who_has_ended_holds_nothing() -> None:
    for connection, ended in ((None, False), (FakeConnection(2), True)):
        with pytest.raises(Unavailable, match="c1 has ended"):
            run(connection, ended=ended)
