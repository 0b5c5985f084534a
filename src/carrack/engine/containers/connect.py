"""A container's network by its mode: the bridge, the host's, none, or another container's; and its name files.

``hosts``, ``hostname`` and ``resolv.conf`` are the engine's files, bound into the container and written in place, so
that the inode the container sees never changes. A container in another's network sees the other's files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.merge import port_key, unconnected
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.userns import Remap
from carrack.errors import CarrackError, Conflict, NotFound
from carrack.model.container import Document
from carrack.model.ports import PublishedPort
from carrack.network import sandbox_files
from carrack.network.fabric import Fabric
from carrack.network.names.client import Resolver
from carrack.network.names.view import HOST_NAMES, View
from carrack.network.plan import EndpointPlan, Existing, NetworkPlan
from carrack.oci.runtime_spec import Mount

if TYPE_CHECKING:
    from carrack.engine.containers.slots import Parked
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.events import Events

PREDEFINED = ("bridge", "host", "none")
_FAILED = "failed to set up container networking: "
FILES = {"/etc/resolv.conf": "resolv.conf", "/etc/hostname": "hostname", "/etc/hosts": "hosts"}


class Connector:
    """Connects containers that start and disconnects those that ended."""

    def __init__(
        self,
        fabric: Fabric,
        bridge: NetworkPlan,
        store: ContainerStore,
        events: Events,
        paths: Paths,
        resolver: Resolver,
        given: ContainerDefaults | None = None,
        remap: Remap | None = None,
    ) -> None:
        self._resolver = resolver
        self._remap = remap
        self._given = given or ContainerDefaults()
        self._fabric = fabric
        self._bridge = bridge
        self._store = store
        self._events = events
        self._paths = paths

    def file_mounts(self, c: Container) -> list[Mount]:
        """Binds of the name files, but where the user mounts something of his own."""
        owner = c.id
        if c.host_config["NetworkMode"].startswith("container:"):
            owner = c.host_config["NetworkMode"].removeprefix("container:")
        taken = {point["Destination"] for point in c.mounts} | set(c.host_config["Tmpfs"] or {})
        options = ["rbind", "rprivate"] + (["ro"] if c.host_config["ReadonlyRootfs"] else [])
        return [
            {"destination": target, "type": "bind", "source": self._paths.file(owner, name), "options": options}
            for target, name in FILES.items()
            if target not in taken
        ]

    def check(self, c: Container) -> None:
        """Raise NotFound for a network that there is not, Conflict for those that do not go together."""
        mode = c.host_config["NetworkMode"]
        others = (name for name in c.networking["EndpointsConfig"] if not name.startswith("container:"))
        wanted = [mode, *(name for name in others if name != mode)]
        for name in wanted:
            if name not in PREDEFINED and not name.startswith("container:"):
                raise NotFound(f"{_FAILED}network {name} not found")
        if len(wanted) > 1 and mode != "bridge":
            raise Conflict(
                f"{_FAILED}container sharing network namespace with another container or host cannot be connected "
                "to any other network"
            )
        if len(wanted) > 1:
            raise Conflict(f"{_FAILED}network {wanted[1]} cannot be joined beside the bridge")

    def prepare(self, c: Container) -> None:
        """Make the name files, so that they can be bound before the address is known (blocking)."""
        host = c.host_config
        if host["NetworkMode"].startswith("container:"):
            return
        shared = host["NetworkMode"] == "host"
        self._write(c, "hostname", sandbox_files.hostname(c.config["Hostname"]))
        self._write(c, "resolv.conf", self._resolv_conf(c))
        if shared and not host["ExtraHosts"]:
            self._write(c, "hosts", _read("/etc/hosts"))
        elif c.wants_cable:
            self._write(c, "hosts", None)  # connect does it, who knows the address
        else:
            self._write_hosts(c, None)

    def _resolv_conf(self, c: Container) -> str:
        host, given = c.host_config, self._given
        servers, search = host["Dns"] or given.dns, host["DnsSearch"] or given.dns_search
        options = host["DnsOptions"] or given.dns_options
        if c.wants_cable and given.bridge_names:
            return sandbox_files.internal_resolv_conf(_read("/etc/resolv.conf"), servers, search, options)
        shared = host["NetworkMode"] == "host"
        return sandbox_files.resolv_conf(_host_resolv_conf(), servers, search, options, same_namespace=shared)

    def _write_hosts(self, c: Container, address: str | None) -> None:
        text = sandbox_files.hosts(
            c.config["Hostname"],
            c.config["Domainname"],
            address,
            c.host_config["ExtraHosts"] or (),
            self._given.gateways or (self._bridge.subnets[0].gateway,),
        )
        self._write(c, "hosts", text)

    def _write(self, c: Container, name: str, text: str | None) -> None:
        """Write in place, for the file may be mounted; None: it need only be there. It is the container's root's."""
        path = self._paths.file(c.id, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o644)
        except FileNotFoundError:  # somebody has deleted the directory
            os.makedirs(self._paths.data(c.id), mode=0o710, exist_ok=True)
            fd = os.open(path, flags, 0o644)
        try:
            info = os.fstat(fd)
            if info.st_mode & 0o7777 != 0o644:
                os.fchmod(fd, 0o644)
            remap = self._remap if c.host_config["UsernsMode"] != "host" else None
            if (info.st_uid, info.st_gid) != (owner := remap.root if remap else (0, 0)):
                os.fchown(fd, *owner)
            if text is not None:
                data = text.encode()
                os.write(fd, data)
                if info.st_size > len(data):
                    os.ftruncate(fd, len(data))
        except OSError as error:  # a full disk
            error.filename = path
            raise
        finally:
            os.close(fd)

    async def connect(self, c: Container, parked: Parked, undo: AsyncExitStack, held: ExitStack) -> list[int]:
        """Give a starting container its network and its published ports; returns descriptors for its shim to hold.

        The descriptors are closed with ``held``; all else is undone with ``undo``.
        """
        try:
            return await self._connect(c, parked, undo, held)
        except CarrackError as error:
            raise type(error)(f"{_FAILED}{error}") from error

    async def _connect(self, c: Container, parked: Parked, undo: AsyncExitStack, held: ExitStack) -> list[int]:
        if not c.wants_cable:
            c.endpoints = self._without(c)
            c.ports = {}
            return []
        undo.push_async_callback(self._give_up, c)
        wanted = c.networking["EndpointsConfig"].get("bridge", {})
        mac = wanted.get("MacAddress") or c.config["MacAddress"] or ""
        slot = parked.slot
        found = await self._fabric.connect(
            c.id, slot.netns_fd, slot.netlink_fd, self._bridge.id, EndpointPlan(mac=mac), parked.veth
        )
        endpoint = {**unconnected("bridge")["bridge"], **found}
        c.endpoints = {"bridge": endpoint}
        self._write_hosts(c, endpoint["IPAddress"])
        published = await self._fabric.publish(
            c.id,
            published_ports(c, self._given.publish_address),
            exposed=list(c.config["ExposedPorts"] or {}),
            name=c.name,
        ) if _wants_ports(c) else None  # fmt: skip
        c.ports = dict(published.ports) if published else {}
        fds = published.fds if published else []
        for fd in fds:
            held.callback(os.close, fd)
        self._answer(c, parked.names)
        return [*fds, *parked.names]

    def _answer(self, c: Container, fds: Sequence[int]) -> None:
        """Have the container found by its names, and its questions answered (on sockets that its shim gives, if none
        are given here)."""
        if not self._given.bridge_names:
            return
        endpoint = c.endpoints["bridge"]
        names = [c.name, c.id[:12], c.config["Hostname"]]
        self._resolver.endpoint(self._bridge.id, c.id, names, [endpoint["IPAddress"]], self._bridge.name)
        gateways = self._given.gateways or (self._bridge.subnets[0].gateway,)
        servers = tuple(c.host_config["Dns"] or self._given.dns)
        view = View((self._bridge.id,), servers, bool(servers), names=dict.fromkeys(HOST_NAMES, gateways))
        self._resolver.attach(c.id, fds, view)

    def answer_again(self) -> None:
        """The same for containers that survived the last daemon."""
        for c in self._store:
            if c.shim is not None and c.endpoints.get("bridge", {}).get("IPAddress"):
                self._answer(c, ())

    def _no_answer(self, c: Container) -> None:
        self._resolver.gone(self._bridge.id, c.id)
        self._resolver.detach(c.id)

    def _without(self, c: Container) -> Document:
        """The endpoints that Docker shows of a container on the host's network or on none."""
        mode = c.host_config["NetworkMode"]
        return {} if mode == "bridge" else unconnected(mode)

    async def _give_up(self, c: Container) -> None:
        self._no_answer(c)
        await self._fabric.disconnect(c.id)
        self._publish("disconnect", c)
        self._never_connected(c)

    def announce(self, c: Container) -> None:
        """Tell that a container whose program runs is on its network."""
        if c.wants_cable:
            self._publish("connect", c)

    async def disconnect(self, c: Container) -> None:
        """Release what an ended container had; its address and ports may be given to another at once."""
        had = bool(c.endpoints.get("bridge", {}).get("IPAddress"))
        self._no_answer(c)
        await self._fabric.disconnect(c.id)
        if had:
            self._publish("disconnect", c)
        self.forget(c)

    def forget(self, c: Container) -> None:
        """Show no more addresses and ports of a container that has ended."""
        if "bridge" in c.endpoints:
            c.endpoints = {"bridge": {**c.endpoints["bridge"], **_EMPTY}}
        c.ports = {}

    def _never_connected(self, c: Container) -> None:
        """Show what a container shows before its first start, after one that failed."""
        c.endpoints = unconnected(c.host_config["NetworkMode"], c.config["MacAddress"])
        c.ports = {}

    def existing(self) -> dict[str, Existing]:
        """The endpoints of containers that survived the last daemon."""
        return {
            c.id: Existing({self._bridge.id: c.endpoints["bridge"]}, c.ports, c.state.pid)
            for c in self._store
            if c.shim is not None and c.endpoints.get("bridge", {}).get("IPAddress")
        }

    def _publish(self, action: str, c: Container) -> None:
        attributes = {"container": c.id, "name": "bridge", "type": "bridge"}
        self._events.publish("network", action, self._bridge.id, attributes)


_EMPTY: Document = {
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "MacAddress": "",
}


def _wants_ports(c: Container) -> bool:
    return bool(c.host_config["PortBindings"] or c.config["ExposedPorts"])


def published_ports(c: Container, address: str = "") -> list[PublishedPort]:
    """The ports to publish, from the bindings and, with ``-P``, every exposed one that has none.

    ``address`` is that of bindings which name none.
    """
    ports = []
    for container, bindings in (c.host_config["PortBindings"] or {}).items():
        for binding in bindings or [{"HostIp": "", "HostPort": ""}]:
            allow = tuple(binding.get("Allow") or ())
            ports.append(PublishedPort(port_key(container), binding["HostIp"] or address, binding["HostPort"], allow))
    if c.host_config["PublishAllPorts"]:
        bound = {port.container for port in ports}
        for exposed in c.config["ExposedPorts"] or {}:
            if port_key(exposed) not in bound:
                ports.append(PublishedPort(port_key(exposed), address, ""))
    return ports


def _host_resolv_conf() -> str:
    text = _read("/etc/resolv.conf")
    if sandbox_files.uses_resolved_stub(text):
        return _read(sandbox_files.RESOLVED_PATH) or text
    return text


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""
