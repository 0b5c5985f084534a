"""Values: they are equal by what they say, and cannot be changed."""

import dataclasses

from carrack.engine.build import running as module


def test_values_are_frozen() -> None:
    made = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__
    ]
    assert made
    for each in made:
        assert "__delattr__" in vars(each), each  # what frozen=True adds
