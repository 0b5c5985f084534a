"""Patterns of substitutions."""

import pytest

from carrack.dockerfile import patterns


@pytest.mark.parametrize(
    ("value", "pattern", "longest", "expected"),
    [
        ("a.b.c", "*.", False, "b.c"),
        ("a.b.c", "*.", True, "c"),
        ("a.b.c", "x", True, "a.b.c"),
        ("a*b", "a\\*", False, "b"),
        ("abc", "?", False, "bc"),
        ("a\nb", "*\n", False, "b"),
        ("a[b", "a[", False, "b"),
    ],
)
def test_prefix(value: str, pattern: str, longest: bool, expected: str) -> None:
    assert patterns.without_prefix(value, pattern, longest=longest) == expected


@pytest.mark.parametrize(
    ("value", "pattern", "longest", "expected"),
    [
        ("a.b.c", ".*", False, "a.b"),
        ("a.b.c", ".*", True, "a"),
        ("abc", "c\\", False, "abc"),
        ("a.b", "?b", False, "a"),
    ],
)
def test_suffix(value: str, pattern: str, longest: bool, expected: str) -> None:
    assert patterns.without_suffix(value, pattern, longest=longest) == expected


def test_replace() -> None:
    assert patterns.replace("aXbXc", "X", "-", all_of_them=False) == "a-bXc"
    assert patterns.replace("aXbXc", "X", "\\1", all_of_them=True) == "a\\1b\\1c"
    assert patterns.replace("abc", "", "-", all_of_them=True) == "abc"


def test_literal() -> None:
    assert patterns.without_prefix("a*b", patterns.literal("a*"), longest=True) == "b"


def test_many_stars() -> None:
    value = "a" * 5000
    assert patterns.without_prefix(value, "*a" * 40 + "*b", longest=True) == value
    assert patterns.without_suffix(value, "b" + "*a*" * 40, longest=False) == value
    assert patterns.without_prefix("xaxbxaxbx", "*a*b", longest=False) == "xaxbx"
    assert patterns.without_prefix("xaxbxaxbx", "*a*b", longest=True) == "x"
    assert patterns.without_prefix("abc", "*", longest=True) == ""
    assert patterns.without_prefix("abc", "*", longest=False) == "abc"
    assert patterns.replace("xaxbxaxb", "a*b", "-", all_of_them=False) == "x-"
