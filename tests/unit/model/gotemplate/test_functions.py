from __future__ import annotations

import pytest

from carrack.model.gotemplate.functions import FUNCTIONS, Absent, shown, truth


@pytest.mark.parametrize(
    ("value", "text"), [(None, "<nil>"), (True, "true"), (["a", 1], "[a 1]"), ({"b": 1}, "map[b:1]"), (2.0, "2")]
)
def test_values_look_as_in_go(value: object, text: str) -> None:
    assert shown(value) == text


def test_what_is_empty_is_false() -> None:
    assert not truth(Absent())
    assert shown(Absent()) == "<no value>"


def test_quoting() -> None:
    assert FUNCTIONS["printf"]("%q", 'a"b') == '"a\\"b"'
