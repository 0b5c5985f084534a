"""Kinds of values in daemon.json; what they may be is seen in test_config.py."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.daemon.options import OPTIONS
from carrack.daemon.values import KINDS


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("bool", True, 1),
        ("int", 1, True),
        ("list", ["a"], ["a", 1]),
        ("map", {"a": "b"}, {"a": 1}),
        ("bool map", {"a": True}, {"a": "true"}),
        ("ulimits", {"core": {"Name": "core", "Soft": 1, "Hard": 2}}, {"core": {"Soft": True}}),
        ("pools", [{"base": "10.0.0.0/8", "size": 24}], [{"base": "10.0.0.0/8"}]),
        ("bytes", "64m", 64),
    ],
)
def test_kinds(kind: str, good: Any, bad: Any) -> None:
    assert KINDS[kind](good)
    assert not KINDS[kind](bad)


def test_every_option_is_of_a_kind() -> None:
    assert {option.kind for option in OPTIONS} <= set(KINDS)
