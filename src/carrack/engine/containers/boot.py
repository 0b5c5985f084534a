"""Starting containers with the daemon: those that others need come first, and only so many at a time.

A container needs those whose network, processes, IPC or volumes it takes part in, and those it is linked to. What it
needs but is not to be started holds nobody up: the start itself tells what is missing, and concerns no other.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable

from carrack.engine.containers.record import Container
from carrack.errors import CarrackError

log = logging.getLogger(__name__)

PARALLEL = max(4, 2 * (os.cpu_count() or 1))
"""Starts at a time: more would only wait for each other's processors."""


def needs(c: Container, find: Callable[[str], Container]) -> list[str]:
    """The ids of the containers that are to run before ``c``; names that find nobody are left out."""
    host = c.host_config
    modes = [host[field] for field in ("NetworkMode", "PidMode", "IpcMode")]
    words = [mode.removeprefix("container:") for mode in modes if mode.startswith("container:")]
    words += [word.partition(":")[0] for word in (host["VolumesFrom"] or [])]
    words += [word.partition(":")[0] for word in (host["Links"] or [])]
    found = []
    for word in words:
        try:
            found.append(find(word.removeprefix("/")).id)
        except CarrackError:
            continue
    return [identity for identity in dict.fromkeys(found) if identity != c.id]


def ordered(containers: Iterable[Container], find: Callable[[str], Container]) -> list[tuple[Container, list[str]]]:
    """The containers, oldest first but each after those it needs, with the ids of those it has to wait for.

    Of a circle (by links that were renamed) nobody waits for the one that comes first.
    """
    waiting = {c.id: c for c in sorted(containers, key=lambda c: c.created)}
    placed: dict[str, list[str]] = {}
    order: list[Container] = []

    def place(c: Container) -> None:
        if c.id in placed:
            return
        wanted = [other for other in needs(c, find) if other in waiting]
        placed[c.id] = wanted
        for other in wanted:
            place(waiting[other])
        order.append(c)

    for c in waiting.values():
        place(c)
    position = {c.id: index for index, c in enumerate(order)}
    return [(c, [other for other in placed[c.id] if position[other] < position[c.id]]) for c in order]


async def start_all(
    containers: Iterable[Container],
    find: Callable[[str], Container],
    start: Callable[[Container], Awaitable[None]],
    parallel: int = PARALLEL,
) -> None:
    """Start all of them by ``start``, which tells of its failures itself; returns when each has been tried."""
    gate = asyncio.Semaphore(parallel)
    tried: dict[str, asyncio.Event] = {}

    async def run(c: Container, first: list[str]) -> None:
        try:
            for other in first:
                await tried[other].wait()
            async with gate:
                await start(c)
        except Exception:  # a defect in the start of one keeps no other from starting
            log.exception("container %s could not be started", c.name)
        finally:
            tried[c.id].set()

    plan = ordered(containers, find)
    tried.update({c.id: asyncio.Event() for c, _ in plan})
    async with asyncio.TaskGroup() as group:
        for c, first in plan:
            group.create_task(run(c, first))
