"""In which order containers start with the daemon, and how many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.fakes.containers import container, run

from carrack.engine.containers import boot
from carrack.engine.containers.record import Container
from carrack.errors import NotFound


def world(*hosts: dict[str, Any]) -> tuple[list[Container], Callable[[str], Container]]:
    containers = [container(n) for n, _ in enumerate(hosts, 1)]
    for c, host in zip(containers, hosts, strict=True):
        c.host_config = {**c.host_config, **host}

    def find(word: str) -> Container:
        for c in containers:
            if word in (c.id, c.name):
                return c
        raise NotFound(word)

    return containers, find


def test_each_comes_after_those_it_needs() -> None:
    ids = [f"{n:02x}" * 32 for n in range(10)]
    containers, find = world(
        {"NetworkMode": f"container:{ids[5]}", "PidMode": f"container:{ids[2]}"},
        {"IpcMode": f"container:{ids[4]}"},
        {"VolumesFrom": ["name1:ro", "nobody"]},
        {"Links": ["/name5:/name4/db", "gone:x"]},
        {},
    )
    plan = boot.ordered(containers, find)
    assert [c.name for c, _ in plan] == ["name5", "name4", "name2", "name1", "name3"]
    assert {c.name: first for c, first in plan} == {
        "name5": [],
        "name4": [ids[5]],
        "name2": [ids[4]],
        "name1": [ids[5], ids[2]],
        "name3": [ids[1]],
    }


def test_a_circle_holds_nobody_up() -> None:
    containers, find = world({"Links": ["name2:b"]}, {"Links": ["name1:a"]}, {"Links": ["name3:self"]})
    started: list[str] = []

    async def start(c: Container) -> None:
        started.append(c.name)

    run(lambda: boot.start_all(containers, find, start))
    assert sorted(started) == ["name1", "name2", "name3"]


def test_only_so_many_at_a_time_and_a_failure_concerns_no_other() -> None:
    containers, find = world(*[{} for _ in range(7)], {"NetworkMode": "container:" + "01" * 32})
    now: set[str] = set()
    most: list[int] = []
    ended: list[str] = []

    async def start(c: Container) -> None:
        now.add(c.name)
        most.append(len(now))
        await asyncio.sleep(0)
        now.remove(c.name)
        ended.append(c.name)

    run(lambda: boot.start_all(containers, find, start, parallel=3))
    assert max(most) == 3
    assert len(ended) == 8
    assert ended.index("name1") < ended.index("name8")
