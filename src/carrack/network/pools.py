"""Which subnet a network gets, and what is wrong with one that was asked for: pure rules, in Docker's words."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import islice

from carrack.errors import InvalidArgument

Network = IPv4Network | IPv6Network
#: (base, prefix length of the subnets cut from it)
Pool = tuple[str, int]
#: Where subnets are looked for when nothing is configured, in this order (Docker's)
DEFAULT_POOLS: tuple[Pool, ...] = (*((f"172.{n}.0.0/16", 16) for n in range(17, 32)), ("192.168.0.0/16", 20))
#: So many subnets of one pool are looked at before it counts as used up
_MOST_TRIED = 1 << 16


def ula(identity: str) -> Pool:
    """The pool of unique local IPv6 addresses (RFC 4193) of the engine of that identity: a /48 of /64s."""
    digest = hashlib.sha256(identity.encode()).digest()[:5]
    return str(ip_network((b"\xfd" + digest + bytes(10), 48))), 64


def choose(pools: Sequence[Pool], taken: Iterable[str], routes: Iterable[tuple[str, str]], version: int) -> str:
    """The first free subnet of the pools of a family: ``172.18.0.0/16``.

    ``taken`` are subnets of other networks, ``routes`` those of the host as (destination, interface). InvalidArgument
    when nothing is left.
    """
    busy = [ip_network(subnet) for subnet in taken] + [network for network, _ in _meant(routes)]
    busy = [network for network in busy if network.version == version]
    for base, size in pools:
        if ip_network(base).version == version:
            for subnet in _cut(base, size):
                if not any(subnet.overlaps(other) for other in busy):
                    return str(subnet)
    raise InvalidArgument("all predefined address pools have been fully subnetted")


def _cut(base: str, size: int) -> Iterator[Network]:
    return islice(ip_network(base).subnets(new_prefix=size), _MOST_TRIED)


def collision(subnet: str, taken: Mapping[str, str], routes: Iterable[tuple[str, str]], own: str = "") -> str:
    """What a subnet overlaps, in words; empty when nothing.

    ``taken`` are other networks' names by their subnets; routes by the interface ``own`` are the network's.
    """
    wanted = ip_network(subnet)
    for other, name in taken.items():
        if _overlap(wanted, ip_network(other)):
            return f"network {name} ({other})"
    for network, interface in _meant(routes):
        if interface != own and _overlap(wanted, network):
            return f"the host's route {network} dev {interface}"
    return ""


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one[0] <= other[-1] and other[0] <= one[-1]  # type: ignore[operator]


def _meant(routes: Iterable[tuple[str, str]]) -> Iterator[tuple[Network, str]]:
    """The routes to somewhere in particular."""
    for destination, interface in routes:
        network = ip_network(destination, strict=False)
        if network.prefixlen:
            yield network, interface


def faults(subnet: str, gateway: str = "", ip_range: str = "", reserved: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with one subnet's configuration; nothing when all is well."""
    try:
        network = ip_network(subnet)
    except ValueError:
        return [_not_a_network("subnet", subnet)]
    found = []
    if ip_range:
        found += _range_faults(ip_range, network)
    if gateway:
        found += _address_faults(f"gateway {gateway}", gateway, network)
    for name, address in (reserved or {}).items():
        found += _address_faults(f"auxiliary address {name}", address, network)
    return found


def _not_a_network(what: str, text: str) -> str:
    try:
        right = ip_network(text, strict=False)
    except ValueError:
        return f"invalid {what} {text}: invalid CIDR block notation"
    return f"invalid {what} {text}: it should be {right}"


def _range_faults(text: str, network: Network) -> list[str]:
    try:
        inner = ip_network(text)
    except ValueError:
        return [_not_a_network("ip-range", text)]
    if inner.version != network.version:
        return [f"invalid ip-range {text}: parent subnet is an IPv{network.version} block"]
    if inner.prefixlen < network.prefixlen:
        return [f"invalid ip-range {text}: CIDR block is bigger than its parent subnet {network}"]
    if not _overlap(inner, network):
        return [f"invalid ip-range {text}: parent subnet {network} doesn't contain ip-range"]
    return []


def _address_faults(what: str, text: str, network: Network) -> list[str]:
    try:
        address = ip_address(text)
    except ValueError:
        return [f"invalid {what}: invalid address"]
    if address.version != network.version:
        return [f"invalid {what}: parent subnet is an IPv{network.version} block"]
    return [] if address in network else [f"invalid {what}: parent subnet {network} doesn't contain this address"]
