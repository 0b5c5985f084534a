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
