"""Values: they are equal by what they say, and cannot be changed."""

import dataclasses

from carrack.engine.build import steps as module
from carrack.engine.build.steps import CopyStep, WorkdirStep, is_root


def test_values_are_frozen() -> None:
    made = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__
    ]
    assert made
    for each in made:
        assert "__delattr__" in vars(each), each  # what frozen=True adds


def test_the_root_is_there() -> None:
    assert [is_root(each) for each in (WorkdirStep("/"), WorkdirStep("/a"), CopyStep(("/",), "/"))] == [
        True,
        False,
        False,
    ]
