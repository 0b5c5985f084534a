"""Rows of the table: what is done, what is counted, how often; and how the figures of several targets are compared.

Every target does its work once per round, with a pause before each, so that drift and noise hit all alike. The pause
also belongs to the work before it: processor time is counted until its end, because an engine may put off work until
after its answer.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.counters import host_cpu
from bench.target import Target

PEERS = ("dockerd", "classic", "podman", "ctr", "ctr-erofs")
"""The keys of targets that are not ours."""

Sample = dict[str, float]
Figures = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Metric:
    """One figure of a row: its name in samples, its unit, and whether more is better."""

    name: str
    unit: str
    more: bool = False

    def ratio(self, peer: float, ours: float) -> float:
        """How many times better ours is."""
        over, under = (ours, peer) if self.more else (peer, ours)
        return over / under if under > 0 else float("inf")


WALL = Metric("wall", "ms")
CPU = Metric("CPU", "ms")


def nothing(_: Target) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Row:
    """One row. ``work`` is timed; it may return figures of its own. ``prepare`` and ``clean`` frame all of a target's
    runs, ``before`` and ``after`` each one; none of these counts. ``goals``: (target's key, metric) → wanted ratio to
    the first peer, ``against``: (target's key, metric, peer's key) → to that one. A ``slow`` row may be run fewer
    times; ``most`` bounds them where one run is a mean over many containers."""

    title: str
    work: Callable[[Target], Sample | None]
    keys: tuple[str, ...] = ("dockerd", "docker")
    goals: dict[tuple[str, str], float] = field(default_factory=dict)
    against: dict[tuple[str, str, str], float] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = (WALL, CPU)
    prepare: Callable[[Target], None] = nothing
    before: Callable[[Target], None] = nothing
    after: Callable[[Target], None] = nothing
    clean: Callable[[Target], None] = nothing
    slow: bool = False
    most: int = 1000


@dataclass(frozen=True)
class Pause:
    """Seconds before each run, and after it until its processor time is read."""

    gap: float
    settle: float | None = None


def measure(row: Row, targets: Iterable[Target], runs: int, pause: Pause) -> Figures:
    """Every target's figures; the first round is not counted, unless only one is wanted."""
    chosen = [target for target in targets if target.key in row.keys]
    figures: Figures = {target.key: {metric.name: [] for metric in row.metrics} for target in chosen}
    ready: list[Target] = []
    try:
        for target in chosen:
            ready.append(target)
            row.prepare(target)
        for number in range(runs + 1 if runs > 1 else 1):
            for target in chosen:
                sample = _once(row, target, pause)
                if number or runs == 1:
                    for metric in row.metrics:
                        figures[target.key][metric.name].append(sample[metric.name])
    finally:
        for target in ready:
            row.clean(target)
    return figures


def _once(row: Row, target: Target, pause: Pause) -> Sample:
    row.before(target)
    os.sync()  # what was written before is not this run's
    time.sleep(pause.gap)
    try:
        cpu, start = host_cpu_now(), time.perf_counter()
        own = row.work(target)
        wall = time.perf_counter() - start
        time.sleep(pause.gap if pause.settle is None else pause.settle)
        sample = {"wall": wall * 1000, "CPU": (host_cpu_now() - cpu) * 1000}
    finally:
        row.after(target)
    return sample | (own or {})


host_cpu_now = host_cpu()


def lines(row: Row, figures: Figures, targets: Iterable[Target]) -> list[str]:
    """The row in Markdown, a line per target: medians, and against each peer how many times better ours is."""
    titles = {target.key: target.title for target in targets}
    peers = [key for key in figures if key in PEERS]
    result = []
    for key, values in figures.items():
        medians = {metric.name: statistics.median(values[metric.name]) for metric in row.metrics}
        shown = "; ".join(f"{metric.name} {_number(medians[metric.name])} {metric.unit}" for metric in row.metrics)
        ratios = [] if key in peers else [_against(row, figures, key, peer, medians) for peer in peers]
        result.append(f"| {row.title} | {titles[key]} | {shown} | {'; '.join(ratios)} |")
    return result


def _against(row: Row, figures: Figures, key: str, peer: str, medians: Sample) -> str:
    words = []
    for metric in row.metrics:
        ratio = metric.ratio(statistics.median(figures[peer][metric.name]), medians[metric.name])
        goal = row.against.get((key, metric.name, peer))
        if goal is None and peer == _judge(figures):
            goal = row.goals.get((key, metric.name))
        wanted = "" if goal is None else f" (≥ {goal:g}{'' if ratio >= goal else ' MISSED'})"
        words.append(f"{metric.name} {ratio:.1f}{wanted}")
    return f"{peer}: {', '.join(words)}"


def _judge(figures: Figures) -> str:
    """The peer that a row's goals are about: dockerd, where it takes part."""
    return next(key for key in PEERS if key in figures)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"
