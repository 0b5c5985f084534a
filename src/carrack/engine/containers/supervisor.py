"""What happens to containers by itself: exits, restart policies, and what ended while no daemon ran."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from carrack.engine.containers import shm
from carrack.engine.containers.announce import tell_mounts
from carrack.engine.containers.create import attributes
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError
from carrack.model import times
from carrack.shim.client import Exit, Shim
from carrack.shim.running import process_age

if TYPE_CHECKING:
    from carrack.engine.containers.attach import Attachments
    from carrack.engine.containers.connect import Connector
    from carrack.engine.containers.health import HealthMonitors
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.containers.survivors import Ended
    from carrack.engine.events import Events
    from carrack.engine.jobs import Jobs
    from carrack.engine.volumes.store import VolumeStore

log = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY, HEALTHY_AFTER = 0.1, 60.0, 10.0
LEAVING = 5.0  # seconds that a daemon which ends waits for what its containers leave


class Supervisor:
    """Watches running containers."""

    def __init__(
        self,
        store: ContainerStore,
        connector: Connector,
        attachments: Attachments,
        events: Events,
        jobs: Jobs,
        paths: Paths,
        health: HealthMonitors,
        volumes: VolumeStore,
    ) -> None:
        self._store = store
        self._connector = connector
        self._attachments = attachments
        self._events = events
        self._jobs = jobs
        self._paths = paths
        self._health = health
        self._volumes = volumes
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._restarting: dict[str, asyncio.Task[None]] = {}
        self._delays: dict[str, float] = {}
        self._closing = False

    def bind(
        self, revive: Callable[[Container], Awaitable[None]], remove: Callable[[Container], Awaitable[None]]
    ) -> None:
        """What to call to start a container again, and to remove one that asked for it."""
        self._revive = revive
        self._remove = remove

    def watch(self, c: Container, shim: Shim, age: float = 0.0) -> None:
        """Follow to its end a container that has run for ``age`` seconds."""
        c.since = asyncio.get_running_loop().time() - age
        self._health.started(c)
        self._watching[c.id] = self._jobs.start(self._follow(c, shim), f"watch {c.id[:12]}")

    def settled(self, c: Container) -> asyncio.Future[None]:
        """Done when the container's present run has ended and been recorded."""
        if c.id in self._watching:
            return self._watching[c.id]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def _follow(self, c: Container, shim: Shim) -> None:
        ended = await shim.exited
        if self._closing:
            return
        try:
            await self._ended(c, shim, ended)
        finally:
            if self._watching.get(c.id) is asyncio.current_task():
                del self._watching[c.id]

    async def _ended(self, c: Container, shim: Shim, ended: Exit) -> None:
        state = c.state
        ran = asyncio.get_running_loop().time() - c.since
        state.pid, state.exit_code, state.oom_killed = 0, ended.code, ended.oom_killed
        state.finished_at = int(ended.at * 1e9)
        state.error = "the container's shim was lost; its processes were killed" if ended.lost else ""
        c.shim = None
        self._health.stop(c)
        c.leaving = self._jobs.start(self._leave(c, shim), f"leave {c.id[:12]}")
        await self._disconnect(c)
        tell_mounts(self._events, c, "unmount")
        again = self._wants_restart(c, ended.code)
        state.status = "restarting" if again else "exited"
        if ended.oom_killed:
            self._events.publish("container", "oom", c.id, attributes(c))
        more = {"exitCode": str(ended.code), "execDuration": str(max(0, int(ran)))}
        self._events.publish("container", "die", c.id, {**attributes(c), **more})
        if c.host_config["AutoRemove"] and not again:
            c.notify("next-exit", "not-running")
            await self._remove(c)
            return
        if again:
            self._restart_later(c, ran)
        await self._record(c)
        c.notify("next-exit", *(() if again else ("not-running",)))

    async def _record(self, c: Container) -> None:
        try:
            await self._store.save(c)
        except OSError as failure:  # a full disk must not hide the exit from those who wait for it
            log.error("the end of container %s could not be recorded: %s", c.name, failure)

    async def _disconnect(self, c: Container) -> None:
        try:
            await self._connector.disconnect(c)
        except (OSError, CarrackError) as failure:
            log.error("container %s could not be disconnected: %s", c.name, failure)

    async def _leave(self, c: Container, shim: Shim) -> None:
        """The exit is recorded in its own time; the shim's directory goes when the shim has."""
        await shim.released
        await shim.close()
        await self._unmount_volumes(c)
        if c.state.status != "removing":  # else it goes with everything else
            await asyncio.to_thread(shm.remove_directory, self._paths.run(c.id))
        c.leaving = None

    async def _unmount_volumes(self, c: Container) -> None:
        try:
            if wanted := self._volumes.to_mount(c.mounts):
                await self._volumes.holds.give_back(wanted, c.id)
        except (OSError, CarrackError) as failure:
            log.error("volumes of container %s may stay mounted: %s", c.name, failure)

    def _wants_restart(self, c: Container, code: int) -> bool:
        policy = c.host_config["RestartPolicy"]
        if c.stopping or c.stopped_by_user or self._closing:
            return False
        if policy["Name"] in ("always", "unless-stopped"):
            return True
        limit = policy["MaximumRetryCount"]
        return policy["Name"] == "on-failure" and code != 0 and (not limit or c.restart_count < limit)

    def _restart_later(self, c: Container, ran: float) -> None:
        delay = FIRST_DELAY if ran > HEALTHY_AFTER else min(LONGEST_DELAY, self._delays.get(c.id, FIRST_DELAY / 2) * 2)
        self._delays[c.id] = delay
        self._restarting[c.id] = self._jobs.start(self._restart(c, delay), f"restart {c.id[:12]}")

    async def _restart(self, c: Container, delay: float) -> None:
        await asyncio.sleep(delay)
        async with c.lock:
            if self._restarting.pop(c.id, None) is None or c.state.status != "restarting":
                return
            c.restart_count += 1
            try:
                await self._revive(c)
            except CarrackError as failure:
                log.warning("container %s could not be restarted: %s", c.name, failure)
                if self._wants_restart(c, c.state.exit_code):
                    c.state.status = "restarting"
                    self._restart_later(c, 0)

    def cancel_restart(self, c: Container) -> bool:
        """Give up a restart that waits; True when there was one."""
        self._delays.pop(c.id, None)
        task = self._restarting.pop(c.id, None)
        if task is not None:
            task.cancel()
        return task is not None

    async def settle(self, c: Container) -> None:
        """Record a container whose restart was given up as ended."""
        c.state.status = "exited"
        c.notify("not-running")
        await self._store.save(c)

    async def restore(self, ended: Iterable[Ended]) -> list[Container]:
        """Take up what `survivors.find` returned; returns the containers that are to be started by their policy.

        A container whose shim has ended while no daemon ran gets its exit code from the shim's file; one of which
        nothing is left (a reboot) is recorded as ended with 255, as Docker does.
        """
        to_start = []
        for c, shim in ended:
            if c.state.status == "restarting":
                # It had ended, and that is recorded; only the pause before its next start was cut short.
                c.state.status = "exited"
                self._let_go(c, shim)
                to_start.append(c)
            elif c.state.running:
                await self._lost(c, shim)
                if self._wants_restart(c, c.state.exit_code):
                    to_start.append(c)
            else:
                self._let_go(c, shim)
                if self._starts_with_daemon(c):
                    to_start.append(c)
        return sorted(to_start, key=lambda c: c.created)

    def _let_go(self, c: Container, shim: Shim | None) -> None:
        """Remove the run directory of a container that does not run, when its shim has gone."""
        if shim is not None:
            c.leaving = self._jobs.start(self._leave(c, shim), f"leave {c.id[:12]}")
        elif os.path.isdir(self._paths.run(c.id)):
            shm.remove_directory(self._paths.run(c.id))

    def _starts_with_daemon(self, c: Container) -> bool:
        """As with Docker: ``always`` even if the user stopped it, ``unless-stopped`` if he did not, ``on-failure``
        whoever ended it, while tries are left."""
        policy = c.host_config["RestartPolicy"]
        if not c.state.started_at:
            return False
        if policy["Name"] == "on-failure":
            limit = policy["MaximumRetryCount"]
            return c.state.exit_code != 0 and (not limit or c.restart_count < limit)
        return policy["Name"] == "always" or (policy["Name"] == "unless-stopped" and not c.stopped_by_user)

    async def _lost(self, c: Container, shim: Shim | None) -> None:
        ended = shim.exited.result() if shim is not None else Exit(code=255, at=times.now() / 1e9, oom_killed=False, lost=True)  # fmt: skip  # noqa: E501
        c.state.status, c.state.pid, c.state.exit_code = "exited", 0, ended.code
        c.state.finished_at, c.state.oom_killed = int(ended.at * 1e9), ended.oom_killed
        self._connector.forget(c)
        if c.host_config["AutoRemove"]:
            await self._remove(c)
            return
        await self._record(c)
        self._let_go(c, shim)

    def resume(self) -> None:
        """Watch the containers that `restore` found, once the network knows them."""
        for c in self._store:
            if c.shim is not None:
                self.watch(c, c.shim, process_age(c.state.pid))

    async def close(self) -> None:
        """Let go of running containers; they go on without us."""
        self._closing = True
        if leaving := {c.leaving for c in self._store if c.leaving is not None}:
            await asyncio.wait(leaving, timeout=LEAVING)  # their volumes are unmounted in there
        for c in self._store:
            self.cancel_restart(c)
            if c.shim is not None:
                await c.shim.close()

    async def end_stray(self, directory: str) -> None:
        """Kill the container of a run directory that has no record: a crash came between its start and its record."""
        try:
            shim = await Shim.reconnect(directory)
            if not shim.exited.done():
                await shim.signal(signal.SIGKILL)
            await shim.released
            await shim.close()
        except (CarrackError, OSError, LookupError, TypeError, ValueError) as failure:
            log.debug("no container runs in %s: %s", directory, failure)

    def garbage(self, kept: set[str]) -> list[str]:
        """Directories of containers that have no record (left by a crash)."""
        found = []
        for root in (self._paths.data(""), self._paths.run("")):
            if os.path.isdir(root):
                found += [os.path.join(root, name) for name in os.listdir(root) if name not in kept]
        return found
