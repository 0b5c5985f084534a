"""A starting container's networks: addresses, ports, names; and what an ended one gives back.

All endpoints or none: whatever fails, the fabric takes back what the container had. The host's network, none, and
another container's are modes of their own, which are given nothing here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

from carrack.engine.containers import endpoints, naming, networking, publishing
from carrack.engine.containers.announce import tell_network
from carrack.engine.containers.passages import Passages
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError, Conflict, Forbidden, Internal, NotFound
from carrack.model.container import Document
from carrack.network.plan import BRIDGE, EndpointPlan, Existing

if TYPE_CHECKING:
    from carrack.engine.containers.linking import Links
    from carrack.engine.containers.name_files import NameFiles
    from carrack.engine.containers.naming import Naming
    from carrack.engine.containers.slots import Parked
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.events import Events
    from carrack.engine.networks.network import Network
    from carrack.engine.networks.store import Networks
    from carrack.network.fabric import Fabric

_FAILED = "failed to set up container networking: "


class Connector:
    """Connects containers that start and disconnects those that ended."""

    def __init__(
        self,
        fabric: Fabric,
        networks: Networks,
        naming: Naming,
        links: Links,
        files: NameFiles,
        store: ContainerStore,
        events: Events,
    ) -> None:
        self._fabric = fabric
        self._networks = networks
        self._naming = naming
        self._links = links
        self.passages = Passages(fabric.doors, networks, links)
        self.files = files
        self._store = store
        self._events = events

    def check(self, c: Container) -> None:
        """Raise NotFound for a network that there is not, InvalidArgument for those that do not go together."""
        if c.host_config["NetworkMode"] == "bridge" and networking.known(self._networks.find, "bridge") is None:
            c.config = {**c.config, "NetworkDisabled": True}  # as dockerd has it without a default bridge
        try:
            if not c.config["NetworkDisabled"]:
                networking.check_together(c.host_config["NetworkMode"], c.wanted)
                for name in c.wanted:
                    network = self._networks.find(name)
                    networking.check(c.wanted[name], name, network, "")
        except CarrackError as error:
            raise type(error)(f"{_FAILED}{error}") from error
        self._links.check(c)

    def wants_cable(self, c: Container) -> bool:
        """Whether a parked cable is of use to a container that passed `check`: it leads to a bridge."""
        return c.wants_cable and any(self._networks.find(name).driver == BRIDGE for name in c.wanted)

    def wants_names(self, c: Container) -> bool:
        """Whether its questions are to be answered."""
        return self._naming.wanted(c)

    async def connect(self, c: Container, parked: Parked, undo: AsyncExitStack, held: ExitStack) -> list[int]:
        """Give a starting container its networks and its published ports; returns descriptors for its shim to hold.

        The descriptors are closed with ``held``; all else is undone with ``undo``.
        """
        try:
            return await self._connect(c, parked, undo, held)
        except CarrackError as error:
            raise type(error)(f"{_FAILED}{error}") from error

    async def _connect(self, c: Container, parked: Parked, undo: AsyncExitStack, held: ExitStack) -> list[int]:
        c.ports = {}
        if not c.wants_cable:
            c.endpoints = self._uncabled(c)
            return []
        undo.push_async_callback(self._give_up, c)
        c.endpoints = await self._endpoints(c, parked)
        await self.passages.open(c)
        self.files.hosts(c, self._links.entries(c))
        published = await self._fabric.publish(
            c.id,
            publishing.wanted(c),
            exposed=list(c.ranges[0]),
            name=c.name,
        ) if publishing.any_wanted(c) else None  # fmt: skip
        c.ports = dict(published.ports) if published else {}
        fds = published.fds if published else []
        for fd in fds:
            held.callback(os.close, fd)
        self._naming.attach(c, parked.names)
        return [*fds, *parked.names]

    async def _endpoints(self, c: Container, parked: Parked) -> dict[str, Document]:
        """Connect all networks; the parked cable serves the first bridge, whose interface is the first."""
        veth, found = parked.veth, {}
        for network in self._ordered(c):
            networking.check_joinable(network)
            wanted = c.wanted[network.name]
            cable = veth if network.driver == BRIDGE else None
            veth = None if cable is not None else veth
            plan, slot = endpoints.plan(wanted), parked.slot
            self.check_mac(c, network, plan.mac)
            with worded(c, plan):
                given = await self._fabric.connect(c.id, slot.netns_fd, slot.netlink_fd, network.id, plan, cable)
            found[network.name] = endpoints.connected(naming.shown(c, network), given)
        return dict(sorted(found.items())) if len(found) > 1 else found

    def _ordered(self, c: Container) -> list[Network]:
        if len(c.wanted) == 1:
            return [self._networks.find(name) for name in c.wanted]
        found = [self._networks.find(name) for name in networking.order(c.wanted)]
        return sorted(found, key=lambda network: network.driver != BRIDGE)

    def check_mac(self, c: Container, network: Network, mac: str) -> None:
        """Raise Forbidden for an interface's address that another has on the network: neither would be reached."""
        for other in self._store if mac else ():
            endpoint = other.endpoints.get(network.name, {})
            if other is not c and endpoint.get("EndpointID") and endpoint["MacAddress"] == mac:
                raise Forbidden(f"MAC address {mac} is in use on network {network.name}: container {other.name} has it")

    def _uncabled(self, c: Container) -> dict[str, Document]:
        """What is shown of a container without any interface: on the host's network, on none, or on no network."""
        if c.config["NetworkDisabled"]:
            return {}
        found = (self._networks.find(name) for name in c.wanted)
        return {n.name: {**naming.shown(c, n), "EndpointID": secrets.token_hex(32)} for n in found}

    async def _give_up(self, c: Container) -> None:
        self._naming.detach(c, [endpoint["NetworkID"] for endpoint in c.endpoints.values()])
        await self._fabric.disconnect(c.id)
        self._publish("disconnect", c)
        c.endpoints, c.ports = networking.shown(c.wanted), {}

    def announce(self, c: Container) -> None:
        """Tell that a container whose program runs is on its networks, also to those who are linked to it."""
        self._publish("connect", c)
        if c.wants_cable:
            self.tell_linked(c)

    def tell_linked(self, c: Container) -> None:
        """Bring /etc/hosts of those who are linked to a container up to date."""
        for source in self._links.sources(c):
            if source.state.status in ("running", "paused"):
                self.write_hosts(source)

    def write_hosts(self, c: Container, links: Sequence[str] | None = None) -> None:
        """Bring /etc/hosts of a running container up to date; ``links`` are those that it had, if they change."""
        self.files.change_hosts(c, self._links.entries(c), self._links.aliases(c, links))

    async def disconnect(self, c: Container) -> None:
        """Release what an ended container had; its addresses and ports may be given to another at once."""
        had = [e["NetworkID"] for e in c.endpoints.values() if e["IPAddress"] or e["GlobalIPv6Address"]]
        self._naming.detach(c, had)  # first: as long as its sockets are held, so are its network and its addresses
        await self._fabric.disconnect(c.id)
        if any(endpoint["EndpointID"] for endpoint in c.endpoints.values()):
            self._publish("disconnect", c)
        self.forget(c)
        self.tell_linked(c)

    def forget(self, c: Container) -> None:
        """Show no more addresses and ports of a container that has ended."""
        c.endpoints = {name: endpoints.ended(endpoint) for name, endpoint in c.endpoints.items()}
        c.ports = {}

    def existing(self) -> dict[str, Existing]:
        """The endpoints of containers that survived the last daemon, also of those that are on no network: what they
        have without a record is what a crash left."""
        found = {}
        for c in self._store:
            ours = {e["NetworkID"]: e for e in c.endpoints.values() if e["IPAddress"] or e["GlobalIPv6Address"]}
            if c.shim is not None and c.has_sandbox:
                found[c.id] = Existing(ours, c.ports, c.state.pid, c.name, self.passages.of(c))
        return found

    def rejoin(self) -> None:
        """Answer the questions of containers that survived the last daemon, on the sockets that their shims kept."""
        for c in self._store:
            if c.shim is not None and c.wants_cable:
                self._naming.attach(c, ())

    def _publish(self, action: str, c: Container) -> None:
        for name in c.endpoints:
            try:
                tell_network(self._events, action, c, self._networks.find(name))
            except NotFound:
                continue


@contextlib.contextmanager
def worded(c: Container, plan: EndpointPlan) -> Iterator[None]:
    """What cannot be given, in Docker's status: an address or the name of an interface that is another's."""
    try:
        yield
    except Conflict as failure:
        raise Forbidden(str(failure)) from failure
    except OSError as failure:
        if failure.errno == errno.EEXIST and plan.interface:
            told = f"container {c.name} has an interface {plan.interface} already: choose another name"
            raise Internal(f"failed to add an interface: {told}") from failure
        if "/proc/sys/" in str(failure.filename):
            why = (
                "is not a sysctl file" if failure.errno == errno.ENOENT else f"takes no such value: {failure.strerror}"
            )
            raise Internal(f"failed to add an interface to container {c.name}: {failure.filename} {why}") from failure
        raise
