"""Values: they are equal by what they say, and cannot be changed."""

import asyncio
import dataclasses
from typing import Any

import pytest

from carrack.engine.build import request as module
from carrack.engine.build.request import Files, Once
from carrack.errors import InvalidArgument


def test_values_are_frozen() -> None:
    made = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__
    ]
    assert made
    for each in made:
        assert "__delattr__" in vars(each), each  # what frozen=True adds


def test_the_time_that_is_given() -> None:
    assert module.epoch({}) is None
    assert module.epoch({"SOURCE_DATE_EPOCH": "12"}) == 12
    for text in ("-1", "x", "1e3", "9" * 12):
        with pytest.raises(InvalidArgument, match="seconds since 1970"):
            module.epoch({"SOURCE_DATE_EPOCH": text})


def test_a_context_that_many_steps_take_from_is_opened_once() -> None:
    opened: list[Any] = []

    async def fetch() -> Any:
        await asyncio.sleep(0)
        opened.append(object())
        return opened[-1]

    async def run() -> list[Files]:
        once = Once("other", fetch)
        return [*await asyncio.gather(once(), once()), await once()]

    found = asyncio.run(run())
    assert [each.name for each in found] == ["other"] * 3
    assert [each.tree for each in found] == opened * 3
    assert len(opened) == 1
