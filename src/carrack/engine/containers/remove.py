"""The end of containers: removed by request, by ``--rm``, or in bulk; what they leave is swept in the background."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from carrack.engine.containers import shm
from carrack.engine.containers.create import attributes
from carrack.engine.containers.linking import Links
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError, Conflict, InvalidArgument, NotFound
from carrack.model import times
from carrack.model.labels import matches

if TYPE_CHECKING:
    from carrack.engine.containers.attach import Attachments
    from carrack.engine.containers.exec import Execs
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.containers.supervisor import Supervisor
    from carrack.engine.events import Events
    from carrack.engine.jobs import Jobs
    from carrack.engine.volumes.store import VolumeStore
    from carrack.storage.snapshots.base import Snapshotter

log = logging.getLogger(__name__)

_TRIES, _BETWEEN_TRIES = 10, 0.1
_AGAIN = 0.005


class Remover:
    """Deletes containers. ``kill`` ends a running one and waits for its end."""

    def __init__(
        self,
        store: ContainerStore,
        supervisor: Supervisor,
        attachments: Attachments,
        execs: Execs,
        volumes: VolumeStore,
        snapshotter: Snapshotter,
        events: Events,
        jobs: Jobs,
        paths: Paths,
    ) -> None:
        self._store = store
        self._supervisor = supervisor
        self._attachments = attachments
        self._execs = execs
        self._volumes = volumes
        self._snapshotter = snapshotter
        self._events = events
        self._jobs = jobs
        self._paths = paths

    async def remove(
        self, c: Container, *, kill: Callable[[Container], Awaitable[None]], force: bool = False, volumes: bool = False
    ) -> None:
        """Delete the container. Raises Conflict while it runs, unless forced."""
        while True:
            if c.state.status == "removing":
                raise Conflict(f"removal of container {c.name} is already in progress")
            if c.state.running:
                await self._end(c, kill, force)
            async with c.lock:
                if not c.state.running:  # else a start was under way that is through now
                    await self.remove_ended(c, volumes)
                    return

    async def _end(self, c: Container, kill: Callable[[Container], Awaitable[None]], force: bool) -> None:
        if not force:
            state = "running: stop the container before removing or force remove"
            if c.state.status == "paused":
                state = "paused and must be unpaused first"
            raise Conflict(f'cannot remove container "{c.name}": container is {state}')
        c.stopping = c.stopped_by_user = True
        auto, c.host_config["AutoRemove"] = c.host_config["AutoRemove"], False
        try:
            await kill(c)
        except Conflict:  # it ends by itself just now, or its start holds the lock
            await asyncio.shield(self._supervisor.settled(c))
            await asyncio.sleep(_AGAIN)  # whatever it is: everybody else has a turn before it is tried again
        finally:
            c.host_config["AutoRemove"] = auto

    async def remove_ended(self, c: Container, volumes: bool | None = None) -> None:
        """Delete a container that does not run; its record goes first, so that a crash leaves only garbage."""
        if c.state.status == "removing":
            return
        self._supervisor.cancel_restart(c)
        before, c.state.status = c.state.status, "removing"
        try:
            await self._delete(c)
        except BaseException as failure:
            c.state.status = before
            c.notify("removed", error=f"container {c.id} could not be removed: {failure}")
            raise
        if c.host_config["AutoRemove"] if volumes is None else volumes:
            await self._remove_volumes(c)
        c.notify("removed", "next-exit", "not-running")
        self._execs.forget(c)
        if c.host_config["Links"] or c.link_names:
            Links(self._store).refresh()
        self._attachments.handed_over(c)
        self._events.publish("container", "destroy", c.id, attributes(c))
        self._jobs.start(self._sweep(c), "sweep " + c.id[:12])

    async def _delete(self, c: Container) -> None:
        # After a power cut one with --rm that is on record as running is found lost, and removed for that.
        durable = not (c.host_config["AutoRemove"] and c.state.started_at)
        try:
            await self._store.delete(c, durable=durable)
        except OSError as failure:
            if failure.errno != errno.ENOSPC:
                raise
            # What the container has makes room for the record of its removal.
            await asyncio.to_thread(shutil.rmtree, self._paths.data(c.id), ignore_errors=True)
            await self._sweep(c)
            await self._store.delete(c)

    async def _sweep(self, c: Container) -> None:
        await c.left()
        await asyncio.to_thread(self._remove_files, c.id)

    def _remove_files(self, identity: str) -> None:
        """Each part for itself; what cannot be removed now is when the daemon starts again."""
        for remove, what in (self._snapshotter.remove, identity), (shm.remove_directory, self._paths.run(identity)):
            try:
                remove(what)
            except (OSError, CarrackError) as failure:
                log.error("something of the removed container %s is left: %s", identity, failure)
        for _ in range(_TRIES):
            shutil.rmtree(self._paths.data(identity), ignore_errors=True)
            if not os.path.lexists(self._paths.data(identity)):
                return
            time.sleep(_BETWEEN_TRIES)  # a file of its log was just being compressed

    async def _remove_volumes(self, c: Container) -> None:
        for point in c.mounts:
            volume = self._volumes.known(point["Name"]) if point["Type"] == "volume" else None
            if volume is not None and volume.anonymous:
                try:
                    await self._volumes.remove(point["Name"])
                except (Conflict, NotFound):
                    continue
                except (OSError, CarrackError) as failure:
                    log.error("volume %s of the removed container %s is left: %s", point["Name"], c.name, failure)

    async def prune(self, filters: dict[str, list[str]]) -> tuple[list[str], int]:
        """Delete stopped containers that match ``label``, ``label!`` and ``until``; returns ids and bytes freed."""
        if unknown := set(filters) - {"label", "label!", "until"}:
            raise InvalidArgument(f"invalid filter '{sorted(unknown)[0]}'")
        until = _until(filters.get("until", []))
        removed, freed = [], 0
        for c in self._store:
            if c.state.running or c.state.status == "removing" or (until and c.created >= until):
                continue
            labels = c.config["Labels"] or {}
            if not all(matches(labels, w) for w in filters.get("label", ())) or any(
                matches(labels, w) for w in filters.get("label!", ())
            ):
                continue
            size = await asyncio.to_thread(self._size, c.id)
            try:
                await self.remove(c, kill=_never)
            except (Conflict, NotFound):
                continue
            removed.append(c.id)
            freed += size
        self._events.publish("container", "prune", "", {"reclaimed": str(freed)})
        return removed, freed

    def _size(self, key: str) -> int:
        """Bytes of the files that removing a file system frees (blocking)."""
        try:
            return self._snapshotter.size(key)
        except NotFound:
            return 0


async def _never(c: Container) -> None:
    raise Conflict(f"container {c.id} is running")


def _until(values: list[str]) -> int:
    if not values:
        return 0
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    try:
        return times.before_now(values[0])
    except InvalidArgument as error:
        raise InvalidArgument(f'failed to parse value as time or duration: "{values[0]}"') from error
