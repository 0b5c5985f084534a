"""Health monitors over stand-ins: when they begin and end, what they publish, and what they kill."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeShim
from tests.fakes.engine import World, inside

from carrack.errors import Unavailable
from carrack.http.stdcopy import frame
from carrack.model.container import Document
from carrack.shim.client import Exit, StartFailed

MS = 10**6
CHECK = {"Test": ["CMD", "probe"], "Interval": MS, "Retries": 1}


class Answers:
    """What the probes of a shim do: (exit code or None for never, what they write)."""

    def __init__(self, shim: FakeShim, *answers: tuple[int | None, bytes]) -> None:
        self._shim, self._answers, self.killed = shim, list(answers), 0
        self._open: dict[str, int] = {}
        object.__setattr__(shim, "exec", self._exec)
        object.__setattr__(shim, "signal", self._signal)
        self.requests: list[Any] = []

    async def _exec(self, exec_id: str, request: Any, fds: Sequence[int]) -> int:
        code, written = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.requests.append(request)
        future = self._shim.execs[exec_id] = asyncio.get_running_loop().create_future()
        stream = os.dup(fds[0])
        os.write(stream, written)
        if code is None:
            self._open[exec_id] = stream
        else:
            os.close(stream)
            future.set_result(Exit(code, 2000.0, False, False))
        return 99

    async def _signal(self, signal: int, exec_id: str | None = None) -> None:
        assert exec_id is not None
        self.killed += 1
        os.close(self._open.pop(exec_id))
        self._shim.execs[exec_id].set_result(Exit(137, 2000.0, False, False))


async def started(world: World, check: Document, *answers: tuple[int | None, bytes]) -> tuple[Any, Answers]:
    c, shim = await world.started(body={"Healthcheck": check})
    return c, Answers(shim, *answers)


async def status(c: Any, wanted: str) -> None:
    async with asyncio.timeout(10):
        while c.state.health["Status"] != wanted:  # noqa: ASYNC110 - of something that tells nobody
            await asyncio.sleep(0.001)


def test_a_container_becomes_healthy_unhealthy_and_healthy_again(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, answers = await started(world, CHECK, (0, frame(1, b"fine\n")), (1, frame(2, b"bad\n")), (0, b""))
        assert c.state.health["Status"] == "starting"
        await status(c, "healthy")
        await status(c, "unhealthy")
        await status(c, "healthy")
        assert [(e["ExitCode"], e["Output"]) for e in c.state.health["Log"][:2]] == [(0, "fine\n"), (1, "bad\n")]
        health = [action for action in world.events.actions if action.startswith("health_status")]
        assert health[:3] == ["health_status: healthy", "health_status: unhealthy", "health_status: healthy"]
        assert answers.requests[0]["plan"]["process"]["args"] == ["probe"]

    inside(tmp_path, test)


def test_a_check_that_takes_too_long_is_killed_and_counts_as_failed(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, answers = await started(world, {**CHECK, "Timeout": 20 * MS}, (None, frame(1, b"half")))
        await status(c, "unhealthy")
        assert answers.killed >= 1
        entry = c.state.health["Log"][0]
        assert (entry["ExitCode"], entry["Output"]) == (-1, "Health check exceeded timeout (20ms): half")

    inside(tmp_path, test)


@pytest.mark.parametrize(
    "failure", [StartFailed("exec", "no such program", 127), Unavailable("the shim is gone"), OSError(5, "x")]
)
def test_a_check_that_cannot_start_counts_as_failed(tmp_path: Path, failure: Exception) -> None:
    async def test(world: World) -> None:
        c: Any
        c, shim = await world.started(body={"Healthcheck": CHECK})
        shim.refusal = failure
        await status(c, "unhealthy")
        assert c.state.health["Log"][0]["ExitCode"] == -1
        assert c.state.health["Log"][0]["Output"]

    inside(tmp_path, test)


def test_what_a_check_writes_is_cut(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, _ = await started(world, CHECK, (0, frame(1, b"x" * 5000) + frame(2, b"more")))
        await status(c, "healthy")
        assert c.state.health["Log"][0]["Output"] == "x" * 4096 + "..."

    inside(tmp_path, test)


def test_checks_rest_while_the_container_is_paused_and_end_with_it(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, answers = await started(world, CHECK, (0, b""))
        await status(c, "healthy")
        await world.lifecycle.pause(c)
        assert c.state.health["Status"] == "unhealthy"  # as Docker shows it
        seen = len(answers.requests)
        await asyncio.sleep(0.02)
        assert len(answers.requests) == seen
        await world.lifecycle.unpause(c)
        await status(c, "healthy")
        world.shim(c).end(0)
        await c.ended()
        seen = len(answers.requests)
        await asyncio.sleep(0.02)
        assert len(answers.requests) == seen
        assert c.state.health["Status"] == "unhealthy"

    inside(tmp_path, test)


def test_a_check_under_way_is_killed_when_its_container_is_paused(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, answers = await started(world, CHECK, (None, b""))
        async with asyncio.timeout(10):
            while not answers.requests:  # noqa: ASYNC110 - of something that tells nobody
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        await world.lifecycle.pause(c)
        await asyncio.sleep(0.01)
        assert answers.killed == 1

    inside(tmp_path, test)


def test_containers_without_a_check_show_no_health(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started()
        assert c.state.health is None
        off, _ = await world.started("off", {"Healthcheck": {"Test": ["NONE"]}})
        assert off.state.health is None

    inside(tmp_path, test)
