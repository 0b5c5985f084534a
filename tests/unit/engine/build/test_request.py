"""Values: they are equal by what they say, and cannot be changed."""

import dataclasses

import pytest

from carrack.engine.build import request as module
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
