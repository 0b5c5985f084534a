"""What a health check asks for and what its results mean."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.engine import health
from carrack.engine.health import Probe, Result
from carrack.errors import InvalidArgument
from carrack.model import times

SECOND = 10**9
ZERO = {"Interval": 0, "Timeout": 0, "Retries": 0, "StartPeriod": 0, "StartInterval": 0}


def probe(test: list[str] | None, shell: list[str] | None = None, **more: int) -> Probe | None:
    return health.probe({"Healthcheck": {"Test": test, **more}, "Shell": shell})


def asked(**more: int) -> Probe:
    found = probe(["CMD", "x"], None, **more)
    assert found is not None
    return found


def result(code: int, start: int = 100 * SECOND) -> Result:
    return Result(start, start + SECOND, code, "said")


def fresh() -> dict[str, Any]:
    return health.starting(None)


def test_what_is_run() -> None:
    assert asked() == Probe(("x",), 30 * SECOND, 30 * SECOND, 0, 5 * SECOND, 3)
    shell = probe(["CMD-SHELL", "a b"])
    assert shell is not None
    assert shell.command == ("/bin/sh", "-c", "a b")
    other = probe(["CMD-SHELL", "a b"], ["/bin/bash", "-e", "-c"])
    assert other is not None
    assert other.command == ("/bin/bash", "-e", "-c", "a b")


@pytest.mark.parametrize("test", [None, [], ["NONE"], ["NONE", "x"], ["CMD"], ["BAD", "x"]])
def test_no_check(test: list[str] | None) -> None:
    assert probe(test) is None
    assert health.probe({"Healthcheck": None, "Shell": None}) is None


def test_an_image_cannot_ask_for_checks_without_a_pause() -> None:
    wild = asked(Interval=1, Timeout=-5, StartPeriod=-1, StartInterval=1, Retries=-3)
    assert (wild.interval, wild.timeout, wild.start_period, wild.start_interval, wild.retries) == (
        10**6, 10**6, 0, 10**6, 1,
    )  # fmt: skip


@pytest.mark.census("healthcheck StartInterval")
def test_checks_come_faster_while_the_container_starts() -> None:
    one = asked(StartPeriod=10 * SECOND, StartInterval=SECOND)
    assert one.pause(fresh(), 5 * SECOND) == SECOND
    assert one.pause(fresh(), 10 * SECOND) == 30 * SECOND
    assert one.pause({**fresh(), "Status": "healthy"}, 5 * SECOND) == 30 * SECOND


def test_failures_count_until_it_is_unhealthy_and_one_success_heals() -> None:
    one = asked(Retries=2)
    first = health.observed(fresh(), one, result(1), 0)
    assert (first["Status"], first["FailingStreak"]) == ("starting", 1)
    second = health.observed(first, one, result(-1), 0)
    assert (second["Status"], second["FailingStreak"]) == ("unhealthy", 2)
    healed = health.observed(second, one, result(0), 0)
    assert (healed["Status"], healed["FailingStreak"], len(healed["Log"])) == ("healthy", 0, 3)
    once = health.observed(healed, one, result(1), 0)
    assert (once["Status"], once["FailingStreak"]) == ("healthy", 1)


@pytest.mark.census("healthcheck StartPeriod")
def test_failures_in_the_start_period_do_not_count_before_the_first_success() -> None:
    one = asked(Retries=1, StartPeriod=10 * SECOND)
    early = health.observed(fresh(), one, result(1, 105 * SECOND), 5 * SECOND)
    assert (early["Status"], early["FailingStreak"]) == ("starting", 0)
    late = health.observed(early, one, result(1, 110 * SECOND), 10 * SECOND)
    assert (late["Status"], late["FailingStreak"]) == ("unhealthy", 1)
    healthy = health.observed(fresh(), one, result(0, 105 * SECOND), 5 * SECOND)
    assert health.observed(healthy, one, result(1, 106 * SECOND), 6 * SECOND)["FailingStreak"] == 1


@pytest.mark.census("healthcheck log of last 5 results (4096 bytes each)")
def test_the_last_results_are_kept_also_over_a_restart() -> None:
    now, one = fresh(), asked()
    for code in range(7):
        now = health.observed(now, one, result(code), 0)
    assert [entry["ExitCode"] for entry in now["Log"]] == [2, 3, 4, 5, 6]
    assert now["Log"][0] == {
        "Start": times.rfc3339(100 * SECOND), "End": times.rfc3339(101 * SECOND), "ExitCode": 2, "Output": "said",
    }  # fmt: skip
    again = health.starting(now)
    assert (again["Status"], again["FailingStreak"], again["Log"]) == ("starting", 0, now["Log"])
    assert health.unwatched(again)["Status"] == "unhealthy"


def test_a_check_that_took_too_long_says_so() -> None:
    assert health.timed_out(asked(Timeout=90 * SECOND), "") == "Health check exceeded timeout (1m30s)"
    assert health.timed_out(asked(Timeout=SECOND), "half") == "Health check exceeded timeout (1s): half"


def test_impossible_times_are_refused() -> None:
    health.check(None)
    health.check({**ZERO, "Interval": 10**6})
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        with pytest.raises(InvalidArgument, match=f"{name} in Healthcheck cannot be less than 1ms"):
            health.check({**ZERO, name: 10**6 - 1})
    with pytest.raises(InvalidArgument, match="Retries in Healthcheck cannot be negative"):
        health.check({**ZERO, "Retries": -1})


def test_the_images_check_fills_what_the_client_left_out() -> None:
    image = {"Test": ["CMD", "x"], "Interval": 5}
    assert health.merged(None, image) == image
    assert health.merged({**ZERO, "Test": None, "Retries": 2}, image) == {**image, "Retries": 2}
    assert health.merged(None, None) is None
    assert health.merged({"Test": ["NONE"]}, image) == {"Test": ["NONE"], "Interval": 5}
