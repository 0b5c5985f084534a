from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.model import units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("512", 512),
        ("512b", 512),
        ("64k", 64 << 10),
        ("64m", 64 << 20),
        ("1.5g", 3 << 29),
        ("1GiB", 1 << 30),
        ("2 MB", 2 << 20),
        ("1t", 1 << 40),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert units.parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "x", "m", "-1", "1z", "1mm", "1bb", "1.2.3", "1e3", "1 k k", "9999999999p", "１"])
def test_malformed_sizes(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"invalid (size|suffix)"):
        units.parse_bytes(text)


def test_processors() -> None:
    assert units.parse_cpus("1.5") == 1_500_000_000
    assert units.parse_cpus(".5") == 500_000_000
    assert units.parse_cpus("2") == 2_000_000_000
    for text in ("", ".", "x", "-1", "1.x"):
        with pytest.raises(InvalidArgument, match="rational"):
            units.parse_cpus(text)
    with pytest.raises(InvalidArgument, match="too precise"):
        units.parse_cpus("0.0000000001")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1h30m", 5400 * 10**9),
        ("250ms", 250 * 10**6),
        ("-1.5s", -1_500_000_000),
        ("1us2ns", 1002),
        ("3µs", 3000),
    ],
)
def test_durations(text: str, value: int) -> None:
    assert units.parse_duration(text) == value


@pytest.mark.parametrize("text", ["", "-", "1", "1x", ".s", "1.2.3s", "h", "1h5", "300000000h"])
def test_malformed_durations(text: str) -> None:
    with pytest.raises(InvalidArgument, match="duration"):
        units.parse_duration(text)


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_durations_come_back(nanoseconds: int) -> None:
    assert units.parse_duration(units.format_duration(nanoseconds)) == nanoseconds


def test_durations_look_as_in_go() -> None:
    shown = [units.format_duration(n * 10**6) for n in (0, 1, 1500, 60_000, 5_400_000, 3_600_000)]
    assert shown == ["0s", "1ms", "1.5s", "1m0s", "1h30m0s", "1h0m0s"]


def test_moments() -> None:
    assert units.parse_moment("1970-01-01T00:00:01Z") == 10**9
    assert units.parse_moment("2024-02-29T12:00:00.5+02:00") == 1709200800_500_000_000
    assert units.parse_moment("2000-01-01 00:00:00-05:30") == 946704600 * 10**9
    local = time.mktime((2024, 3, 1, 0, 0, 0, 0, 0, -1))
    assert units.parse_moment("2024-03-01") == int(local) * 10**9
    assert units.parse_moment("2024-03-01T10:20") == (int(local) + 37200) * 10**9


@pytest.mark.parametrize(
    "text", ["2024", "2024-13-01", "2024-1-1", "2024-01-01T25:00:00Z", "x-y-z", "2024-01-01T1:2:3"]
)
def test_malformed_moments(text: str) -> None:
    with pytest.raises(InvalidArgument):
        units.parse_moment(text)


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_moments_agree_with_the_calendar(seconds: int) -> None:
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    assert units.parse_moment(text) == seconds * 10**9


def test_timestamps() -> None:
    assert units.timestamp("10m", 1000.0) == "400.000000000"
    assert units.timestamp("1136073845", 0) == "1136073845"
    assert units.timestamp("1136073845.5", 0) == "1136073845.500000000"
    assert units.timestamp("1970-01-01T00:00:02Z", 0) == "2.000000000"
    assert units.timestamp("-10s", 1000.0) == "1010.000000000"
    with pytest.raises(InvalidArgument):
        units.timestamp("yesterday", 0)


def test_human_sizes() -> None:
    assert [units.human_size(n, 3) for n in (0, 999, 1000, 2_067_000)] == ["0B", "999B", "1kB", "2.07MB"]
    assert units.human_size(2_067_000) == "2.067MB"
    assert [units.binary_size(n) for n in (1023, 1024, 1_601_000)] == ["1023B", "1KiB", "1.527MiB"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.3, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (61, "About a minute"),
        (600, "10 minutes"),
        (3600, "About an hour"),
        (47 * 3600, "47 hours"),
        (72 * 3600, "3 days"),
        (20 * 86400, "2 weeks"),
        (100 * 86400, "3 months"),
        (3 * 365 * 86400, "3 years"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert units.human_duration(seconds) == text


@given(st.floats(-10, 4e9), st.floats(0, 1, exclude_max=True))
def test_the_words_of_an_age_stay_as_long_as_said(seconds: float, part: float) -> None:
    until = units.human_duration_lasts(seconds)
    assert until > seconds
    assert units.human_duration(min(seconds + (until - seconds) * part, until - 1e-6)) == units.human_duration(seconds)
