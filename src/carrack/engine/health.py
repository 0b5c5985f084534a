"""Health checks: what a check asks for, and what its results make of a container's health. Pure.

The words and numbers are the Engine API's (HealthConfig, Health, HealthcheckResult); the rules are Docker's, because
images are written for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.model.container import Document
from carrack.model.units import NANOSECONDS, format_duration

STARTING, HEALTHY, UNHEALTHY, NONE = "starting", "healthy", "unhealthy", "none"
RESULTS_KEPT = 5
OUTPUT_KEPT = 4096
"""Bytes of one check's output that are shown."""

_INTERVAL, _TIMEOUT, _START_INTERVAL, _RETRIES = 30 * NANOSECONDS, 30 * NANOSECONDS, 5 * NANOSECONDS, 3
_SHORTEST = NANOSECONDS // 1000
_SHELL = ["/bin/sh", "-c"]


@dataclass(frozen=True, slots=True)
class Probe:
    """A check that is to be run: times in nanoseconds."""

    command: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int

    def pause(self, health: Document, running_for: int) -> int:
        """How long to wait for the next check of a container that has run for so long."""
        young = health["Status"] == STARTING and running_for < self.start_period
        return min(self.start_interval, self.interval) if young else self.interval


@dataclass(frozen=True, slots=True)
class Result:
    """One check: nanoseconds since 1970, its exit code (-1: it did not come to an end) and what it wrote."""

    start: int
    end: int
    code: int
    output: str


def check(given: Document | None) -> None:
    """Raise InvalidArgument for a client's health check with impossible times."""
    if given is None:
        return
    for name in ("Interval", "Timeout", "Retries", "StartPeriod", "StartInterval"):
        if name == "Retries":
            if given[name] < 0:
                raise InvalidArgument("Retries in Healthcheck cannot be negative")
        elif given[name] and given[name] < _SHORTEST:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")


def merged(own: Document | None, image: Document | None) -> Document | None:
    """A client's check completed, field by field, with the image's."""
    if not image:
        return own
    return {**image, **{name: value for name, value in (own or {}).items() if value}}


def probe(config: Document) -> Probe | None:
    """What to run for a container's config; None without a check, or with one of a kind that there is not."""
    asked = config["Healthcheck"] or {}
    kind, *words = asked.get("Test") or [NONE.upper()]
    if kind == "CMD-SHELL":
        words = [*(config["Shell"] or _SHELL), *words[:1]]
    elif kind != "CMD":
        return None
    if not words:
        return None

    def span(name: str, default: int) -> int:
        # An image may say anything, and nothing is to be asked without a pause.
        return max(asked.get(name) or default, _SHORTEST)

    return Probe(
        tuple(words),
        span("Interval", _INTERVAL),
        span("Timeout", _TIMEOUT),
        max(asked.get("StartPeriod") or 0, 0),
        span("StartInterval", _START_INTERVAL),
        max(asked.get("Retries") or _RETRIES, 1),
    )


def starting(before: Document | None) -> Document:
    """The health of a container that was started just now; the results of its run before stay to be read."""
    return {"Status": STARTING, "FailingStreak": 0, "Log": list((before or {}).get("Log") or [])}


def unwatched(health: Document) -> Document:
    """The health of a container that is no longer checked: as Docker has it, unhealthy."""
    return {**health, "Status": UNHEALTHY}


def observed(health: Document, asked: Probe, result: Result, running_for: int) -> Document:
    """The health after one more result, of a check that began when the container had run for so many nanoseconds."""
    log = [*health["Log"], _entry(result)][-RESULTS_KEPT:]
    if result.code == 0:
        return {"Status": HEALTHY, "FailingStreak": 0, "Log": log}
    status, streak = health["Status"], health["FailingStreak"]
    if status != STARTING or running_for >= asked.start_period:
        streak += 1
        status = UNHEALTHY if streak >= asked.retries else status
    return {"Status": status, "FailingStreak": streak, "Log": log}


def timed_out(asked: Probe, output: str) -> str:
    """What is shown as the output of a check that did not end in its time."""
    text = f"Health check exceeded timeout ({format_duration(asked.timeout)})"
    return f"{text}: {output}" if output else text


def _entry(result: Result) -> Document:
    return {
        "Start": times.rfc3339(result.start),
        "End": times.rfc3339(result.end),
        "ExitCode": result.code,
        "Output": result.output,
    }
