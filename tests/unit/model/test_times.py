"""Times as the API writes and reads them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.model import times


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
    ],
)
def test_rfc3339(ns: int, text: str) -> None:
    assert times.rfc3339(ns) == text


@given(st.integers(1, 4_000_000_000 * 10**9))
def test_what_is_written_is_read_again(ns: int) -> None:
    text = times.rfc3339(ns)
    assert times.parse(text) == ns
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z", text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("-5", -5 * 10**9),
        ("12", 12 * 10**9),
        ("1.5", 1_500_000_000),
        ("1.000000001", 1_000_000_001),
        ("1.0000000019", 10**9 + 1),
    ],
)
def test_unix_seconds(text: str, ns: int) -> None:
    assert times.parse(text) == ns


@pytest.mark.parametrize("text", ["", "abc", "1.", "1.x", "-x", "10m", "2020-13-01T00:00:00Z", "1.5.5"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        times.parse(text)


def test_durations_count_back_from_now() -> None:
    before = time.time_ns()
    found = times.before_now("10m")
    assert before - 601 * 10**9 < found <= time.time_ns() - 599 * 10**9
    assert times.before_now("1.5") == 1_500_000_000
    with pytest.raises(InvalidArgument):
        times.before_now("abc")


def test_now_is_the_wall_clock() -> None:
    assert abs(times.now() - time.time_ns()) < 60 * 10**9
