"""From what a user wants of addresses to the subnets a network has: collisions, gateways, choices. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from carrack.engine.networks import pools
from carrack.engine.networks.pools import Pool, Taken
from carrack.errors import Forbidden, InvalidArgument
from carrack.model.container import Document
from carrack.network.plan import Subnet

Used = dict[str, str]
"""Who has an address, by the address."""


@dataclass(frozen=True, slots=True)
class Room:
    """What there is to choose from: pools in order, and what others have of the address space.

    ``routes`` are the host's. A network on an interface of the host (``shares_link``) has that one's own subnet."""

    pools: Sequence[Pool]
    networks: Sequence[Taken] = ()
    routes: Sequence[Taken] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """``wanted`` is IPAM.Config with all its fields, checked. ``gateways`` tells by IP version whether the driver
    needs a gateway where none is named; ``several`` whether it has more than one subnet of a version."""

    wanted: Sequence[Document]
    versions: Sequence[int]
    gateways: Mapping[int, bool]
    several: bool = False
    shares_link: bool = False


@dataclass(frozen=True, slots=True)
class Allotted:
    """``config`` is IPAM.Config as inspect shows it; ``chosen`` are the subnets that the user gave himself."""

    config: tuple[Document, ...]
    subnets: tuple[Subnet, ...]
    chosen: tuple[str, ...]


def allot(wish: Wish, room: Room) -> Allotted:
    """Give a network its subnets.

    Forbidden on a collision or more subnets than the driver has, InvalidArgument on an address that nobody can have or
    when the pools are used up.
    """
    taken = [*room.networks, *(() if wish.shares_link else room.routes)]
    config: list[Document] = []
    subnets: list[Subnet] = []
    for pool in wish.wanted:
        config.append({key: value for key, value in pool.items() if value})
        if ipaddress.ip_network(pool["Subnet"]).version in wish.versions:
            pools.refuse_overlaps(pool["Subnet"], [*taken, *(Taken(s.subnet, "this network") for s in subnets)])
            subnets.append(_subnet(pool, wish))
    chosen = tuple(subnet.subnet for subnet in subnets)
    for version in wish.versions:
        given = [subnet for subnet in subnets if subnet.version == version]
        if len(given) > 1 and not wish.several:
            raise Forbidden("bridge driver doesn't support multiple subnets")
        if not given:
            free = _free(room, version)
            gateway = str(ipaddress.ip_network(free)[1]) if wish.gateways[version] else ""
            subnets.append(Subnet(free, gateway))
            config.append({"Subnet": free, **({"Gateway": gateway} if gateway else {})})
    return Allotted(tuple(config), tuple(subnets), chosen)


def _free(room: Room, version: int) -> str:
    try:
        return pools.choose(room.pools, version, [*room.networks, *room.routes])
    except InvalidArgument:
        return pools.choose(room.pools, version, [*room.networks, *pools.but_wide(room.routes, room.pools)])


def _subnet(pool: Document, wish: Wish) -> Subnet:
    block = ipaddress.ip_network(pool["Subnet"])
    used: Used = {}
    if block.num_addresses > 2:
        used[str(block.network_address)] = "the subnet itself"
        if block.version == 4:
            used[str(block.broadcast_address)] = "its broadcasts"
    gateway = pool["Gateway"]
    if gateway:
        gateway = _claim(gateway, used, "the gateway", f"gateway ({gateway})")
    elif wish.gateways[block.version]:
        gateway = _claim(_lowest(pool["IPRange"] or pool["Subnet"], used), used, "the gateway", "gateway ()")
    reserved = {
        name: _claim(text, used, f"the auxiliary address {name}", f"secondary ip address ({name}:{text})")
        for name, text in (pool["AuxiliaryAddresses"] or {}).items()
    }
    return Subnet(pool["Subnet"], gateway, pool["IPRange"], reserved)


def _claim(text: str, used: Used, who: str, what: str) -> str:
    address = str(ipaddress.ip_address(text))
    if address in used:
        raise InvalidArgument(f"failed to allocate {what}: Address already in use: it is that of {used[address]}")
    used[address] = who
    return address


def _lowest(block: str, used: Iterable[str]) -> str:
    network = ipaddress.ip_network(block)
    for address in network:
        if str(address) not in used:
            return str(address)
    raise InvalidArgument(f"failed to allocate gateway (): no available addresses on this pool: {block} has none left")
