from __future__ import annotations

import pytest

from carrack.registry import limits
from carrack.registry.head import Headers
from carrack.registry.limits import RateLimits


def test_docker_hubs_fields() -> None:
    fields = [
        ("RateLimit-Limit", "100;w=21600"),
        ("RateLimit-Remaining", "76;w=21600"),
        ("Docker-RateLimit-Source", "192.0.2.1"),
    ]
    assert limits.parse(Headers(fields)) == RateLimits(100, 76, 21600, "192.0.2.1")


@pytest.mark.parametrize(("limit", "left"), [("", ""), ("100", ""), ("many", "1"), ("9" * 30, "1"), ("-1", "1")])
def test_nothing_known_is_nothing(limit: str, left: str) -> None:
    assert limits.parse(Headers([("ratelimit-limit", limit), ("ratelimit-remaining", left)])) is None


def test_without_a_window() -> None:
    assert limits.parse(Headers([("ratelimit-limit", "5"), ("ratelimit-remaining", "0")])) == RateLimits(5, 0, 0)


@pytest.mark.parametrize(
    ("text", "least", "most"), [("5", 5, 5), (" 0 ", 0, 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)]
)
def test_when_to_try_again(text: str, least: float, most: float) -> None:
    after = limits.retry_after(Headers([("Retry-After", text)]))
    assert after is not None
    assert least <= after <= most


@pytest.mark.parametrize("text", ["", "soon", "-1", "9" * 40, "Wed, 99 Oct 2015"])
def test_what_does_not_say_when(text: str) -> None:
    assert limits.retry_after(Headers([("Retry-After", text)] if text else [])) is None
