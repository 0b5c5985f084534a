"""The one place that constructs the services and hands them to each other.

Start-up gets the records and the surviving containers from the `survey`, gives the network their addresses and ports
back, and only then lets anything new begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from carrack.api import versions
from carrack.api.app import Route
from carrack.api.routes import builds, containers, exec, images, metrics, networks, reach, streams, system, volumes
from carrack.daemon import diagnosis, keeping, measure
from carrack.daemon.claim import claim, release
from carrack.daemon.config import Config
from carrack.daemon.default_bridge import all_pools, look
from carrack.daemon.facts import host_facts, info_settings, reloaded
from carrack.daemon.reload import attributes
from carrack.daemon.survey import Survey
from carrack.daemon.wiring_building import builder
from carrack.daemon.wiring_networks import join
from carrack.engine.authorization import Authorizer
from carrack.engine.build.cache import Cache
from carrack.engine.containers import boot, listing, shm
from carrack.engine.containers.attach import Attachments
from carrack.engine.containers.attached import on_network
from carrack.engine.containers.create import Creator
from carrack.engine.containers.exec import Execs
from carrack.engine.containers.files import Files
from carrack.engine.containers.health import HealthMonitors
from carrack.engine.containers.idmaps import IdMaps
from carrack.engine.containers.lifecycle import Lifecycle
from carrack.engine.containers.record import Container
from carrack.engine.containers.remove import Remover
from carrack.engine.containers.resolving import Resolving
from carrack.engine.containers.services import ContainerServices
from carrack.engine.containers.slots import SlotPool
from carrack.engine.containers.start import Starter
from carrack.engine.containers.supervisor import Supervisor
from carrack.engine.events import Events
from carrack.engine.images.service import Images
from carrack.engine.jobs import Jobs
from carrack.engine.meter import Meter
from carrack.engine.networks.predefined import predefined
from carrack.engine.networks.store import Networks, recorded, taken
from carrack.engine.plugins.registry import Plugins
from carrack.engine.runtimes import Runtimes
from carrack.engine.spec import usual_namespaces, usual_spec
from carrack.engine.system.identity import engine_id
from carrack.engine.system.info import Counts, SystemInfo
from carrack.engine.system.usage import DiskUsage, Sources
from carrack.engine.volumes.store import VolumeStore
from carrack.engine.volumes.usage import usage
from carrack.errors import CarrackError, InvalidArgument, NotFound, NotSupported
from carrack.linux.syscalls import LINUX
from carrack.model import times
from carrack.network.endpoint import ParkedVeth
from carrack.network.fabric import Fabric
from carrack.registry.client import RegistryClient
from carrack.runtime.cgroups import dynmods, realtime
from carrack.shim.client import Slot, ZygoteSettings
from carrack.storage.content import ContentStore
from carrack.storage.removal import remove_tree
from carrack.storage.snapshots.probe import choose

log = logging.getLogger(__name__)


class Services:
    """Everything that runs in the daemon, from `start` to `stop`."""

    def __init__(self, config: Config, survey: Survey) -> None:
        self._config = config
        self._survey = survey
        self._root = Path(config.data_root)
        self.jobs = Jobs()
        self.events = Events()
        self.records = survey.records
        self.paths = survey.paths
        self.facts = host_facts(config)
        self.idmaps = IdMaps(lambda uids, gids: self.slots.user_namespace(uids, gids))
        self.store = survey.store
        self.runtimes = Runtimes(config.runtimes, config.default_runtime)
        self.plugins = Plugins(config.plugin_directories)
        self.authorizer = Authorizer(self.plugins, config.authorization_plugins)
        self.meter = Meter(on=config.metrics_address is not None)

    @property
    def routes(self) -> Sequence[Route]:
        """All route tables in one."""
        return [
            *system.routes(self),
            *containers.routes(self.containers),
            *streams.routes(self.containers),
            *exec.routes(self.containers),
            *images.routes(self.images),
            *volumes.routes(self.volumes),
            *networks.routes(self.networks, self.joining.live),
            *reach.routes(diagnosis.doctor(self)),
            *builds.routes(self.builder, f"{self._config.exec_root}/build-agents"),
            *keeping.routes(self, self._config),
        ]

    @property
    def metrics_routes(self) -> Sequence[Route]:
        """What is served at `metrics-addr`."""
        return metrics.routes(self.metrics) if self.meter.on else []

    async def start(self) -> None:
        """Take up what the last daemon left."""
        await self.authorizer.change(self._config.authorization_plugins)
        self.snapshotter = await asyncio.to_thread(
            choose, self._root / "layers", Path(self._config.exec_root), LINUX, self._config.storage_driver,
            label=labels.read_only if (labels := self.facts.given.selinux) else "",
        )  # fmt: skip
        self._build_images_and_volumes()
        await self.images.start()
        self.volumes.load()
        await self._build_network()
        self._build_slots()
        self._build_containers()
        self._build_system()
        await self._take_up()

    def _build_images_and_volumes(self) -> None:
        self.volumes = VolumeStore(self._root / "volumes", self.records, self.events, self._volume_users, self.plugins)
        self.volumes.drivers.local.owner = self.facts.remap.root if self.facts.remap else (0, 0)
        self.build_cache = Cache(self.records)
        self.build_cache.load()
        self.images = Images.build(
            records=self.records,
            content=ContentStore(self._root),
            snapshotter=self.snapshotter,
            events=self.events,
            containers=self.store,
            client=RegistryClient(self._config.registry),
            remembered=self.build_cache.layers,
        )
        self.images.allow(self._config.downloads, self._config.uploads)
        self.images.keeper.rules = self._config.gc

    async def _build_network(self) -> None:
        options, pools = self._config.network, all_pools(self._config.network, engine_id(self._root))
        on_record = recorded(self.records)
        found = await predefined(self.records, on_record, look(options, pools, taken(on_record)))
        self.fabric = Fabric(table=self._config.firewall_table, stance=options.stance)
        self.networks = Networks(
            self.records, self.fabric, partial(on_network, self.store), self.events, pools=pools, usual=options.usual
        )
        self.networks.load(found, on_record)
        self.resolving = Resolving(self.store)
        self.joining = join(
            self.fabric, self.networks, self.resolving.resolver, self.store, self.events, self.paths,
            self._config.containers, self.facts.remap,
        )  # fmt: skip

    def _build_slots(self) -> None:
        config = self._config
        self.slots = SlotPool(
            ZygoteSettings(str(config.exec_root), config.cgroup_parent, sys.executable),
            self._park,
            usual_namespaces(self.facts),
            config.slots,
            self.jobs,
            usual_spec(self.facts),
            named=self.facts.cgroup_version == 2,
            remap=self.facts.remap,
            answer=self.resolving.sockets,
        )

    def _build_containers(self) -> None:
        config, store, events, paths, joining = self._config, self.store, self.events, self.paths, self.joining
        attachments = Attachments()
        execs = Execs(store, events, self.jobs, config.containers)
        self.health = health = HealthMonitors(execs, events, self.jobs)
        supervisor = Supervisor(store, joining.connector, attachments, events, self.jobs, paths, health, self.volumes)
        remover = Remover(
            store, supervisor, attachments, execs, self.volumes, self.snapshotter, events, self.jobs, paths
        )
        self.meter.timed(remover, "container", remove_ended="delete")
        starter = self._starter(attachments)
        self.containers = ContainerServices(
            store,
            self._creator(),
            Lifecycle(store, starter, supervisor, remover, attachments, events, health),
            joining.changes(store, events, self.facts.abilities),
            joining.live,
            joining.links,
            remover,
            supervisor,
            attachments,
            execs,
            Files(self.snapshotter, self.volumes, events, self.facts),
            events,
            paths,
            self._graph,
            lambda c: self.images.layers.size(c.layers),
            self._image_ids,
            config.containers.security,
        )
        self.builder = builder(self, ContentStore(self._root), attachments, starter, config)

    def _starter(self, attachments: Attachments) -> Starter:
        starter = Starter(
            self.store, self.slots, self.snapshotter, self.volumes, self.joining.connector, attachments, self.paths,
            self.facts, self.idmaps, self._config.realtime, self.runtimes,
        )  # fmt: skip
        return self.meter.timed(starter, "container", start="start")

    def _creator(self) -> Creator:
        return Creator(
            self.store, self.images.store, self.volumes, self.snapshotter, self.events, self.paths, self.facts,
            self.idmaps, self.slots.identity, self.runtimes, self.networks.find, self.images.variants.described,
        )  # fmt: skip

    def _build_system(self) -> None:
        self.info = SystemInfo(
            info_settings(self._config, self.snapshotter, self.facts, lambda: self.authorizer.names),
            counts=self.counts,
            listeners=lambda: self.events.listeners,
            api_version=versions.text(versions.CURRENT),
            minimum_api_version=versions.text(self._config.minimum_version),
            runtimes=lambda: (self.runtimes.document(), self.runtimes.default),
            volume_drivers=self.volumes.drivers.names,
        )
        self.metrics = measure.metrics(self, self.health)
        self.usage = DiskUsage(
            Sources(
                self.images.documents,
                self._container_documents,
                lambda: usage(self.volumes),
                self.builder.cache.documents,
                self._layers_size,
            )
        )

    async def _take_up(self) -> None:
        supervisor = self.containers.supervisor
        await claim(self.records, self._config.cgroup_parent)
        if any(self._config.realtime):
            await asyncio.to_thread(realtime.grant, self._config.cgroup_parent, *self._config.realtime)
        self.jobs.start(asyncio.to_thread(self._favor_dynmods), "ask for cheap moves into cgroups")
        to_start = await supervisor.restore(self._survey.ended)
        await self.fabric.setup(self.networks.plans(), self.joining.connector.existing())
        await self.slots.open()
        await self.idmaps.try_remap(self.snapshotter, self.facts.remap)
        self.joining.connector.rejoin()
        supervisor.resume()
        self.containers.execs.adopt()
        running = {c.id for c in self.store if c.state.running}
        self.jobs.start(self.volumes.holds.restore(self.volumes.recorded, running), "give volumes back")
        # Listed before anything new is made, swept beside it.
        kept = {c.id for c in self.store}
        garbage = supervisor.garbage(kept)
        keys = set(await asyncio.to_thread(self.snapshotter.keys)) - kept
        if not self.records.put_aside:  # else it may be what a damaged database told of
            self.jobs.start(self._sweep(kept, garbage, keys), "sweep what a crash left")
        self.jobs.start(keeping.janitor(self), "collect garbage by rules")
        self.jobs.start(keeping.tend(self.builder.cache), "keep the build cache small")
        if to_start:
            self.jobs.start(boot.start_all(to_start, self.store.find, self._revive), "start containers")

    async def _revive(self, c: Container) -> None:
        try:
            await self.containers.lifecycle.start(c)
        except CarrackError as error:
            log.error("container %s could not be started again: %s", c.name, error)

    async def _sweep(self, kept: set[str], garbage: list[str], keys: set[str]) -> None:
        for directory in garbage:
            await self.containers.supervisor.end_stray(directory)
            await asyncio.to_thread(shm.release, directory)
            with contextlib.suppress(FileNotFoundError):  # one that is being removed anyway
                await asyncio.to_thread(remove_tree, directory)
        for key in keys:
            await asyncio.to_thread(self.snapshotter.remove, key)
        await asyncio.to_thread(self.snapshotter.sweep, kept)
        await asyncio.to_thread(self.volumes.drivers.local.sweep)

    async def stop_containers(self, timeout: float | None) -> None:
        """A clean stop without live-restore: end every container, each within `timeout` seconds (None: no limit)."""
        running = [c for c in self.store if c.state.running]
        results = await asyncio.gather(
            *(self.containers.lifecycle.shut_down(c, timeout) for c in running), return_exceptions=True
        )
        for c, result in zip(running, results, strict=True):
            if isinstance(result, BaseException):
                log.error("container %s could not be stopped: %s", c.name, result)

    async def stop(self) -> None:
        """End the services; running containers go on."""
        for name, end in self._ends():
            try:
                if hasattr(self, name):  # a start that failed made only some of them
                    await end()
            except (OSError, CarrackError) as error:
                log.error("while stopping: %s", error)
        await self.jobs.close()
        if hasattr(self, "snapshotter"):
            running = {c.id for c in self.store if c.state.running}
            await asyncio.to_thread(self.snapshotter.sweep, running)
            if not running:
                await asyncio.to_thread(release, self.records, self._config.cgroup_parent)

    def _ends(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        return [
            ("containers", lambda: self.containers.supervisor.close()),
            ("slots", self._close_slots),
            ("resolving", lambda: self.resolving.resolver.close()),
            ("fabric", self._close_fabric),
            ("images", lambda: self.images.close()),
        ]

    def _favor_dynmods(self) -> None:
        """Have the kernel move processes between cgroups cheaply; what it takes is held until the daemon ends."""
        try:
            dynmods.favor(LINUX, self._config.cgroup_favor_dynmods, platform.release())
        except OSError as error:
            log.warning("moves into cgroups stay slow on this kernel: %s", error)

    async def _close_slots(self) -> None:
        await self.slots.close()
        self.idmaps.close()

    async def _close_fabric(self) -> None:
        if any(c.state.running for c in self.store):
            await self.fabric.close()
        else:
            await self.fabric.teardown()

    def reload(self, config: Config) -> None:
        """Take the reloadable options of `config` over."""
        self.runtimes.change(config.runtimes, config.default_runtime)
        self._config = config
        self.images.keeper.rules = config.gc
        self.builder.cache.follow(config.builder_gc)
        now = reloaded(self.info.settings, config)
        self.info.change(now)
        if config.authorization_plugins != self.authorizer.names:
            self.jobs.start(self.authorizer.take(config.authorization_plugins), "ask other authorization plugins")
        self.facts = self.facts._replace(given=config.containers)
        self.containers.creator.use(self.facts)
        self.images.allow(config.downloads, config.uploads)
        self.images.client.change(config.registry)
        self.events.publish("daemon", "reload", now.id, {"name": platform.node(), **attributes(config)})

    # -- what the services ask of each other --

    async def _park(self, slot: Slot) -> ParkedVeth:
        return await self.fabric.park(slot.netns_fd)

    def _volume_users(self, name: str) -> list[str]:
        return [c.id for c in self.store if any(point.get("Name") == name for point in c.mounts)]

    def _graph(self, c: Container) -> dict[str, Any]:
        try:
            data = {"ID": c.id, "UpperDir": str(self.snapshotter.upper(c.id))}
        except (NotFound, NotSupported):  # deleted by somebody (the next start begins afresh), or never apart (copy)
            data = {"ID": c.id}
        return {"Data": data, "Name": self.snapshotter.name}

    async def _image_ids(self, word: str) -> set[str]:
        try:
            return {(await self.images.store.resolve(word)).id}
        except (NotFound, InvalidArgument):
            return set()

    async def counts(self) -> Counts:
        """How many containers and images there are."""
        states = [c.state.status for c in self.store]
        paused, running = states.count("paused"), states.count("running") + states.count("restarting")
        return Counts(running, paused, len(states) - running - paused, len(self.images.store))

    async def _container_documents(self) -> list[dict[str, Any]]:
        now = times.now()
        rows = []
        for c in self.store:
            row = listing.row(c, now)
            row["SizeRw"] = await self.containers.files.size(c)
            row["SizeRootFs"] = row["SizeRw"] + self.containers.image_size(c)
            row.pop("ImageManifestDescriptor", None)  # Docker's has none here
            rows.append(listing.sized(row))
        return rows

    async def _layers_size(self) -> int:
        return self.images.layers.total_size()


def build(config: Config, survey: Survey) -> Services:
    """The services of one daemon, with what was found of the last; nothing runs yet."""
    return Services(config, survey)
