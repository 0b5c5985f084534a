"""A thousand containers of which half run: listing them, their figures, and what the running ones take of memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench import fleet
from bench.measure import Sample
from bench.target import Failed, Target


class Shared:
    """Work that frames a row once per daemon, however many command lines are measured on it."""

    def __init__(self, prepare: Callable[[Target], None], clean: Callable[[Target], None]) -> None:
        self._prepare = prepare
        self._clean = clean
        self._users: dict[str, int] = {}

    def prepare(self, target: Target) -> None:
        """For the first of a daemon's targets."""
        self._users[target.host] = self._users.get(target.host, 0) + 1
        if self._users[target.host] == 1:
            self._prepare(target)

    def clean(self, target: Target) -> None:
        """For the last of them."""
        self._users[target.host] -= 1
        if not self._users[target.host]:
            self._clean(target)


class Crowd:
    """``count`` containers of which ``running`` run, made once per daemon."""

    def __init__(self, count: int, running: int) -> None:
        self._count = count
        self._running = running
        self._each: dict[str, float] = {}

    def prepare(self, target: Target) -> None:
        """Make them all, and see what the running ones add to the engine's memory."""
        time.sleep(fleet.SETTLE)
        before = fleet.engine_memory(target)
        fleet.create(self._count)(target)
        with target.connect() as api:
            for number in range(self._running):
                api.request("POST", f"/containers/{target.name(number)}/start")
        time.sleep(fleet.SETTLE)
        self._each[target.host] = (fleet.engine_memory(target) - before) / max(1, self._running) / 1024

    def listed(self, target: Target) -> Sample:
        """`ps -a` by the command line in ms, the same list by the API, and MiB of engine per running container."""
        began = time.perf_counter()
        shown = target.run("ps", "-a").splitlines()
        told = time.perf_counter()
        if len(shown) <= self._count:
            raise Failed(f"{target.title}: shows {len(shown) - 1} of {self._count} containers")
        with target.connect() as api:
            asked = time.perf_counter()
            api.send("GET", "/containers/json?all=1")
            api.receive()
            answered = time.perf_counter()
        return {"wall": (told - began) * 1000, "api": (answered - asked) * 1000, "PSS": self._each[target.host]}

    def clean(self, target: Target) -> None:
        """Remove them, some at a time."""
        for start in range(0, self._count, 100):
            target.remove(*(target.name(number) for number in range(start, min(start + 100, self._count))))


def figures(count: int) -> Callable[[Target], None]:
    """`stats --no-stream` of ``count`` running containers."""

    def work(target: Target) -> None:
        names = [target.name(number) for number in range(count)]
        shown = target.run("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *names).splitlines()
        if len(shown) != count or any("0B /" in line for line in shown):
            raise Failed(f"{target.title}: figures of {len(shown)} of {count} containers: {shown[:3]}")

    return work
