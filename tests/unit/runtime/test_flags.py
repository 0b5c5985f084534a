from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument
from carrack.runtime.flags import LIST, NUMBER, SWITCH, VALUE, exactly, parse

TABLE = {"bundle": VALUE, "force": SWITCH, "env": LIST, "count": NUMBER}
ALIASES = {"b": "bundle", "f": "force", "e": "env"}


def test_all_the_spellings_that_callers_use() -> None:
    for words in (["--bundle", "d"], ["--bundle=d"], ["-b", "d"], ["-b=d"], ["-bundle", "d"]):
        flags = parse([*words, "id"], TABLE, ALIASES)
        assert flags.value("bundle") == "d"
        assert flags.positional == ["id"]


def test_what_follows_the_first_argument_is_left_alone() -> None:
    flags = parse(["-f", "id", "sh", "-c", "--force"], TABLE, ALIASES)
    assert flags.has("force")
    assert flags.positional == ["id", "sh", "-c", "--force"]
    assert parse(["--", "-f"], TABLE, ALIASES).positional == ["-f"]
    assert parse(["-"], TABLE, ALIASES).positional == ["-"]


def test_switches_lists_and_numbers() -> None:
    flags = parse(["--force=false", "-e", "a=1", "-e", "b=2", "--count=-3"], TABLE, ALIASES)
    assert not flags.has("force")
    assert flags.values("env") == ["a=1", "b=2"]
    assert flags.number("count") == -3
    assert flags.number("bundle", 7) == 7


@pytest.mark.parametrize("words", [["--what"], ["--bundle"], ["--count", "x"], ["-z"], ["--count="]])
def test_what_is_wrong_is_named(words: list[str]) -> None:
    with pytest.raises(InvalidArgument, match=words[0].rstrip("=")):
        parse(words, TABLE, ALIASES)


def test_the_number_of_arguments_is_checked_with_the_usage() -> None:
    assert exactly(parse(["x"], TABLE, ALIASES), 1, "usage x") == ["x"]
    with pytest.raises(InvalidArgument, match=r"2 needed. Usage: usage x"):
        exactly(parse(["x"], TABLE, ALIASES), 2, "usage x")
