"""The HEALTHCHECK instruction: its options, its two forms, and what is refused; the words are dockerd's answers."""

from __future__ import annotations

import json

import pytest

from carrack.engine.images.healthcheck import parse
from carrack.errors import InvalidArgument


def words(text: str) -> list[str] | None:
    return json.loads(text) if text.startswith("[") else None


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("NONE", {"Test": ["NONE"]}),
        ("--interval=1s none", {"Test": ["NONE"]}),
        ("CMD echo  x", {"Test": ["CMD-SHELL", "echo  x"]}),
        ('--interval=0s CMD ["a", "b"]', {"Test": ["CMD", "a", "b"]}),
        ("--retries=0 CMD a", {"Test": ["CMD-SHELL", "a"]}),
        ("--retries= CMD a", {"Test": ["CMD-SHELL", "a"]}),
        (
            "--interval=3s --timeout=1s --retries=2 --start-period=4s --start-interval=1m CMD x",
            {
                "Test": ["CMD-SHELL", "x"],
                "Interval": 3 * 10**9,
                "Timeout": 10**9,
                "StartPeriod": 4 * 10**9,
                "StartInterval": 60 * 10**9,
                "Retries": 2,
            },
        ),
    ],
)
def test_parsed(rest: str, expected: object) -> None:
    assert parse(rest, words) == expected


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("--interval=x CMD a", 'time: invalid duration "x"'),
        ("--foo=1 CMD a", "unknown flag: --foo"),
        ("--interval=1ns CMD a", 'Interval "interval" cannot be less than 1ms'),
        ("--retries=-1 CMD a", r"--retries cannot be negative \(-1\)"),
        ("--retries=x CMD a", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("FOO a", 'Unknown type "FOO" in HEALTHCHECK'),
        ("CMD", "Missing command after HEALTHCHECK CMD"),
        ("CMD []", "Missing command after HEALTHCHECK CMD"),
        ("NONE a", "HEALTHCHECK NONE takes no arguments"),
        ("--interval=1s", "HEALTHCHECK requires at least one argument"),
        ("--interval 1s CMD a", "missing a value on flag: --interval"),
        ("--interval=1s --interval=2s CMD a", "duplicate flag specified: --interval"),
    ],
)
def test_refused(rest: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse(rest, words)
