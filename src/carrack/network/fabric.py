"""The networks of the daemon: bridges, addresses, ports and firewall behind a few asynchronous verbs.

All kernel work runs on one thread of its own, in order: nothing here is ever done by two at once, and a wait for the
kernel's network lock never stops the daemon's event loop. What a cancelled call has begun is undone by `disconnect`,
which waits its turn behind it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar

from carrack.errors import CarrackError, Internal, InvalidArgument, NotFound, NotSupported, Unavailable
from carrack.linux.linkwatch import LinkListener
from carrack.model.ports import PublishedPort
from carrack.network import cabling, endpoint, sysctl
from carrack.network.doors import Doors
from carrack.network.endpoint import ParkedVeth
from carrack.network.firewall import Firewall
from carrack.network.graves import Graves
from carrack.network.kernel import Kernel
from carrack.network.nets import Document, Nets
from carrack.network.plan import EndpointPlan, Existing, NetworkPlan
from carrack.network.publishing import Published
from carrack.network.relaying import Row
from carrack.network.sandbox import Sandbox
from carrack.network.stance import USUAL, Stance
from carrack.network.watch import TableListener, Watch

T = TypeVar("T")

_BIND_SECONDS = 0.2


class Fabric:
    """All networks of one daemon. ``table`` names its nftables table, ``sys_root`` is where /proc/sys is.
    ``stance`` says how far it goes on the host.

    Life: `setup` once; per network `create` and `remove`; per container `connect`, `publish`, in the end `disconnect`;
    `close` when the daemon ends (containers go on), `teardown` to remove everything from the host. Networks and
    containers are told by their ids.
    """

    def __init__(self, *, table: str = "carrack", sys_root: str = sysctl.PROC_SYS, stance: Stance = USUAL) -> None:
        self._table = table
        self._stance = stance
        self._sys_root = sys_root
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._graves = Graves()
        self._nets: Nets | None = None
        self._links: LinkListener | None = None
        self.doors = Doors(self._with_firewall, sys_root)
        self._watches: list[tuple[Watch, Callable[[], Awaitable[str]]]] = []

    @property
    def table(self) -> str:
        """The name of its nftables table."""
        return self._table

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def setup(self, plans: Sequence[NetworkPlan], existing: Mapping[str, Existing] | None = None) -> None:
        """Make the bridges and load the firewall, with the ports of containers that survived the last daemon.

        Conflict when a bridge's name is taken, OSError and Internal when the kernel refuses.
        """
        loop = asyncio.get_running_loop()
        nets = self._nets = await self._run(self._setup, plans, existing or {}, loop)
        self._links = LinkListener()
        rules = TableListener(self._table, nets.kernel.nftables.port_id)
        self._watches = [
            (Watch(f"nftables table {self._table}", rules, self._reassert), self._reassert),
            (Watch("the bridges", self._links, self._heal), self._heal),
        ]
        for watch, _ in self._watches:
            watch.start()
        await self._heal()  # of what was done before we listened
        for container_id in existing or ():
            self._bind_later(container_id)

    def _setup(
        self, plans: Sequence[NetworkPlan], existing: Mapping[str, Existing], loop: asyncio.AbstractEventLoop
    ) -> Nets:
        with ExitStack() as undo:
            kernel = Kernel.open(self._table, self._sys_root, self._stance)
            undo.callback(kernel.abandon)

            def tell(rows: list[Row]) -> None:
                loop.call_soon_threadsafe(kernel.tell_relay, rows)

            nets = Nets(kernel, self._sys_root, tell)
            nets.start(plans, existing)
            undo.pop_all()
        return nets

    @property
    def _open(self) -> Nets:
        if self._nets is None:
            raise Unavailable("the networks are not set up (yet, or any more)")
        return self._nets

    async def create(self, plan: NetworkPlan) -> None:
        """Make one network: bridge, addresses, rules; all of it or nothing.

        InvalidArgument for a bad option, Conflict when the bridge's name is taken, OSError when the kernel refuses.
        """
        self._graves.rest()
        await self._safe()
        await self._run(self._open.create, plan)
        self._follow()

    async def remove(self, network_id: str) -> None:
        """Take a network away. Conflict while containers are on it; one that is gone already is no error."""
        self._graves.rest()
        self._follow(but=network_id)
        try:
            await self._run(self._open.remove, network_id)
            self._graves.bury()
        finally:
            self._follow()

    async def routes(self) -> list[tuple[str, str]]:
        """(destination, interface name) of the host's routes of both families: ``("0.0.0.0/0", "eth0")``."""
        return await self._run(self._open.routes)

    async def park(self, netns_fd: int) -> ParkedVeth:
        """Make a cable into a sandbox ahead of need."""
        return await self._run(endpoint.with_own(lambda fd: cabling.park(self._open.kernel.host, fd), netns_fd))

    async def connect(
        self,
        container_id: str,
        netns_fd: int,
        netlink_fd: int,
        network_id: str,
        wanted: EndpointPlan,
        veth: ParkedVeth | None = None,
    ) -> Document:
        """Give a sandbox an interface on a network; returns the operational part of its EndpointSettings: EndpointID,
        Gateway, IPAddress, IPPrefixLen, IPv6Gateway, GlobalIPv6Address, GlobalIPv6PrefixLen, MacAddress, NetworkID.

        ``veth`` is what `park` made for this sandbox, else a pair is made now. The descriptors stay the caller's. When
        the network is the best to leave by, default routes and published ports move to it. After a failure nothing of
        the endpoint is left, but a sandbox that only starts is spoilt: `disconnect` it and throw it away.
        """
        await self._safe()

        def work(*fds: int) -> Document:
            return self._open.connect(Sandbox(*fds), container_id, network_id, wanted, veth)

        return await self._run(endpoint.with_own(work, netns_fd, netlink_fd))

    async def disconnect(
        self, container_id: str, network_id: str | None = None, *, sandbox: Sandbox | None = None
    ) -> None:
        """Take a container off a network, or off all (None) with its ports closed; one not connected is no error.

        A cable dies with its sandbox. ``sandbox`` is given when that lives on: the interface goes now, and default
        routes and published ports move to the next network.
        """
        if sandbox is None:
            await self._run(self._open.disconnect, container_id, network_id, None)
            return

        def work(*fds: int) -> None:
            self._open.disconnect(container_id, network_id, Sandbox(*fds))

        await self._run(endpoint.with_own(work, sandbox.netns_fd, sandbox.netlink_fd))

    def gateway(self, container_id: str) -> tuple[str, str]:
        """The ids of the networks by which a container leaves, of IPv4 and of IPv6; empty for none."""
        four, six = self._open.members.ways(container_id)
        return four.net.plan.id if four else "", six.net.plan.id if six else ""

    async def publish(
        self, container_id: str, mappings: Sequence[PublishedPort], *, exposed: Collection[str] = (), name: str = ""
    ) -> Published:
        """Reserve the host ports and lead them to the container's addresses; all of them or none.

        Ports only exposed are listed without a binding. Internal, in Docker's words, when a port is taken; ``name``
        is the container's, for those words.
        """
        return await self._programmed(
            container_id, name, lambda nets: nets.publish(container_id, mappings, exposed, name)
        )

    async def republish(
        self, container_id: str, add: Sequence[PublishedPort], remove: Sequence[str], *, name: str = ""
    ) -> Published:
        """Change the ports of a container that runs, all of it or nothing; the document is the whole one after.

        ``remove``: ``80/tcp``, or ``8080:80/tcp`` for one of its host ports. NotFound for one that is not published.
        """
        return await self._programmed(container_id, name, lambda nets: nets.republish(container_id, add, remove, name))

    async def _with_firewall(self, work: Callable[[Firewall], None]) -> None:
        await self._safe()
        await self._run(work, self._open.kernel.firewall)

    async def _programmed(self, container_id: str, name: str, work: Callable[[Nets], Published]) -> Published:
        try:
            await self._safe()
            published = await self._run(work, self._open)
            if published.later:
                self._bind_later(container_id)
            return published
        except (InvalidArgument, NotFound, NotSupported):
            raise
        except (CarrackError, OSError) as e:
            four, six = self._open.members.ways(container_id)
            way = four or six
            where = f"endpoint {name or container_id[:12]} ({way.endpoint_id if way else ''})"
            raise Internal(f"driver failed programming external connectivity on {where}: {e}") from e

    def _bind_later(self, container_id: str) -> None:
        """Bind the ports that were only looked up, when the start is over."""

        def bind() -> None:
            if self._nets is not None:
                self._thread.submit(self._nets.publisher.bind, container_id)

        asyncio.get_running_loop().call_later(_BIND_SECONDS, bind)

    async def _reassert(self) -> str:
        changed = await self._run(self._open.reassert)
        return f"nftables table {self._table} was changed" if changed else ""

    async def _heal(self) -> str:
        damage = await self._run(self._open.mend)
        self._follow()
        return damage

    def _follow(self, but: str = "") -> None:
        if self._links is not None:
            self._links.follow(self._open.indices(but))

    async def _safe(self) -> None:
        """Nothing starts behind a firewall that has holes: mend it first, or fail."""
        for watch, mend in self._watches:
            if watch.alarmed:
                await mend()

    async def close(self) -> None:
        """Stop watching and let go of the sockets; bridges, rules and containers stay as they are."""
        await self._stop_watching()
        if self._nets is not None:
            kernel, self._nets = self._nets.kernel, None
            await self._run(kernel.close)
            if kernel.relays is not None:
                kernel.relays.close()
        self._thread.shutdown()
        await self._graves.close()

    async def teardown(self) -> None:
        """Remove bridges and rules from the host, then `close`; harmless when nothing was set up.

        Forwarding goes off if it was us who needed it, and nobody else seems to by now.
        """
        await self._stop_watching()
        if self._nets is not None:
            await self._run(self._nets.remove_all)
            if self._nets.kernel.relays is not None:
                self._nets.kernel.relays.close(for_good=True)
        await self.close()

    async def _stop_watching(self) -> None:
        for watch, _ in self._watches:
            await watch.stop()
        self._watches, self._links = [], None
