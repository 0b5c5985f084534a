"""The first thing a new daemon does: find the shims of the containers it has on record, and so what runs.

It changes nothing but what is known of them, so that the list of containers can be given before anything else stands.
What else there is to do about those that ended meanwhile is the `Supervisor`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import NamedTuple

from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError, NotFound
from carrack.shim import knock
from carrack.shim.running import Shim, sweep_cgroup

log = logging.getLogger(__name__)


class Ended(NamedTuple):
    """A container that does not run, and what its shim left, if it left anything."""

    container: Container
    shim: Shim | None


async def find(containers: Iterable[Container], paths: Paths) -> list[Ended]:
    """Give those that run their shims and true states, and return the others."""
    known = [(c, _at_once(c, paths)) for c in containers]
    late = [c for c, shim in known if shim is None]
    found = dict(zip((c.id for c in late), await asyncio.gather(*(_find(c, paths) for c in late)), strict=True))
    knock.leave()
    ended = []
    for c, prompt in known:
        shim = prompt or found[c.id]
        if shim is None or shim.exited.done():
            ended.append(Ended(c, shim))
            continue
        c.shim, c.state.pid = shim, shim.pid
        c.state.started_at = max(c.state.started_at, c.state.finished_at + 1)  # its start may not be recorded
        c.state.status = "paused" if shim.state.get("paused") else "running"
    return ended


def _at_once(c: Container, paths: Paths) -> Shim | None:
    try:
        return Shim.at_once(paths.run(c.id))
    except (LookupError, TypeError, ValueError):  # `_find` tells
        return None


async def _find(c: Container, paths: Paths) -> Shim | None:
    """The container's shim or what it left; nobody outlives a shim that is gone or does not answer."""
    try:
        return await Shim.reconnect(paths.run(c.id))
    except NotFound:
        if not c.state.running:
            return None
    except (CarrackError, OSError, LookupError, TypeError, ValueError) as failure:
        log.error("container %s is ended, for its shim cannot be reached: %s", c.name, failure)
    try:
        await asyncio.to_thread(sweep_cgroup, paths.cgroup(c.id, c.host_config["CgroupParent"]))
    except OSError as failure:
        log.error("processes of container %s may be left: %s", c.name, failure)
    return None
