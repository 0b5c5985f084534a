"""Commands are values."""

from carrack.dockerfile import commands as c
from carrack.dockerfile.problem import Place


def test_commands_are_equal_by_what_they_say() -> None:
    assert c.User(Place(1, 1), "USER a", "a") == c.User(Place(1, 1), "USER a", "a")
    assert len({c.Workdir(Place(1, 1), "WORKDIR /", "/"), c.Workdir(Place(1, 1), "WORKDIR /", "/")}) == 1
