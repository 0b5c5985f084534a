"""Parser directives."""

import pytest

from carrack.dockerfile import directives
from carrack.dockerfile.directives import Checks
from carrack.dockerfile.problem import DockerfileError, Place


def test_all_of_them() -> None:
    found = directives.parse(
        "# syntax = docker/dockerfile:1\n# other=x\n# ESCAPE=`\n# check=skip=A, B;error=true\nFROM a"
    )
    assert found.syntax == "docker/dockerfile:1"
    assert found.escape == "`"
    assert found.checks == Checks(frozenset({"A", "B"}), True)
    assert found.places["escape"] == Place(3, 3)


@pytest.mark.parametrize("before", ["# a comment\n", "\n", "FROM x\n"])
def test_another_line_ends_them(before: str) -> None:
    assert directives.parse(f"{before}# escape=`").escape == "\\"


def test_below_a_line_for_the_kernel() -> None:
    assert directives.parse("#!/bin/x\n# escape=`\n").escape == "`"


def test_syntax_in_other_texts() -> None:
    assert directives.parse("// syntax=x/y\n{}").syntax == "x/y"
    assert directives.parse('{"syntax": "x/y", "z": 1}').syntax == "x/y"
    assert directives.parse('{"syntax": 1}').syntax == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# escape=x", "invalid ESCAPE"),
        ("# escape=`\n# escape=`", "only one escape"),
        ("# check=what", "invalid check option"),
        ("# check=error=maybe", "invalid check option"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(DockerfileError, match=said):
        directives.parse(text)
