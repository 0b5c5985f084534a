"""Runs the health checks of running containers, each as an exec in its container, and publishes what changes.

A container has at most one monitor, from its start to its end, with a break while it is paused. Nothing is recorded
on its own account: a new daemon begins with ``starting`` again, as Docker does.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from carrack.engine import health
from carrack.engine.containers.create import attributes
from carrack.errors import CarrackError, Conflict
from carrack.http.stdcopy import FrameReader
from carrack.model import times
from carrack.model.container import Document
from carrack.model.units import NANOSECONDS

if TYPE_CHECKING:
    from carrack.engine.containers.exec import Exec, Execs
    from carrack.engine.containers.record import Container
    from carrack.engine.events import Events
    from carrack.engine.jobs import Jobs

log = logging.getLogger(__name__)

_CHUNK = 16 << 10


class HealthMonitors:
    """All monitors of this daemon."""

    def __init__(self, execs: Execs, events: Events, jobs: Jobs) -> None:
        self._execs = execs
        self._events = events
        self._jobs = jobs
        self._monitors: dict[str, asyncio.Task[None]] = {}
        self.prepared: Callable[[float], None] | None = None
        """Told the seconds that each check took to begin, where somebody counts them."""
        self.checks = 0
        self.failed = 0
        """How many checks have run since the daemon started, and how many of them did not succeed."""

    def started(self, c: Container) -> None:
        """Begin anew with a container that runs; without a check nothing is shown of its health."""
        asked = health.probe(c.config)
        c.state.health = None if asked is None else health.starting(c.state.health)
        self.resume(c)

    def resume(self, c: Container) -> None:
        """Go on after a pause."""
        asked = health.probe(c.config)
        if asked is not None and c.id not in self._monitors and c.state.status == "running":
            self._monitors[c.id] = self._jobs.start(self._watch(c, asked), f"health {c.id[:12]}")

    def stop(self, c: Container) -> None:
        """Check no more."""
        monitor = self._monitors.pop(c.id, None)
        if monitor is not None:
            monitor.cancel()
            if c.state.health is not None:
                c.state.health = health.unwatched(c.state.health)

    async def _watch(self, c: Container, asked: health.Probe) -> None:
        while c.state.health is not None:
            pause = asked.pause(c.state.health, _running_for(c))
            await asyncio.sleep(pause / NANOSECONDS)
            age = _running_for(c)
            result = await self._check(c, asked)
            if result is None:
                continue
            before, c.state.health = c.state.health, health.observed(c.state.health, asked, result, age)
            if c.state.health["Status"] != before["Status"]:
                action = f"health_status: {c.state.health['Status']}"
                self._events.publish("container", action, c.id, attributes(c))

    async def _check(self, c: Container, asked: health.Probe) -> health.Result | None:
        """Run the check once; None when the container is on its way out."""
        start = times.now()
        output = bytearray()
        try:
            process = self._execs.create(c.id, _request(asked))
            code, text = await self._run(process, asked, output)
        except Conflict:
            return None
        except (CarrackError, OSError) as failure:
            code, text = -1, str(failure)
        self.checks += 1
        self.failed += code != 0
        return health.Result(start, times.now(), code, text)

    async def _run(self, process: Exec, asked: health.Probe, output: bytearray) -> tuple[int, str]:
        ended = False
        stream = None
        try:
            async with asyncio.timeout(asked.timeout / NANOSECONDS):
                begun = time.monotonic()
                stream = await self._execs.start(process, {}, attach=True)
                if self.prepared is not None:
                    self.prepared(time.monotonic() - begun)
                assert stream is not None
                assert process.watching is not None
                await _read(stream, output)
                await asyncio.shield(process.watching)
                ended = True
        except TimeoutError:
            return -1, health.timed_out(asked, _text(output))
        finally:
            if not ended:
                await self._kill(process)
            if stream is not None:
                stream.close()
        return (-1 if process.exit_code is None else process.exit_code), _text(output)

    async def _kill(self, process: Exec) -> None:
        """End a check that took too long, or whose monitor ends."""
        shim = process.container.shim
        if not process.running or shim is None:
            return
        try:
            await shim.signal(signal.SIGKILL, process.id)
        except (CarrackError, OSError) as failure:
            log.debug("the health check of %s could not be ended: %s", process.container.name, failure)


def _running_for(c: Container) -> int:
    """Nanoseconds, whatever the wall clock was set to meanwhile."""
    return int((asyncio.get_running_loop().time() - c.since) * NANOSECONDS)


def _request(asked: health.Probe) -> Document:
    return {"Cmd": list(asked.command), "AttachStdout": True, "AttachStderr": True}


async def _read(stream: socket.socket, output: bytearray) -> None:
    """Gather what the check writes, as much as is shown and a little more; the rest is read and dropped."""
    loop, frames = asyncio.get_running_loop(), FrameReader()
    while data := await loop.sock_recv(stream, _CHUNK):
        for _, payload in frames.feed(data):
            if len(output) <= health.OUTPUT_KEPT:
                output += payload


def _text(output: bytearray) -> str:
    text = bytes(output[: health.OUTPUT_KEPT]).decode(errors="replace")
    return text + "..." if len(output) > health.OUTPUT_KEPT else text
