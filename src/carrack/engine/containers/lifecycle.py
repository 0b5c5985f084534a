"""The life of containers, as requests move it: start, stop, kill, restart, pause.

One operation at a time per container (its lock). What happens by itself, an exit above all, is the supervisor's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal as signals
from typing import TYPE_CHECKING

from carrack.engine.containers.announce import tell_mounts
from carrack.engine.containers.create import attributes
from carrack.engine.containers.failures import exit_code, start_error, worded
from carrack.engine.containers.record import Container
from carrack.engine.containers.signals import parse_signal
from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument, NotFound, NotModified, Unavailable, words
from carrack.shim.client import Shim, StartFailed

if TYPE_CHECKING:
    from carrack.engine.containers.attach import Attachments
    from carrack.engine.containers.health import HealthMonitors
    from carrack.engine.containers.remove import Remover
    from carrack.engine.containers.start import Starter
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.containers.supervisor import Supervisor
    from carrack.engine.events import Events

log = logging.getLogger(__name__)

STOP_TIMEOUT = 10
_KILL_WAIT, _KILL_TRIES = 10, 40


class Lifecycle:
    """Carries out what users ask of a container."""

    def __init__(
        self,
        store: ContainerStore,
        starter: Starter,
        supervisor: Supervisor,
        remover: Remover,
        attachments: Attachments,
        events: Events,
        health: HealthMonitors,
    ) -> None:
        self._store = store
        self._starter = starter
        self._supervisor = supervisor
        self._remover = remover
        self._attachments = attachments
        self._events = events
        self._health = health
        supervisor.bind(self.revive, remover.remove_ended)

    async def start(self, c: Container) -> None:
        """Run the container. Raises NotModified when it runs, Conflict when it is paused or going."""
        async with c.lock:
            if c.state.status == "paused":
                raise Conflict("cannot start a paused container, try unpause instead")
            if c.state.status == "running":
                raise NotModified(f"container {c.id} is already running")
            if c.state.status in ("removing", "dead"):
                raise Conflict("container is marked for removal and cannot be started")
            self._supervisor.cancel_restart(c)
            c.stopped_by_user = c.stopping = False
            c.restart_count = 0
            await self._run(c)

    async def revive(self, c: Container) -> None:
        """Start again by restart policy; the container's lock is held by the caller."""
        await self._run(c)

    async def _run(self, c: Container) -> None:
        tell_mounts(self._events, c, "mount")
        try:
            shim = await self._starter.start(c)
        except (StartFailed, CarrackError, OSError) as failure:
            await self._failed(c, failure)
            if isinstance(failure, StartFailed):
                raise start_error(failure) from failure
            if isinstance(failure, OSError):
                raise Internal(f"failed to create task for container: {words(failure)}") from failure
            raise
        except BaseException:  # cancelled, or a defect: whatever it is, it does not run
            await asyncio.shield(self._failed(c, Unavailable("the start was interrupted")))
            raise
        self._events.publish("container", "start", c.id, attributes(c))
        self._supervisor.watch(c, shim)

    async def _failed(self, c: Container, failure: Exception) -> None:
        tell_mounts(self._events, c, "unmount")
        code = exit_code(failure)
        if not isinstance(failure, StartFailed):  # no program was tried: that of the run before stays, as Docker's
            code = c.state.exit_code or code
        c.state.status = "exited" if c.state.finished_at else "created"
        c.state.pid, c.state.exit_code, c.state.error = 0, code, str(start_error(failure) if isinstance(failure, StartFailed) else failure)  # fmt: skip  # noqa: E501
        c.state.started_at = 0 if c.state.status == "created" else c.state.started_at
        c.shim = None
        self._attachments.handed_over(c)
        c.notify("next-exit")
        try:
            await self._store.save(c)
        except OSError as unsaved:  # a full disk, which may be the failure itself
            log.error("the failed start of container %s could not be recorded: %s", c.name, unsaved)
        if c.host_config["AutoRemove"]:
            await self._remover.remove_ended(c)

    async def stop(self, c: Container, signal: str = "", timeout: int | None = None) -> None:
        """Ask the program to end, and kill it after ``timeout`` seconds (-1: never). NotModified when ended."""
        if not c.state.running:
            raise NotModified(f"container {c.id} is already stopped")
        try:
            number = parse_signal(signal or c.config["StopSignal"] or "SIGTERM")
        except InvalidArgument as error:
            raise Internal(f"cannot stop container: {c.name}: {error}") from error
        if timeout is None:
            timeout = c.config["StopTimeout"] if c.config["StopTimeout"] is not None else STOP_TIMEOUT
        async with c.lock:
            c.stopped_by_user = c.stopping = True
            if self._supervisor.cancel_restart(c):
                await self._supervisor.settle(c)
                return
            if not c.state.running:
                return
            await self._end(c, number, timeout)
        self._events.publish("container", "stop", c.id, attributes(c))

    async def shut_down(self, c: Container, timeout: float | None) -> None:
        """End a container because the daemon ends: its restart policy brings it back with the next daemon."""
        async with c.lock:
            c.stopping = True
            if self._supervisor.cancel_restart(c):
                await self._supervisor.settle(c)
            elif c.state.running:
                wanted = c.config["StopTimeout"] if c.config["StopTimeout"] is not None else STOP_TIMEOUT
                limit = wanted if timeout is None else min(wanted, int(timeout))
                await self._end(c, parse_signal(c.config["StopSignal"] or "SIGTERM"), limit)

    async def _end(self, c: Container, number: int, timeout: int) -> None:
        shim = c.shim
        if shim is None:
            return
        settled = self._supervisor.settled(c)
        if c.state.status == "paused":
            await self._thaw(shim)
        await self._signal(c, number)
        try:
            async with asyncio.timeout(None if timeout < 0 else timeout):
                await asyncio.shield(settled)
        except TimeoutError:
            await self._signal(c, signals.SIGKILL)
            await self._await_kill(c, settled)

    async def _await_kill(self, c: Container, settled: asyncio.Future[None]) -> None:
        """Wait for the end of a killed container; a pause that came just before would hold it back for ever."""
        for _ in range(_KILL_TRIES):
            done, _ = await asyncio.wait({settled}, timeout=_KILL_WAIT / _KILL_TRIES)
            if done:
                return
            if c.shim is not None:
                await self._thaw(c.shim)
        raise Internal(f"cannot stop container: {c.id}: tried to kill container, but did not receive an exit event")

    async def _thaw(self, shim: Shim) -> None:
        with contextlib.suppress(NotFound, Unavailable, OSError):  # it ends just now
            await shim.resume()

    async def _signal(self, c: Container, number: int) -> None:
        if c.shim is not None:
            self._events.publish("container", "kill", c.id, {**attributes(c), "signal": str(int(number))})
            with contextlib.suppress(NotFound, Unavailable), worded(f"cannot kill container: {c.id}"):
                await c.shim.signal(int(number))  # it may end just now

    async def kill(self, c: Container, signal: str = "") -> None:
        """Send a signal to the program. Raises Conflict when it does not run, InvalidArgument on a bad signal."""
        number = parse_signal(signal or "SIGKILL")
        if c.state.status == "restarting" and self._supervisor.cancel_restart(c):
            await self._supervisor.settle(c)
            return
        shim = c.shim
        if not c.state.running or shim is None:
            raise Conflict(f"container {c.id} is not running")
        if number in (signals.SIGKILL, parse_signal(c.config["StopSignal"] or "SIGTERM")):
            c.stopped_by_user = True
        settled = self._supervisor.settled(c)
        paused = c.state.status == "paused"
        await self._signal(c, number)
        if number == signals.SIGKILL:
            if paused:
                await self._thaw(shim)
            await self._await_kill(c, settled)

    async def restart(self, c: Container, signal: str = "", timeout: int | None = None) -> None:
        """Stop if it runs, then start."""
        try:
            parse_signal(signal or "SIGTERM")
        except InvalidArgument as error:
            raise Internal(f"Cannot restart container {c.name}: {error}") from error
        if c.state.running:
            keep, c.host_config["AutoRemove"] = c.host_config["AutoRemove"], False
            try:
                await self.stop(c, signal, timeout)
            except NotModified:
                pass
            finally:
                c.host_config["AutoRemove"] = keep
        await self.start(c)
        self._events.publish("container", "restart", c.id, attributes(c))

    async def pause(self, c: Container) -> None:
        """Freeze every process. Raises Conflict unless it runs unpaused."""
        async with c.lock:
            if c.state.status == "paused":
                raise Conflict(f"Container {c.id} is already paused")
            if c.state.status != "running" or c.shim is None:
                raise Conflict(f"container {c.id} is not running")
            with worded(f"cannot pause container {c.id}"):
                await c.shim.pause()
            c.state.status = "paused"
            self._health.stop(c)
            await self._store.save(c)
        self._events.publish("container", "pause", c.id, attributes(c))

    async def unpause(self, c: Container) -> None:
        """Thaw. Raises Conflict unless it is paused."""
        async with c.lock:
            if c.state.status != "paused" or c.shim is None:
                raise Conflict(f"Container {c.id} is not paused")
            with worded(f"cannot unpause container {c.id}"):
                await c.shim.resume()
            c.state.status = "running"
            self._health.resume(c)
            await self._store.save(c)
        self._events.publish("container", "unpause", c.id, attributes(c))

    async def resize(self, c: Container, height: int, width: int) -> None:
        """Tell a container's terminal its size in characters."""
        if c.shim is None:
            raise Conflict(f"container {c.id} is not running")
        if c.config["Tty"]:
            await c.shim.resize(height, width)
        self._events.publish("container", "resize", c.id, {**attributes(c), "height": str(height), "width": str(width)})
