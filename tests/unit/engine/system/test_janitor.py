"""When garbage is collected by itself."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from carrack.engine.images.policy import Rules
from carrack.engine.system.janitor import GLANCE, PERIOD, Janitor

RULES = Rules(keep_last=3, min_free_percent=10)


class Keeper:
    """Plays the collector: counts runs, and has as much room as the test says."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.short = False
        self.runs = self.notes = self.tidied = 0
        self.failure: Exception | None = None

    async def note_uses(self) -> None:
        self.notes += 1

    async def tidy(self) -> None:
        self.tidied += 1

    def short_of_room(self) -> bool:
        return self.short

    async def run(self, rules: Rules) -> Any:
        self.runs += 1
        if self.failure is not None:
            raise self.failure
        return SimpleNamespace(plan=SimpleNamespace(notes=("min-free: too little",) if self.short else ()))


def glances(keeper: Any, count: int, janitor: Janitor | None = None) -> Janitor:
    """Let so many minutes pass."""
    left = count

    async def sleep(seconds: float) -> None:
        nonlocal left
        assert seconds == GLANCE
        if not left:
            raise asyncio.CancelledError
        left -= 1

    janitor = janitor or Janitor(keeper)
    janitor._sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(janitor.run())
    return janitor


def test_every_hour() -> None:
    keeper = Keeper(RULES)
    janitor = glances(keeper, 1)
    assert keeper.runs == 1
    glances(keeper, int(PERIOD / GLANCE) - 1, janitor)
    assert keeper.runs == 1
    glances(keeper, 1, janitor)
    assert (keeper.runs, keeper.notes) == (2, 61)


def test_without_rules_uses_are_noted_all_the_same() -> None:
    keeper = Keeper(Rules())
    glances(keeper, 100)
    assert (keeper.runs, keeper.notes, keeper.tidied) == (0, 100, 100)


def test_at_once_when_room_runs_out_but_not_in_vain(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper(RULES)
    janitor = glances(keeper, 2)
    keeper.short = True
    glances(keeper, 1, janitor)
    assert keeper.runs == 2
    assert "garbage collection cannot do what its rules want: min-free: too little" in caplog.text
    glances(keeper, 50, janitor)
    assert keeper.runs == 2


def test_a_failure_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper(RULES)
    keeper.failure = OSError(28, "No space left on device")
    glances(keeper, 61)
    assert keeper.runs == 2
    assert "No space left" in caplog.text
