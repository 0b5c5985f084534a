"""Changing what a container is while it lives: its name, its limits, its published ports, its links.

Each is done to the running container first, then recorded; what cannot be recorded is undone.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from carrack.engine import resources
from carrack.engine.containers import names
from carrack.engine.containers.create import attributes
from carrack.engine.containers.failures import worded
from carrack.engine.containers.merge import check_restart_policy
from carrack.engine.containers.naming import Naming, called
from carrack.engine.containers.record import Container
from carrack.engine.discards import discard
from carrack.errors import Conflict, InvalidArgument
from carrack.model import container as model
from carrack.model import schema
from carrack.model.container import Document
from carrack.runtime.cgroups.abilities import EVERYTHING

if TYPE_CHECKING:
    from carrack.engine.containers.connect import Connector
    from carrack.engine.containers.linking import Links
    from carrack.engine.containers.live_ports import LivePorts
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.events import Events


class Changes:
    """Carries out what users want otherwise of a container."""

    def __init__(
        self,
        store: ContainerStore,
        naming: Naming,
        connector: Connector,
        ports: LivePorts,
        links: Links,
        events: Events,
        abilities: frozenset[str] = EVERYTHING,
    ) -> None:
        self._store = store
        self._naming = naming
        self._connector = connector
        self._ports = ports
        self._links = links
        self._events = events
        self._abilities = abilities

    async def rename(self, c: Container, name: str) -> None:
        """Give the container another name. Raises Conflict when that is taken, InvalidArgument when it is bad."""
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        old = c.name
        if name.lstrip("/") == old:
            raise InvalidArgument("Renaming a container with the same name as its current name")
        try:
            wanted = names.check(name if name.startswith("/") else f"/{name}")
            self._store.reserve(wanted, c.id)
        except (InvalidArgument, Conflict) as error:
            raise type(error)(f"Error when allocating new name: {error}") from error
        before, c.endpoints = c.endpoints, called(c, wanted)
        try:
            await self._store.rename(c, wanted)
        except BaseException:
            self._store.release(wanted)
            c.endpoints = before
            raise
        self._naming.renamed(c)
        if c.host_config["Links"] or c.link_names:
            self._links.refresh()
            self._connector.tell_linked(c)
        self._events.publish("container", "rename", c.id, {**attributes(c), "oldName": "/" + old})

    async def update(self, c: Container, body: Document) -> list[str]:
        """Change limits, restart policy and published ports, of a running container at once. Returns warnings."""
        given = schema.check(body, model.UPDATE, "UpdateConfig", "container.UpdateConfig")
        policy, add, remove = given.pop("RestartPolicy"), given.pop("PublishAdd"), given.pop("PublishRemove")
        warnings = discard(given, self._abilities)
        changed = {name: value for name, value in given.items() if not schema.is_zero(value)}
        async with c.lock:
            if c.state.status in ("removing", "dead"):
                raise Conflict(f"container is marked for removal and cannot be updated: {c.id}")
            resources.check_cpu(given, os.cpu_count() or 1)
            wanted = _wanted(c, changed, policy)
            async with AsyncExitStack() as undo:
                if add or remove:
                    wanted["PortBindings"] = await self._ports.change(c, add or {}, remove or (), undo)
                if changed and c.shim is not None:
                    limits = resources.build(wanted, [])
                    del limits["devices"]
                    with worded(f"Cannot update container {c.id}"):
                        await c.shim.update(limits)
                undo.callback(setattr, c, "host_config", c.host_config)
                c.host_config = wanted
                await self._store.save(c)
                undo.pop_all()
        self._events.publish("container", "update", c.id, attributes(c))
        return warnings

    async def unlink(self, path: str) -> None:
        """Remove a link by its name, ``web/database``. NotFound or Internal (as with Docker) when there is none."""
        c, alias = self._links.find(path)
        async with c.lock:
            before = c.host_config
            c.host_config = {**before, "Links": self._links.without(c, alias)}
            try:
                await self._store.save(c)
            except BaseException:
                c.host_config = before
                raise
            if c.state.status in ("running", "paused"):
                self._connector.write_hosts(c, before["Links"])
                await self._connector.passages.open(c)
        self._links.refresh()


def _wanted(c: Container, changed: Document, policy: Document | None) -> Document:
    """The host config after an update. Raises InvalidArgument and Conflict."""
    wanted = {**c.host_config, **changed}
    if "Memory" in changed and "MemorySwap" not in changed and 0 < wanted["MemorySwap"] < wanted["Memory"]:
        told = "Memory limit should be smaller than already set memoryswap limit"
        raise Conflict(f"Cannot update container {c.id}: {told}, update the memoryswap at the same time")
    if policy is not None and policy["Name"]:
        check_restart_policy(policy)
        if c.host_config["AutoRemove"] and policy["Name"] != "no":
            told = "Restart policy cannot be updated because AutoRemove is enabled for the container"
            raise InvalidArgument(f"Cannot update container {c.id}: {told}")
        wanted["RestartPolicy"] = policy
    _check_cpu_kind(c, changed)
    resources.check(wanted, os.cpu_count() or 1)
    return wanted


def _check_cpu_kind(c: Container, changed: Document) -> None:
    """Refuse a share of processors beside a period or quota that was set before, and the other way round."""
    names = {"NanoCpus": "NanoCPUs", "CpuPeriod": "CPU Period", "CpuQuota": "CPU Quota"}
    for new, old in (
        ("CpuPeriod", "NanoCpus"),
        ("CpuQuota", "NanoCpus"),
        ("NanoCpus", "CpuPeriod"),
        ("NanoCpus", "CpuQuota"),
    ):
        if changed.get(new) and c.host_config[old] and not changed.get(old):
            what = "Nano CPUs" if new == "NanoCpus" else names[new]
            told = f"Conflicting options: {what} cannot be updated as {names[old]} has already been set"
            raise InvalidArgument(f"Cannot update container {c.id}: {told}")
