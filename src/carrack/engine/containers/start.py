"""Starting a container: a slot, its network, its file systems, its spec; then the program. All or nothing.

What does not depend on each other runs side by side; the record of the wanted state is on disk before the program
runs. Each step's undo stands on one stack, which is dropped only when the program runs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

from carrack.engine import device_requests, spec, storage_options
from carrack.engine.containers import hooked, joining, labelling, logconfig, rootfs, shm
from carrack.engine.containers.linking import Links
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.jobs import both
from carrack.engine.privileges import Security, capabilities, security
from carrack.engine.runtimes import OWN, Runtimes
from carrack.engine.volumes.specs import spec_mounts
from carrack.errors import Conflict, NotFound, Unavailable
from carrack.linux import apparmor, seccomp_profile
from carrack.linux.caps import last_cap
from carrack.model import times
from carrack.oci.runtime_spec import Seccomp, Spec
from carrack.runtime.cgroups.realtime import grant
from carrack.shim.client import Shim, Slot, StartFailed, StartRequest

if TYPE_CHECKING:
    from carrack.engine.containers.attach import Attachments
    from carrack.engine.containers.connect import Connector
    from carrack.engine.containers.idmaps import IdMaps
    from carrack.engine.containers.slots import Parked, SlotPool
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.userns import Remap
    from carrack.engine.volumes.store import VolumeStore
    from carrack.storage.snapshots.base import Owners, Snapshotter

_JOINABLE = {"NetworkMode": ("network", "net"), "PidMode": ("pid", "pid"), "IpcMode": ("ipc", "ipc")}


class Starter:
    """Brings one container to life."""

    def __init__(
        self,
        store: ContainerStore,
        slots: SlotPool,
        snapshotter: Snapshotter,
        volumes: VolumeStore,
        connector: Connector,
        attachments: Attachments,
        paths: Paths,
        facts: spec.HostFacts,
        idmaps: IdMaps,
        realtime: tuple[int, int] = (0, 0),
        runtimes: Runtimes | None = None,
    ) -> None:
        self._idmaps = idmaps
        self._runtimes = runtimes or Runtimes({})
        self._store = store
        self._slots = slots
        self._snapshotter = snapshotter
        self._volumes = volumes
        self._connector = connector
        self._attachments = attachments
        self._paths = paths
        self._facts = facts
        self._realtime = realtime

    async def start(self, c: Container) -> Shim:
        """Run the container's program. Raises StartFailed when it cannot be run, CarrackError for anything before."""
        await c.left()
        other = None if c.host_config["Runtime"] == OWN else self._runtimes.words(c.host_config["Runtime"])
        self._connector.check(c)
        async with AsyncExitStack() as undo:
            held = undo.enter_context(ExitStack())
            undo.push_async_callback(asyncio.to_thread, shm.remove_directory, self._paths.run(c.id))
            parked, joined = await self._slot(c, held, undo, other is not None)
            places = await self._mount_volumes(c, undo)
            mounts = [
                *spec_mounts(c, places),
                *self._connector.files.mounts(c),
                *shm.mounts(c, self._paths, self._store.find),
            ]
            cgroup = self._paths.cgroup(c.id, c.host_config["CgroupParent"])
            document = spec.build(c, self._facts, mounts, cgroup, Links(self._store).environment(c))
            opening = self._open(c, document, held)
            (root, sources), ports = await both(opening, self._connector.connect(c, parked, undo, held))
            request, fds = self._request(c, document, root, sources)
            if other is not None:
                request["runtime"] = {"words": other, "join": joined}
            request["hold_fds"] = _append(fds, ports)
            waiting = self._attachments.pending(c)
            ends = _append(fds, [sock.fileno() for sock, _ in waiting])
            request["attach"] = [
                {"fd": end, "stdin": wanted.stdin, "stdout": wanted.stdout, "stderr": wanted.stderr}
                for end, (_, wanted) in zip(ends, waiting, strict=True)
            ]
            c.state.status, c.state.started_at, c.state.pid = "running", times.now(), parked.slot.init_pid
            c.state.error, c.state.exit_code, c.state.oom_killed = "", 0, False
            shim = await self._run(c, parked.slot, request, fds)
            undo.pop_all()
            held.close()
        self._connector.announce(c)
        self._attachments.handed_over(c)
        c.shim, c.state.pid = shim, shim.pid
        return shim

    async def _mount_volumes(self, c: Container, undo: AsyncExitStack) -> dict[str, str]:
        """The directories of those volumes that have to be mounted, by name; most containers have none."""
        wanted = self._volumes.to_mount(c.mounts)
        if not wanted:
            return {}
        places = await self._volumes.holds.take(wanted, c.id)
        undo.push_async_callback(self._volumes.holds.give_back, wanted, c.id)
        return places

    async def _run(self, c: Container, slot: Slot, request: StartRequest, fds: list[int]) -> Shim:
        """Start the program beside the recording of it; one that cannot be recorded does not go on."""
        saved, shim = await asyncio.gather(self._store.save(c), slot.start(request, fds), return_exceptions=True)
        if isinstance(shim, BaseException):
            raise shim
        if isinstance(saved, BaseException):
            with contextlib.suppress(NotFound, Unavailable):  # it has ended by itself
                await shim.signal(signal.SIGKILL)
            await shim.released
            await shim.close()
            slot.abandon()
            raise saved
        return shim

    async def _slot(
        self, c: Container, held: ExitStack, undo: AsyncExitStack, for_other: bool
    ) -> tuple[Parked, list[str]]:
        """A sandbox, and what of it another runtime's container joins: that runtime makes the other namespaces."""
        names = tuple(n["type"] for n in spec.namespaces(c.host_config, self._facts))
        join = {}
        for field, (name, file) in _JOINABLE.items():
            if c.host_config[field].startswith("container:"):
                other = self._joined(c.host_config[field], file)
                join[name] = joining.open_namespace(other, file, held)
                if spec.remapped(c.host_config, self._facts) is not None:
                    joining.share_users(c, other, self._facts.remap, join, held)
        if for_other:
            names = tuple(name for name in names if name in ("user", "network"))
        parent = self._paths.parent(c.host_config["CgroupParent"])
        if any(self._realtime) and c.host_config["CgroupParent"]:
            await asyncio.to_thread(grant, parent, *self._realtime)
        try:
            parked = await self._slots.take(names, join, parent, self._connector.wants_cable(c), identity=c.id)
        except StartFailed:
            for field, (_, file) in _JOINABLE.items():
                if c.host_config[field].startswith("container:"):
                    await joining.settled(self._joined(c.host_config[field], file))
                    self._joined(c.host_config[field], file)
            raise
        held.callback(parked.let_go)
        undo.push_async_callback(_discard, parked.slot)
        if not parked.names and self._connector.wants_names(c):
            await self._slots.answer(parked)
        return parked, [*names, *join]

    def _joined(self, mode: str, file: str) -> Container:
        other = self._store.find(mode.removeprefix("container:"))
        if not other.state.running or other.shim is None or other.shim.exited.done():
            if file == "net":
                told = f"cannot join network namespace of a non running container: container {other.name}"
                raise Conflict(f"{told} is {other.state.status}")
            raise Conflict(f"failed to join {file.upper()} namespace: container {other.id} is not running")
        if file == "ipc":
            shm.check_joinable(other)
        return other

    async def _open(self, c: Container, document: Spec, held: ExitStack) -> tuple[int, dict[str, int]]:
        remap = spec.remapped(c.host_config, self._facts)
        owners = await self._idmaps.owners(remap, held)
        root, sources = await asyncio.to_thread(self._open_trees, c, document, held, remap, owners)
        await self._idmaps.map_mounts(c, remap, document["mounts"], root, sources)
        return root, sources

    def _open_trees(
        self, c: Container, document: Spec, held: ExitStack, remap: Remap | None, owners: Owners | None
    ) -> tuple[int, dict[str, int]]:
        if requests := c.host_config["DeviceRequests"]:
            device_requests.inject(document, requests, self._facts.cdi_directories)
        if document["process"].get("apparmorProfile") == apparmor.DEFAULT:
            apparmor.ensure()  # who reloads the host's profiles may have removed ours
        directory = self._paths.run(c.id)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._connector.files.prepare(c)
        shm.attach(c, self._paths, remap.root if remap else (0, 0))
        hooked.prepare(document, c, directory)
        if self._facts.given.selinux is not None:
            labelling.apply(c, document["mounts"])
        size = storage_options.limit(c.host_config.get("StorageOpt"), self._facts.given.storage_size)
        root = rootfs.open_root(self._snapshotter, c.id, c.layers, held, size, owners, c.mount_label)
        return root, rootfs.open_sources(
            document["mounts"], held, c.mounts, self._snapshotter, directory, owners, c.mount_label
        )

    def _request(
        self, c: Container, document: Any, root: int, sources: dict[str, int]
    ) -> tuple[StartRequest, list[int]]:
        fds = [root]
        indexes = {}
        for key, fd in sources.items():
            indexes[key] = len(fds)
            fds.append(fd)
        more = document["process"]["user"].get("additionalGids", ())  # those of devices
        plan: dict[str, Any] = {
            "spec": document,
            "rootfs_fd": 0,
            "source_fds": indexes,
            "user": c.config["User"],
            "groups": [*(c.host_config["GroupAdd"] or ()), *map(str, more)],
            "gate": False,
            "working_directory_create": True,
            **hooked.plan(document, c, self._paths.run(c.id)),
        }
        if c.host_config["Runtime"] != OWN:
            if (rules := seccomp_rules(c, self._facts.given.security)) is not None:
                document["linux"]["seccomp"] = rules
        elif (program := seccomp_program(c, self._facts.given.security)) is not None:
            plan["seccomp_program"] = base64.b64encode(program).decode()
        terminal = c.config["Tty"]
        height, width = c.host_config["ConsoleSize"]
        request: StartRequest = {
            "container": c.id,
            "directory": self._paths.run(c.id),
            "plan": plan,
            "cgroup": document["linux"]["cgroupsPath"],
            "stdin": c.config["OpenStdin"],
            "stdin_once": c.config["StdinOnce"],
            "terminal": terminal,
            "size": [height, width] if terminal and height and width else None,
            "log": logconfig.request(c, self._paths),
        }
        return request, fds


def seccomp_program(c: Container, usual: Security) -> bytes | None:
    """The filter of a container's processes, compiled once per profile and set of capabilities; None for none."""
    guard = security(c.host_config, usual)
    if not guard.confined:
        return None
    return seccomp_profile.program(guard.profile, frozenset(capabilities(c.host_config, last_cap())))


def seccomp_rules(c: Container, usual: Security) -> Seccomp | None:
    """The same for another runtime, which compiles it."""
    guard = security(c.host_config, usual)
    if not guard.confined:
        return None
    profile = seccomp_profile.default_profile() if guard.profile is None else seccomp_profile.parse(guard.profile)
    system = os.uname()
    held, kernel = capabilities(c.host_config, last_cap()), seccomp_profile.kernel_version(system.release)
    return seccomp_profile.resolve(profile, frozenset(held), system.machine, kernel)


def _append(fds: list[int], more: list[int]) -> list[int]:
    start = len(fds)
    fds.extend(more)
    return list(range(start, len(fds)))


async def _discard(slot: Slot) -> None:
    await asyncio.shield(slot.discard())
