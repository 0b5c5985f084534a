from __future__ import annotations

import pytest

from carrack.cli.render.functions import FUNCTIONS, HEADING_FUNCTIONS, Row
from carrack.model.gotemplate.functions import shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "<nil>"),
        (True, "true"),
        ([1, [None, "a"]], "[1 [<nil> a]]"),
        ({"b": 1, "a": {"c": False}}, "map[a:map[c:false] b:1]"),
        (2.0, "2"),
        (2.5, "2.5"),
    ],
)
def test_values_look_as_in_go(value: object, text: str) -> None:
    assert shown(value) == text


def test_rows_are_sorted_and_escaped() -> None:
    row = Row({"b": "<&>", "a": None, "Label": lambda key: key})
    assert FUNCTIONS["json"](row) == '{"a":null,"b":"\\u003c\\u0026\\u003e"}'
    assert FUNCTIONS["json"]({"b": "<", "a": 1}) == '{"b":"<","a":1}'


def test_headings_stay() -> None:
    for name in ("json", "upper", "lower", "title"):
        assert HEADING_FUNCTIONS[name]("NAMES") == "NAMES"
    assert HEADING_FUNCTIONS["truncate"]("NAMES", 2) == "NAMES"


def test_pipes_swap_no_words() -> None:
    assert FUNCTIONS["truncate"](3, "abcdef") == "abc"
    assert FUNCTIONS["join"](",", ["a", "b"]) == "a,b"
    assert FUNCTIONS["printf"]("%s %s", "a") == "a %!s(MISSING)"
    assert FUNCTIONS["printf"]("%d", "a") == "%!d(a)"
    assert FUNCTIONS["printf"]("%x", "é") == "c3a9"
    assert FUNCTIONS["eq"](1, True) is False
