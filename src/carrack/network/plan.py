"""What a network and an endpoint are to be: values that the engine decides on and that the fabric carries out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from carrack.network.mappings import Passage

BRIDGE, MACVLAN, IPVLAN = "bridge", "macvlan", "ipvlan"


@dataclass(frozen=True, slots=True)
class Subnet:
    """One pool of addresses: ``subnet`` as ``172.18.0.0/16`` or ``fd00:1::/64``, without host bits.

    ``gateway`` is an address of it (empty: the network has none there); ``ip_range`` limits what is chosen for those
    who name no address; ``reserved`` are addresses of others, by name (Docker's auxiliary addresses).
    """

    subnet: str
    gateway: str = ""
    ip_range: str = ""
    reserved: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.subnet else 4


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """One network: nothing about it is left to be chosen. ``options`` are the driver's, as Docker names them."""

    id: str
    name: str
    driver: str
    subnets: tuple[Subnet, ...]
    internal: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """What a container wants of one network; what is empty is chosen.

    ``link_local``: further addresses; ``interface``: the name inside (else the next free ``ethN``); ``priority``: the
    network with the highest leads to the outside; ``sysctls``: (``net.ipv4.conf.IFNAME.forwarding``, value) pairs.
    """

    address: str = ""
    address6: str = ""
    link_local: tuple[str, ...] = ()
    mac: str = ""
    interface: str = ""
    priority: int = 0
    sysctls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Existing:
    """What a surviving container had: its endpoint documents by network id, its ports as NetworkSettings.Ports has
    them, its first process (0: none), its name for messages to others, and the neighbours that it is let through to."""

    endpoints: Mapping[str, Mapping[str, Any]]
    ports: Mapping[str, list[dict[str, Any]] | None] = field(default_factory=dict)
    pid: int = 0
    name: str = ""
    passages: tuple[Passage, ...] = ()
