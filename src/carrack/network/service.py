"""The default network of the daemon: bridge, addresses, ports and firewall behind a few asynchronous verbs.

All kernel work runs on one thread of its own, in order: nothing here is ever done by two at once, and a wait for the
kernel's network lock never stops the daemon's event loop. What a cancelled call has begun is undone by `disconnect`,
which waits its turn behind it.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from carrack.errors import CarrackError, Internal, InvalidArgument, NotSupported, Unavailable
from carrack.linux.conntrack import Conntrack
from carrack.linux.linkwatch import LinkListener
from carrack.linux.netlink import Netlink
from carrack.linux.nft_expressions import DROP
from carrack.linux.nftables import Nftables
from carrack.linux.rtnetlink import mac_bytes
from carrack.model.ports import PublishedPort
from carrack.network import bridge, endpoint, flows, sysctl
from carrack.network.bridge import BridgeSettings
from carrack.network.cabling import Cabling
from carrack.network.endpoint import ParkedVeth
from carrack.network.firewall import Firewall
from carrack.network.holder import Holder
from carrack.network.ipam import AddressPool
from carrack.network.ports import PortAllocator, Reservation
from carrack.network.rules import GUARD, PortMapping
from carrack.network.watch import TableListener, Watch

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
Document = dict[str, Any]
PortsDocument = dict[str, list[dict[str, str]] | None]


@dataclass(frozen=True, slots=True)
class Published:
    """``ports`` as NetworkSettings.Ports has it; ``fds``, few for any number of ports, reserve them for the caller."""

    ports: PortsDocument
    fds: list[int]


@dataclass(frozen=True, slots=True)
class Existing:
    """What a surviving container had: its endpoint document, its ports document, and its first process (0: none)."""

    endpoint: Document
    ports: PortsDocument
    pid: int = 0


@dataclass(frozen=True, slots=True)
class _Kernel:
    """The sockets to the kernel, and the firewall that speaks over one of them."""

    host: Netlink
    nftables: Nftables
    conntrack: Conntrack
    firewall: Firewall

    @classmethod
    def open(cls, table: str) -> "_Kernel":
        with ExitStack() as undo:
            host = undo.enter_context(Netlink())
            nftables = Nftables()
            undo.callback(nftables.close)
            conntrack = Conntrack()
            undo.pop_all()
        return cls(host, nftables, conntrack, Firewall(nftables, table))

    def close(self) -> None:
        for socket in (self.host, self.nftables, self.conntrack):
            socket.close()


@dataclass(slots=True)
class _Attachment:
    address: str
    ports: list[tuple[str, str, int]] = field(default_factory=list)


class BridgeNetwork:
    """One bridge network. ``table`` names its nftables table, ``sys_root`` is where /proc/sys is.

    Life: `setup` once; per container `connect`, `publish`, in the end `disconnect`; `close` when the daemon ends
    (containers go on), `teardown` to remove everything from the host.
    """

    def __init__(
        self, settings: BridgeSettings, network_id: str, *, table: str = "carrack", sys_root: str = sysctl.PROC_SYS
    ) -> None:
        self.settings = settings
        self.network_id = network_id
        self._table = table
        self._sys_root = sys_root
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._pool = AddressPool(settings.subnet, settings.gateway, settings.ip_range)
        self._ports = PortAllocator(sys_root)
        self._attached: dict[str, _Attachment] = {}
        self._cabling = Cabling(settings, sys_root)
        self._kernel: _Kernel | None = None
        self._links: LinkListener | None = None
        self._watches: list[tuple[Watch, Callable[[], Awaitable[str]]]] = []

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def setup(self, existing: Mapping[str, Existing] | None = None) -> None:
        """Make the bridge and load the firewall, with the ports of containers that survived the last daemon.

        The order is one of failing closed: forwarding and 127.0.0.1's routing are switched on only behind the rules.
        Conflict when the bridge's name is taken, OSError and Internal when the kernel refuses.
        """
        kernel = await self._run(self._setup, existing or {})
        self._kernel = kernel
        self._links = LinkListener()
        rules = TableListener(self._table, kernel.nftables.port_id)
        self._watches = [
            (Watch(f"nftables table {self._table}", rules, self._reassert), self._reassert),
            (Watch(f"bridge {self.settings.name}", self._links, self._heal), self._heal),
        ]
        for watch, _ in self._watches:
            watch.start()
        await self._heal()  # of what was done before we listened

    def _setup(self, existing: Mapping[str, Existing]) -> _Kernel:
        with ExitStack() as undo:
            kernel = _Kernel.open(self._table)
            undo.callback(kernel.close)
            self._cabling.lay(kernel.host)
            self._take_in(kernel, existing)
            closed = sysctl.read(self._sys_root, sysctl.IP_FORWARD) == "0"
            kernel.firewall.install([self.settings], guard=closed or kernel.firewall.guarded())
            sysctl.ensure(self._sys_root, sysctl.IP_FORWARD, "1")
            self._cabling.open_loopback()
            undo.pop_all()
        _warn_of_others(kernel.firewall)
        return kernel

    @property
    def _open(self) -> _Kernel:
        if self._kernel is None:
            raise Unavailable(f"network {self.settings.name} is not set up (yet, or any more)")
        return self._kernel

    async def restore(self, existing: Mapping[str, Existing]) -> None:
        """Take in containers that survived the last daemon: addresses and ports are theirs again, rules reloaded."""
        await self._run(self._restore, existing)

    def _restore(self, existing: Mapping[str, Existing]) -> None:
        self._take_in(self._open, existing)
        rules = self._open.firewall.rule_set
        self._open.firewall.install(rules.bridges, guard=rules.guard)

    def _take_in(self, kernel: _Kernel, existing: Mapping[str, Existing]) -> None:
        self._cabling.take_in(kernel.host, {container_id: past.pid for container_id, past in existing.items()})
        for container_id, past in existing.items():
            self._adopt(kernel.firewall, container_id, past)

    def _adopt(self, firewall: Firewall, container_id: str, past: Existing) -> None:
        address = str(past.endpoint["IPAddress"])
        try:
            self._pool.allocate(address)
        except CarrackError as e:
            _LOG.warning("container %s stays without its ports: %s", container_id, e)
            return
        found = [
            (protocol, place["HostIp"], int(place["HostPort"]), int(number))
            for container, places in past.ports.items()
            for number, _, protocol in [container.partition("/")]
            for place in places or ()
        ]
        for protocol, host_ip, port, _ in found:
            self._ports.adopt(protocol, host_ip, port)
        mappings = [PortMapping(kind, ip, port, address, number) for kind, ip, port, number in found]
        firewall.adopt(container_id, mappings)
        self._attached[container_id] = _Attachment(address, [(kind, ip, port) for kind, ip, port, _ in found])

    async def park(self, netns_fd: int) -> ParkedVeth:
        """Make a cable into a sandbox ahead of need."""
        return await self._run(endpoint.with_own(self._park, netns_fd))

    def _park(self, netns_fd: int) -> ParkedVeth:
        return endpoint.park(self._open.host, netns_fd, f"veth{secrets.token_hex(4)[:7]}")

    async def connect(
        self,
        container_id: str,
        netns_fd: int,
        netlink_fd: int,
        veth: ParkedVeth | None = None,
        *,
        address: str | None = None,
        mac: str | None = None,
    ) -> Document:
        """Give a sandbox an address on the bridge; returns its EndpointSettings as inspect shows them.

        ``veth`` is what `park` made for this sandbox, else a pair is made now. The descriptors stay the caller's.
        After any failure the sandbox is spoilt: call `disconnect` and throw it away.
        """
        await self._safe()
        return await self._run(endpoint.with_own(self._connect, netns_fd, netlink_fd), container_id, veth, address, mac)

    def _connect(
        self,
        netns_fd: int,
        netlink_fd: int,
        container_id: str,
        veth: ParkedVeth | None,
        wanted: str | None,
        mac: str | None,
    ) -> Document:
        if container_id in self._attached:
            raise Internal(f"container {container_id} is connected to {self.settings.name} already")
        if mac is not None:
            _check_mac(mac)
        with ExitStack() as undo:
            address = str(self._pool.allocate(wanted))
            undo.callback(self._pool.release, address)
            cable = veth or self._park(netns_fd)
            found = self._cabling.plug(self._open.host, netlink_fd, container_id, cable, address, mac)
            undo.pop_all()
        self._attached[container_id] = _Attachment(address)
        return endpoint_document(self.settings, self.network_id, address, found)

    async def publish(
        self,
        container_id: str,
        endpoint: Document,
        mappings: Sequence[PublishedPort],
        *,
        exposed: Collection[str] = (),
        name: str = "",
    ) -> Published:
        """Reserve the host ports and lead them to the container; all of them or none.

        Ports only exposed are listed without a binding. Internal, in Docker's words, when a port is taken; ``name``
        is the container's, for those words.
        """
        try:
            await self._safe()
            return await self._run(self._publish, container_id, endpoint, mappings, exposed)
        except (InvalidArgument, NotSupported):
            raise
        except (CarrackError, OSError) as e:
            where = f"endpoint {name or container_id[:12]} ({endpoint['EndpointID']})"
            raise Internal(f"driver failed programming external connectivity on {where}: {e}") from e

    def _publish(
        self, container_id: str, endpoint: Document, wanted: Sequence[PublishedPort], exposed: Collection[str]
    ) -> Published:
        ports: PortsDocument = dict.fromkeys(exposed)
        mappings = []
        with ExitStack() as undo:
            held = Holder()
            undo.callback(held.close)
            for port in wanted:
                number, _, protocol = port.container.partition("/")
                got = self._ports.reserve(protocol, port.host_ip, port.host_port)
                undo.callback(self._ports.release, got.protocol, got.host_ip, got.port)
                held.add(got.fd)
                mappings.append(PortMapping(protocol, got.host_ip, got.port, endpoint["IPAddress"], int(number)))
                ports[port.container] = [*(ports.get(port.container) or ()), _binding(got)]
            published = self._open.firewall.publish(container_id, mappings)
            undo.callback(self._open.firewall.withdraw, container_id)
            fds = held.take()
            undo.pop_all()
        flows.begin(self._open.conntrack, published)
        attached = self._attached[container_id]
        attached.ports += [(mapping.protocol, mapping.host_ip, mapping.host_port) for mapping in mappings]
        return Published(ports, fds)

    async def disconnect(self, container_id: str, *, sandbox_lives: bool = False) -> None:
        """Close the container's ports and take its address back; one that is not connected is no error.

        The cable dies with its sandbox; it is cut here only when the sandbox lives on.
        """
        await self._run(self._disconnect, container_id, sandbox_lives)

    def _disconnect(self, container_id: str, sandbox_lives: bool) -> None:
        attached = self._attached.pop(container_id, None)
        if attached is None:
            return
        with ExitStack() as each:
            each.callback(self._pool.release, attached.address)
            for port in attached.ports:
                each.callback(self._ports.release, *port)
            each.callback(self._cabling.pull, container_id, self._open.host if sandbox_lives else None)
            each.callback(self._withdraw, container_id)

    def _withdraw(self, container_id: str) -> None:
        flows.end(self._open.conntrack, self._open.firewall.withdraw(container_id))

    async def _reassert(self) -> str:
        return "changed" if await self._run(self._open.firewall.restore) else ""

    async def _heal(self) -> str:
        damage = await self._run(self._mend)
        if self._links is not None:
            self._links.follow(self._cabling.index)
        return damage

    def _mend(self) -> str:
        """Bring the bridge, the cables on it and the host's forwarding into shape; what was wrong, in words."""
        kernel = self._open
        damage = self._cabling.restore(kernel.host)
        if sysctl.read(self._sys_root, sysctl.IP_FORWARD) == "0":
            damage = damage or "cut off (IP forwarding was switched off)"
            if not kernel.firewall.rule_set.guard:  # somebody wants this host to be no router
                kernel.firewall.install(kernel.firewall.rule_set.bridges, guard=True)
            sysctl.ensure(self._sys_root, sysctl.IP_FORWARD, "1")
        return damage

    async def _safe(self) -> None:
        """Nothing starts behind a firewall that has holes: mend it first, or fail."""
        for watch, mend in self._watches:
            if watch.alarmed:
                await mend()

    async def close(self) -> None:
        """Stop watching and let go of the sockets; bridge, rules and containers stay as they are."""
        await self._stop_watching()
        if self._kernel is not None:
            await self._run(self._kernel.close)
            self._kernel = None
        self._thread.shutdown()

    async def teardown(self) -> None:
        """Remove bridge and rules from the host, then `close`; harmless when nothing was set up.

        Forwarding goes off if it was us who needed it, and nobody else seems to by now.
        """
        await self._stop_watching()
        if self._kernel is not None:
            await self._run(self._teardown, self._kernel)
        await self.close()

    async def _stop_watching(self) -> None:
        for watch, _ in self._watches:
            await watch.stop()
        self._watches, self._links = [], None

    def _teardown(self, kernel: _Kernel) -> None:
        bridge.remove(kernel.host, self.settings.name)
        if kernel.firewall.rule_set.guard:
            if others := kernel.firewall.others_forwarding():
                _LOG.warning("IP forwarding stays on: nftables chains %s may need it", ", ".join(sorted(others)))
            else:
                sysctl.ensure(self._sys_root, sysctl.IP_FORWARD, "0")
        kernel.firewall.uninstall()


def _warn_of_others(firewall: Firewall) -> None:
    """What another firewall drops stays dropped; who wonders why finds it in the log."""
    for chain, policy in firewall.others_forwarding().items():
        if policy == DROP and not chain.endswith(f" {GUARD.name}"):
            _LOG.warning("nftables chain ip %s drops what it does not accept, container traffic too", chain)


def _binding(reservation: Reservation) -> dict[str, str]:
    return {"HostIp": reservation.host_ip, "HostPort": str(reservation.port)}


def _check_mac(text: str) -> None:
    try:
        first = mac_bytes(text)[0]
    except ValueError:
        raise InvalidArgument(f"invalid MAC address: {text}") from None
    if first & 1:
        raise InvalidArgument(f"invalid MAC address: {text} is a multicast address")


def endpoint_document(settings: BridgeSettings, network_id: str, address: str, mac: str) -> Document:
    """The EndpointSettings of a connected container, as ``GET /containers/{id}/json`` shows them."""
    return {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "MacAddress": mac,
        "DriverOpts": None,
        "GwPriority": 0,
        "NetworkID": network_id,
        "EndpointID": secrets.token_hex(32),
        "Gateway": settings.gateway,
        "IPAddress": address,
        "IPPrefixLen": settings.prefix,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }
