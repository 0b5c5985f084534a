"""Who is on which networks, and by which of them a container leaves: pure bookkeeping."""

from dataclasses import dataclass, field
from typing import Any

from carrack.network.ipam import Addresses
from carrack.network.net import Net
from carrack.network.sublink_options import ON_LINK4, ON_LINK6


@dataclass(frozen=True, slots=True)
class Member:
    """A container's endpoint on one network; ``interface`` is its name inside, empty where it is not known."""

    net: Net
    addresses: Addresses
    priority: int
    endpoint_id: str
    interface: str = ""
    gateways: Addresses = field(default=Addresses("", ""))


#: The members by which a container leaves, of IPv4 and of IPv6
Ways = tuple[Member | None, Member | None]


class Members:
    """All endpoints, by container id and network id."""

    def __init__(self) -> None:
        self._all: dict[str, dict[str, Member]] = {}

    def add(self, container_id: str, member: Member) -> None:
        """Take one up."""
        self._all.setdefault(container_id, {})[member.net.plan.id] = member

    def pop(self, container_id: str, network_id: str) -> Member | None:
        """Forget one and return it."""
        own = self._all.get(container_id, {})
        member = own.pop(network_id, None)
        if not own:
            self._all.pop(container_id, None)
        return member

    def of(self, container_id: str) -> list[Member]:
        """The endpoints of a container, in the order they were made."""
        return list(self._all.get(container_id, {}).values())

    def get(self, container_id: str, network_id: str) -> Member | None:
        """A container's endpoint on a network."""
        return self._all.get(container_id, {}).get(network_id)

    def on(self, network_id: str) -> list[str]:
        """The containers on a network."""
        return [container_id for container_id, own in self._all.items() if network_id in own]

    def containers(self) -> list[str]:
        """All containers that are on any."""
        return list(self._all)

    def ways(self, container_id: str) -> Ways:
        """By which endpoints it leaves: of highest priority, then with both families, then by the network's name."""
        order = sorted(self.of(container_id), key=_rank)
        four = next((member for member in order if member.gateways.four), None)
        six = next((member for member in order if member.gateways.six), None)
        return four, six


def _rank(member: Member) -> tuple[int, bool, str]:
    both = bool(member.gateways.four and member.gateways.six)
    return -member.priority, not both, member.net.plan.name


def document(member: Member, mac: str) -> dict[str, Any]:
    """The operational part of the EndpointSettings that ``GET /containers/{id}/json`` shows of an endpoint."""
    net, addresses, gateways = member.net, member.addresses, member.gateways
    return {
        "NetworkID": net.plan.id,
        "EndpointID": member.endpoint_id,
        "MacAddress": mac,
        "Gateway": "" if gateways.four == ON_LINK4 else gateways.four,
        "IPAddress": addresses.four,
        "IPPrefixLen": net.prefix(addresses.four),
        "IPv6Gateway": "" if gateways.six == ON_LINK6 else gateways.six,
        "GlobalIPv6Address": addresses.six,
        "GlobalIPv6PrefixLen": net.prefix(addresses.six),
    }
