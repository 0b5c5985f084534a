"""Networks by name, a fabric of addresses and ports only, and a resolver that remembers what it was told."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carrack.engine.containers.publishing import host_ports
from carrack.errors import NotFound
from carrack.model.container import Document
from carrack.model.ports import PublishedPort
from carrack.network.mappings import Passage
from carrack.network.names.view import View
from carrack.network.plan import EndpointPlan, Subnet
from carrack.network.publishing import Published

INNER = "3" * 64


@dataclass(frozen=True)
class Network:
    """What is asked of a network."""

    id: str
    name: str
    driver: str
    created: int = 0
    chosen_subnets: tuple[str, ...] = ()
    config_only: bool = False
    internal: bool = False
    subnets: tuple[Subnet, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


class FakeNetworks:
    """The predefined networks, and ``front``, ``back`` and ``inner`` of the user's own."""

    def __init__(self) -> None:
        chosen = ("10.77.0.0/24",)
        self.all = [
            Network("b" * 64, "bridge", "bridge", 0, chosen_subnets=("172.17.0.0/16",)),
            Network("a" * 64, "host", "host", 0),
            Network("0" * 64, "none", "null", 0),
            Network("1" * 64, "front", "bridge", 0, chosen_subnets=chosen),
            Network("2" * 64, "back", "bridge", 0),
            Network(INNER, "inner", "bridge", 0, internal=True),
        ]

    def find(self, term: str) -> Network:
        for network in self.all:
            if term == network.name or network.id.startswith(term):
                return network
        raise NotFound(f"network {term} not found")

    def remove(self, name: str) -> None:
        self.all = [network for network in self.all if network.name != name]


class FakeResolver:
    """What containers are called where, and what each sees."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}
        self.names: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...], str]] = {}
        self.attached: list[int] = []

    def sockets(self, netns_fd: int) -> list[int]:
        return [os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC) for _ in range(2)]

    def attach(self, container_id: str, fds: Sequence[int], view: View) -> None:
        self.attached.append(len(fds))
        self.views[container_id] = view

    def change(self, container_id: str, view: View) -> None:
        if container_id in self.views:
            self.views[container_id] = view

    def detach(self, container_id: str) -> None:
        self.views.pop(container_id, None)

    def endpoint(
        self, network_id: str, container_id: str, names: Sequence[str], addresses: Sequence[str], network: str = ""
    ) -> None:
        self.names[network_id, container_id] = tuple(names), tuple(addresses), network

    def gone(self, network_id: str, container_id: str) -> None:
        self.names.pop((network_id, container_id), None)


class FakeDoors:
    """Which neighbours' ports are open to a container."""

    def __init__(self) -> None:
        self.open: dict[str, Sequence[Passage]] = {}

    async def let_through(self, container_id: str, passages: Sequence[Passage]) -> None:
        self.open[container_id] = passages


class FakeFabric:
    """The first endpoint on a network has the address .2 there. ``failure`` is of the next publishing, ``broken`` of
    the next disconnection, ``refusal`` of the next connection."""

    def __init__(self) -> None:
        self.doors = FakeDoors()
        self.connected: dict[str, dict[str, Document]] = {}
        self.wanted: list[EndpointPlan] = []
        self.cables: list[object] = []
        self.ports: dict[str, Document] = {}
        self.failure: Exception | None = None
        self.broken: Exception | None = None
        self.refusal: Exception | None = None

    async def connect(
        self, identity: str, netns: int, netlink: int, network: str, wanted: EndpointPlan, veth: object = None
    ) -> Document:
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal
        self.wanted.append(wanted)
        self.cables.append(veth)
        number = 2 + sum(network in own for own in self.connected.values())
        prefix = "172.17.0" if network == "b" * 64 else f"10.77.{network[0]}"
        endpoint = {"NetworkID": network, "EndpointID": "e" * 64, "MacAddress": wanted.mac or "02:42:ac:11:00:02",
                    "IPAddress": wanted.address or f"{prefix}.{number}", "IPPrefixLen": 16,
                    "Gateway": "" if network == INNER else f"{prefix}.1",
                    "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0}  # fmt: skip
        self.connected.setdefault(identity, {})[network] = endpoint
        return endpoint

    async def publish(
        self, identity: str, ports: Sequence[PublishedPort], *, exposed: Collection[str] = (), name: str = ""
    ) -> Published:
        self.ports[identity] = dict.fromkeys(exposed)
        return await self.republish(identity, ports, ())

    async def republish(
        self, identity: str, add: Sequence[PublishedPort], remove: Sequence[str], *, name: str = ""
    ) -> Published:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        before = shown = dict[str, Any](self.ports.get(identity, {}))
        for word in remove:
            host, _, port = word.rpartition(":")
            left = [place for place in shown.get(port) or () if host and place["HostPort"] != host]
            shown = {**shown, port: left} if left else {key: one for key, one in shown.items() if key != port}
        fds = []
        for one in add:
            place = {"HostIp": one.host_ip or "0.0.0.0", "HostPort": one.host_port or "49153"}
            shown[one.container] = [*(shown.get(one.container) or ()), place]
            fds.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        self.ports[identity] = shown
        gone = tuple(place for place in host_ports(before) if place not in host_ports(shown))
        return Published(shown, fds, gone=gone)

    async def disconnect(self, identity: str, network: str | None = None, *, sandbox: object = None) -> None:
        own = self.connected.get(identity, {})
        own.pop(network or "", None)
        if network is None or not own:
            self.connected.pop(identity, None)
            self.ports.pop(identity, None)
        if self.broken is not None:
            broken, self.broken = self.broken, None
            raise broken
