"""What one container may see of the names around it, as the daemon decides it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from carrack.network.names.packet import wire_name

#: names of the host that the container runs on, as Docker Desktop has them
HOST_NAMES = ("host.docker.internal", "gateway.docker.internal")


@dataclass(frozen=True, slots=True)
class View:
    """``networks``: ids, the one whose names come first ahead. ``servers``: who is asked for all other names, when
    ``own_servers`` (given by ``--dns``, asked from inside the sandbox); else the host's are, as they stand in its
    resolv.conf when they are needed, unless the container cannot reach the ``outside`` (internal networks only): then
    nobody is asked. ``names``: names of this container only (links, the host's), each with its addresses.
    """

    networks: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    own_servers: bool = False
    outside: bool = True
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def message(self) -> tuple[object, ...]:
        """As wire.py has it. ValueError for an address that is none."""
        names = {}
        for name, addresses in self.names.items():
            if (key := wire_name(name)) is not None:
                names[key] = packed(addresses)
        return self.networks, self.servers, self.own_servers, self.outside, names


def packed(addresses: tuple[str, ...]) -> tuple[bytes, ...]:
    """Addresses as bytes; a prefix length is left out, and so is what is empty."""
    return tuple(ip_address(address.partition("/")[0]).packed for address in addresses if address)
