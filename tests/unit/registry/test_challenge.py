from __future__ import annotations

import time

import pytest

from carrack.registry import challenge
from carrack.registry.challenge import Challenge


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        ("Negotiate", [Challenge("negotiate", {})]),
        ("bEaReR realm=plain , service = s", [Challenge("bearer", {"realm": "plain", "service": "s"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (r'Basic realm="a \"quoted\" name"', [Challenge("basic", {"realm": 'a "quoted" name'})]),
        (
            'Negotiate, Basic realm="r", Bearer realm="t",service="s"',
            [
                Challenge("negotiate"),
                Challenge("basic", {"realm": "r"}),
                Challenge("bearer", {"realm": "t", "service": "s"}),
            ],
        ),
        ('Bearer Realm="first",realm="second"', [Challenge("bearer", {"realm": "first"})]),
        ("", []),
        (",,,", []),
        ('Bearer realm="never ends', [Challenge("bearer", {})]),
    ],
)
def test_challenges_are_read(text: str, expected: list[Challenge]) -> None:
    assert challenge.parse([text]) == expected


def test_several_fields_are_one_list() -> None:
    assert [c.scheme for c in challenge.parse(["Basic realm=a", "Bearer realm=b"])] == ["basic", "bearer"]


@pytest.mark.parametrize("text", ['Bearer a="' + "\\" * 8000, "Bearer " + "a=b," * 1900, "a " * 4000, 'x="' * 2500])
def test_hostile_challenges_take_no_time(text: str) -> None:
    begun = time.process_time()
    challenge.parse([text])
    assert time.process_time() - begun < 5  # much of it can be a collection of all garbage of the run


def test_a_challenge_that_is_too_long_is_left_out() -> None:
    assert challenge.parse(['Basic realm="' + "x" * 9000 + '"']) == []
