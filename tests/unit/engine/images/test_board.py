"""What clients are told: stages in order, counts no faster than they are taken, nothing lost at the end."""

import asyncio
from typing import Any

import pytest

from carrack.engine.images.board import Board


def run(work: Any, emit: Any) -> None:
    async def inside() -> None:
        async with Board().handed_out(emit) as board:
            await work(board)

    asyncio.run(inside())


def test_all_is_told_in_order_before_the_end() -> None:
    told: list[Any] = []

    async def emit(message: Any) -> None:
        told.append(dict(message))

    async def work(board: Board) -> None:
        board.line("Pulling from a", "latest")
        board.stage("Pulling fs layer", "x")
        board.count("Downloading", "x", 5, 10)
        await asyncio.sleep(0)
        board.stage("Pull complete", "x")
        board.line("Digest: d")

    run(work, emit)
    assert [(m.get("id"), m["status"]) for m in told] == [
        ("latest", "Pulling from a"),
        ("x", "Pulling fs layer"),
        ("x", "Downloading"),
        ("x", "Pull complete"),
        (None, "Digest: d"),
    ]
    assert told[1]["progressDetail"] == {}
    assert told[2]["progressDetail"] == {"current": 5, "total": 10}


def test_a_slow_client_sees_only_the_last_count() -> None:
    told: list[Any] = []
    gate = asyncio.Event()

    async def emit(message: Any) -> None:
        if message["status"] == "begun":
            await gate.wait()
        told.append(dict(message))

    async def work(board: Board) -> None:
        board.line("begun")
        await asyncio.sleep(0)
        for current in range(1, 11):
            board._said.clear()  # as if time passed
            board.count("Downloading", "x", current, 10)
            board.count("Downloading", "y", current, 20)
        gate.set()

    run(work, emit)
    counts = [(m["id"], m["progressDetail"]["current"]) for m in told[1:]]
    assert counts == [("x", 10), ("y", 10)]


def test_counts_are_told_at_times() -> None:
    told: list[Any] = []

    async def emit(message: Any) -> None:
        told.append(message["progressDetail"]["current"])

    async def work(board: Board) -> None:
        for current in range(1, 1001):
            board.count("Downloading", "x", current, 1000)
            await asyncio.sleep(0)

    run(work, emit)
    assert told[0] == 1
    assert told[-1] == 1000
    assert len(told) < 30


def test_a_client_that_goes_away_ends_the_work() -> None:
    async def emit(message: Any) -> None:
        raise ConnectionResetError("gone")

    async def work(board: Board) -> None:
        board.line("x")
        await asyncio.sleep(30)

    with pytest.raises(ConnectionResetError, match="gone"):
        run(work, emit)


def test_the_works_failure_comes_after_its_messages() -> None:
    told: list[str] = []

    async def emit(message: Any) -> None:
        told.append(message["status"])

    async def work(board: Board) -> None:
        board.line("a")
        raise ValueError("b")

    with pytest.raises(ValueError, match="b"):
        run(work, emit)
    assert told == ["a"]
