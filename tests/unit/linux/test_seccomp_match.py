"""Conditions become comparisons of words; those that are decided already cost no instruction."""

from __future__ import annotations

import pytest
from tests.fakes.bpf import X86_64, run

from carrack.errors import InvalidArgument
from carrack.linux.seccomp_match import conditional, parse_conditions


def test_conditions_on_different_arguments_stay_together() -> None:
    pair = [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}, {"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 3}]
    assert parse_conditions(pair, "x") == [[(0, "EQ", 1, 0), (1, "MASKED_EQ", 3, 0)]]
    assert parse_conditions(None, "x") == parse_conditions([], "x") == []


def test_the_place_of_a_mistake_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"here\.args\[1\]: not an object"):
        parse_conditions([{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}, 7], "here")
    with pytest.raises(InvalidArgument, match=r"here\.args\[0\]\.op: unknown operator 'EQ'"):
        parse_conditions([{"op": "EQ"}], "here")


@pytest.mark.parametrize(("operator", "holds"), [("LT", True), ("NE", True), ("EQ", False), ("GT", False)])
def test_a_word_never_reaches_a_value_of_more_than_32_bits(operator: str, holds: bool) -> None:
    code = conditional(((7, "read", True, ((0, operator, 1 << 40, 0),)),), 9)
    assert len(code) == (2 if holds else 1)
    assert run(code, 0, X86_64, (0xFFFFFFFF,)) == (7 if holds else 9)


def test_upper_words_are_only_looked_at_where_the_call_takes_them() -> None:
    wide = conditional(((7, "mmap", False, ((0, "EQ", 5, 0),)),), 9)
    narrow = conditional(((7, "socket", False, ((0, "EQ", 5, 0),)),), 9)
    assert run(wide, 0, X86_64, ((1 << 32) + 5,)) == 9
    assert run(narrow, 0, X86_64, ((1 << 32) + 5,)) == 7
