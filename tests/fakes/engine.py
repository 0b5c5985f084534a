"""The container services put together over the stand-ins of `tests.fakes.containers`."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.fakes.containers import (
    FACTS,
    FakeEvents,
    FakeImages,
    FakeRecords,
    FakeShim,
    FakeSlot,
    FakeSnapshotter,
    run,
)
from tests.fakes.networks import FakeFabric, FakeNetworks, FakeResolver

from carrack.engine.containers import survivors
from carrack.engine.containers.attach import Attachments
from carrack.engine.containers.changing import Changes
from carrack.engine.containers.connect import Connector
from carrack.engine.containers.create import Creator
from carrack.engine.containers.exec import Execs
from carrack.engine.containers.health import HealthMonitors
from carrack.engine.containers.idmaps import IdMaps
from carrack.engine.containers.lifecycle import Lifecycle
from carrack.engine.containers.linking import Links
from carrack.engine.containers.live import LiveNetworks
from carrack.engine.containers.live_ports import LivePorts
from carrack.engine.containers.name_files import NameFiles
from carrack.engine.containers.naming import Naming
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.containers.remove import Remover
from carrack.engine.containers.slots import Parked
from carrack.engine.containers.start import Starter
from carrack.engine.containers.store import ContainerStore
from carrack.engine.containers.supervisor import Supervisor
from carrack.engine.jobs import Jobs
from carrack.engine.userns import Map
from carrack.engine.volumes.store import VolumeStore
from carrack.model.container import Document


class FakeSlots:
    """Slots without end; the next ones fail to start with ``failure``."""

    def __init__(self) -> None:
        self.given: list[FakeSlot] = []
        self.asked: list[tuple[Any, ...]] = []
        self.failure: Exception | None = None
        self.answered: list[Parked] = []

    async def answer(self, parked: Parked) -> None:
        self.answered.append(parked)

    async def take(self, *wanted: Any, identity: str = "") -> Parked:
        slot: Any = FakeSlot()
        slot.failure = self.failure
        self.given.append(slot)
        self.asked.append(wanted)
        return Parked(slot, None, names=())


class World:
    """One daemon's containers in one folder. To be made inside a running loop."""

    def __init__(self, folder: Path) -> None:
        self.records, self.events, self.slots, self.images = FakeRecords(), FakeEvents(), FakeSlots(), FakeImages()
        self.fabric, self.networks, self.resolver = FakeFabric(), FakeNetworks(), FakeResolver()
        self.maps: list[tuple[Map, Map]] = []
        self.paths = Paths(str(folder / "data"), str(folder / "run"))
        self.jobs = Jobs()
        self.snapshots = FakeSnapshotter(folder / "snapshots")
        fakes: Any = self
        self.store = ContainerStore(fakes.records)
        self.volumes = VolumeStore(folder / "volumes", fakes.records, fakes.events, self._users)
        self.volumes.load()
        self.attachments = Attachments()
        self.execs = Execs(self.store, fakes.events, self.jobs)
        self._build_network(fakes)
        self.health = HealthMonitors(self.execs, fakes.events, self.jobs)
        self.supervisor = Supervisor(
            self.store,
            self.connector,
            self.attachments,
            fakes.events,
            self.jobs,
            self.paths,
            self.health,
            self.volumes,
        )
        self.idmaps = IdMaps(self._user_namespace)
        self.starter = Starter(
            self.store,
            fakes.slots,
            fakes.snapshots,
            self.volumes,
            self.connector,
            self.attachments,
            self.paths,
            FACTS,
            self.idmaps,
        )
        self.remover = Remover(
            self.store, self.supervisor, self.attachments, self.execs, self.volumes, fakes.snapshots, fakes.events,
            self.jobs, self.paths,
        )  # fmt: skip
        self.lifecycle = Lifecycle(
            self.store, self.starter, self.supervisor, self.remover, self.attachments, fakes.events, self.health
        )
        self.ports = LivePorts(fakes.fabric)
        self.changes = Changes(self.store, self.naming, self.connector, self.ports, self.links, fakes.events)
        self.creator = Creator(
            self.store, fakes.images, self.volumes, fakes.snapshots, fakes.events, self.paths, FACTS, self.idmaps,
            find_network=self.networks.find,
        )  # fmt: skip

    def _build_network(self, fakes: Any) -> None:
        self.links = Links(self.store)
        self.files = NameFiles(self.paths, "172.17.0.1")
        self.naming = Naming(fakes.resolver, self.store, "172.17.0.1")
        self.connector = Connector(
            fakes.fabric, fakes.networks, self.naming, self.links, self.files, self.store, fakes.events
        )
        self.live = LiveNetworks(self.store, fakes.networks, fakes.fabric, self.connector, self.naming, fakes.events)

    async def restore(self) -> list[Container]:
        """What the next daemon does with the containers on record; returns those that it is to start."""
        return await self.supervisor.restore(await survivors.find(self.store, self.paths))

    async def _user_namespace(self, uids: Map, gids: Map) -> int:
        self.maps.append((uids, gids))
        return os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)

    def _users(self, name: str) -> list[str]:
        return [c.id for c in self.store if any(point.get("Name") == name for point in c.mounts)]

    async def create(self, name: str = "web", body: Document | None = None) -> Container:
        """A container by way of the API's own path, without network and without binds, which would need privilege."""
        body = dict(body or {})
        names = {"/etc/hosts": "", "/etc/hostname": "", "/etc/resolv.conf": ""}
        body["HostConfig"] = {"NetworkMode": "none", "Tmpfs": names, **body.get("HostConfig", {})}
        c, _ = await self.creator.create(name, {"Image": "busybox", **body})
        return c

    async def started(self, name: str = "web", body: Document | None = None) -> tuple[Container, FakeShim]:
        """A running container and its shim."""
        c = await self.create(name, body)
        await self.lifecycle.start(c)
        return c, self.shim(c)

    def shim(self, c: Container) -> FakeShim:
        shim: Any = c.shim
        assert isinstance(shim, FakeShim)
        return shim

    async def close(self) -> None:
        await self.supervisor.close()
        await self.jobs.close()


def inside(folder: Path, test: Callable[[World], Awaitable[None]]) -> None:
    """Run a test in a world of its own below ``folder``, which ends well."""

    async def main() -> None:
        world = World(folder)
        await test(world)
        await world.close()

    run(main)
