"""A host with networks, containers on them and a neighbour on its link: the scene for tests of who reaches what.

The host is the present namespace (`netns.own_network`); both families are there.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import pytest
from tests.root.netns import PATIENCE, Namespace, ask, echo

from carrack.linux import rtnetlink
from carrack.linux.netlink import Message, Netlink, attribute
from carrack.linux.portfds import on_ports
from carrack.model.ports import PublishedPort, parse_published
from carrack.network.fabric import Fabric
from carrack.network.plan import BRIDGE, EndpointPlan, NetworkPlan, Subnet
from carrack.network.publishing import Published

TABLE = f"crk-test-site-{os.getpid()}"
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
HOST6, OUTSIDE6 = "2001:db8::1", "2001:db8::2"
PREFIX = "com.docker.network.bridge."


def network(
    number: int, *, ipv6: bool = False, ipv4: bool = True, internal: bool = False, **options: str
) -> NetworkPlan:
    """A network ``netN`` on 10.231.N.0/24 and fd00:231:N::/64; options by the last part of their names."""
    subnets = [Subnet(f"10.231.{number}.0/24", f"10.231.{number}.1")] if ipv4 else []
    if ipv6:
        subnets.append(Subnet(f"fd00:231:{number}::/64", f"fd00:231:{number}::1"))
    given = {PREFIX + name: value for name, value in options.items()}
    given[PREFIX + "name"] = f"crks{os.getpid() % 100000}n{number}"
    return NetworkPlan(f"{number:064x}", f"net{number}", BRIDGE, tuple(subnets), internal, given)


def route(destination: str, gateway: str) -> Message:
    """A route to ``10.231.1.0/24`` by a neighbour (rtnetlink(7))."""
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    network, _, prefix = destination.partition("/")
    body = struct.pack("=BBBBBBBBI", family, int(prefix), 0, 0, 254, 3, 0, 1, 0)
    body += attribute(1, socket.inet_pton(family, network)) + attribute(5, socket.inet_pton(family, gateway))
    return Message(rtnetlink.RTM_NEWROUTE, 0x600, body, f"route {destination}")


class Container:
    """A namespace that is on networks."""

    def __init__(self, site: "Site", name: str) -> None:
        self.site = site
        self.name = name
        self.inside = site.held.enter_context(Namespace())
        self.endpoints: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        """Its first address of IPv4."""
        return str(self.endpoints[0]["IPAddress"])

    @property
    def address6(self) -> str:
        """Its first address of IPv6."""
        return str(self.endpoints[0]["GlobalIPv6Address"])

    async def join(self, plan: NetworkPlan) -> None:
        """Connect to one network more."""
        ends = self.inside.fd, self.inside.netlink_fd
        self.endpoints.append(await self.site.fabric.connect(self.name, *ends, plan.id, EndpointPlan()))

    async def publish(self, *ports: str | PublishedPort) -> Published:
        """Publish ports as ``-p`` has them."""
        wanted = [p for port in ports for p in (parse_published(port) if isinstance(port, str) else [port])]
        done = await self.site.fabric.publish(self.name, wanted, name=self.name)
        self.site.hold(done)
        return done

    async def republish(self, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Published:
        """Change its ports."""
        wanted = [p for port in add for p in parse_published(port)]
        done = await self.site.fabric.republish(self.name, wanted, remove, name=self.name)
        for fd in on_ports(self.site.reserved, done.gone):
            self.site.reserved.remove(fd)
            os.close(fd)
        self.site.hold(done)
        return done

    def serve(self, *ports: int, udp: bool = False) -> None:
        """Answer on ports, over both families."""
        for port in ports:
            self.site.held.enter_context(echo(self.inside, port, udp=udp, address="::"))

    def ask(self, address: str, port: int, *, udp: bool = False, timeout: float = PATIENCE) -> str | None:
        """As whom a server sees us, None when it is not reached."""
        return self.inside.run(lambda: ask(address, port, udp=udp, timeout=timeout))


class Site:
    """The host and what is around it."""

    def __init__(self, fabric: Fabric, neighbour: Namespace, held: contextlib.ExitStack) -> None:
        self.fabric = fabric
        self.neighbour = neighbour
        self.held = held
        self.reserved: list[int] = []
        held.callback(self._let_go)

    def _let_go(self) -> None:
        for fd in self.reserved:
            os.close(fd)

    async def container(self, name: str, *plans: NetworkPlan) -> Container:
        """A container that serves ports 80 and 81."""
        made = Container(self, name)
        for plan in plans:
            await made.join(plan)
        made.serve(80, 81)
        return made

    def hold(self, done: Published) -> None:
        """Keep the ports reserved, as a shim does."""
        self.reserved += done.fds

    def from_outside(self, address: str, port: int, *, udp: bool = False, timeout: float = PATIENCE) -> str | None:
        """As `Container.ask`, of the neighbour."""
        return self.neighbour.run(lambda: ask(address, port, udp=udp, timeout=timeout))

    def route_by_us(self, *destinations: str) -> None:
        """The neighbour sends what goes to these networks to the host, as an attacker on the link may."""
        with self.neighbour.netlink() as theirs:
            theirs.batch([route(d, HOST6 if ":" in d else HOST) for d in destinations])


def on_site(
    plans: Sequence[NetworkPlan],
    scene: Callable[[Site], Awaitable[None]],
    *,
    prepare: Callable[[], None] = lambda: None,
    **options: Any,
) -> None:
    """Play a scene with these networks."""

    async def play() -> None:
        with contextlib.ExitStack() as held, Namespace() as neighbour:
            join_neighbour(neighbour)
            prepare()
            fabric = Fabric(table=TABLE, **options)
            await fabric.setup(plans)
            try:
                await scene(Site(fabric, neighbour, held))
            finally:
                await fabric.teardown()

    asyncio.run(play())


def join_neighbour(neighbour: Namespace) -> None:
    """A link called ``uplink`` with addresses of both families, usable at once."""
    neighbour.run(use_at_once)
    use_at_once()
    with Netlink() as host, neighbour.netlink() as inside:
        host.batch([rtnetlink.add_veth("uplink", "eth0", neighbour.fd, 1500)])
        here, there = rtnetlink.find_link(host, "uplink"), rtnetlink.find_link(inside, "eth0")
        assert here is not None
        assert there is not None
        theirs = inside, there.index, (OUTSIDE, OUTSIDE6)
        for netlink, index, addresses in ((host, here.index, (HOST, HOST6)), theirs):
            netlink.batch([rtnetlink.set_link(index, up=True)])
            netlink.batch([rtnetlink.add_address(index, f"{a}/{64 if ':' in a else 24}") for a in addresses])
        while not rtnetlink.get_link(host, here.index).running:
            pass


def use_at_once() -> None:
    """Addresses of interfaces to come need not be asked around for, link-local ones too."""
    with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w", encoding="ascii") as switch:
        switch.write("0")


async def until(check: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for what must come about."""
    for _ in range(int(seconds * 100)):
        if check():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come about")


def places(port: str, *addresses: str) -> list[Mapping[str, str]]:
    """The bindings of a port as inspect shows them."""
    wanted: Collection[str] = addresses or ("0.0.0.0", "::")
    return [{"HostIp": address, "HostPort": port} for address in wanted]
