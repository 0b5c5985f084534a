"""The host's side of a bridge network: one bridge interface with the gateway's address."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from carrack.errors import Conflict, InvalidArgument, Unavailable
from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network import sysctl
from carrack.network.endpoint import mac_of

_LONGEST_NAME = 15
#: Where a bridge's subnet is looked for when none is given, in this order
# A bridge keeps an MTU that was changed after it was made; any other follows its ports, and is this without any.
_MADE_MTU = 1500
DEFAULT_POOLS = tuple(f"172.{second}.0.0/16" for second in range(17, 32))


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """What a bridge network is on the host. ``address`` is the gateway with its prefix: ``172.17.0.1/16``.

    ``isolated`` keeps its containers from talking to each other but through published ports (Docker's ``icc=false``).
    """

    name: str = "carrack0"
    address: str = "172.17.0.1/16"
    mtu: int = 1500
    isolated: bool = False
    masquerade: bool = True
    ip_range: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) <= _LONGEST_NAME or set("/ \t\n:%") & set(self.name):
            raise InvalidArgument(
                f"invalid bridge name {self.name!r}: 1 to {_LONGEST_NAME} characters, no '/' or space"
            )
        try:
            interface = IPv4Interface(self.address)
        except ValueError as e:
            raise InvalidArgument(f"invalid bridge address {self.address!r}: {e}") from None
        if interface.network.prefixlen > 30 or interface.ip in _edges(interface.network):
            raise InvalidArgument(f"invalid bridge address {self.address!r}: not a host address of a usable subnet")

    @property
    def subnet(self) -> str:
        """``172.17.0.0/16``"""
        return str(IPv4Interface(self.address).network)

    @property
    def gateway(self) -> str:
        """``172.17.0.1``"""
        return self.address.partition("/")[0]

    @property
    def prefix(self) -> int:
        """``16``"""
        return IPv4Interface(self.address).network.prefixlen


def _edges(network: IPv4Network) -> tuple[object, object]:
    return network.network_address, network.broadcast_address


def ensure(netlink: Netlink, settings: BridgeSettings, sys_root: str = sysctl.PROC_SYS) -> int:
    """Make the bridge or bring the present one into shape; returns its interface index.

    Conflict when the name belongs to something else. A bridge is left without IPv6: otherwise it would take router
    advertisements from any container (CVE-2020-13401). Its MAC address follows from the gateway's, so that containers
    find it again when it had to be made anew.
    """
    link = rtnetlink.find_link(netlink, settings.name)
    if link is None:
        netlink.batch([rtnetlink.add_bridge(settings.name, _MADE_MTU, mac_of(settings.gateway))])
        link = rtnetlink.find_link(netlink, settings.name)
        if link is None:
            raise Unavailable(f"bridge {settings.name} vanished as soon as it was made")
    elif link.kind != "bridge":
        raise Conflict(f"interface {settings.name} is there already and is not a bridge: choose another bridge name")
    if sysctl.has_ipv6(sys_root):
        sysctl.ensure(sys_root, sysctl.disable_ipv6(settings.name), "1")
    _address(netlink, link.index, settings.address)
    netlink.batch([rtnetlink.set_link(link.index, up=True, mtu=settings.mtu)])
    return link.index


def damage(netlink: Netlink, settings: BridgeSettings, index: int, sys_root: str = sysctl.PROC_SYS) -> str:
    """What somebody has done to the bridge that `ensure` made, in words; empty when it is as it should be."""
    link = rtnetlink.find_link(netlink, settings.name)
    if link is None:
        return "deleted"
    if link.index != index:
        return "replaced by another of its name"
    if not link.up:
        return "put down"
    if settings.address not in rtnetlink.addresses(netlink, index):
        return f"robbed of its address {settings.address}"
    if sysctl.read(sys_root, sysctl.route_localnet(settings.name)) == "0":
        return "kept from routing 127.0.0.1"
    return ""


def _address(netlink: Netlink, index: int, wanted: str) -> None:
    present = rtnetlink.addresses(netlink, index)
    netlink.batch([rtnetlink.delete_address(index, other) for other in present if other != wanted])
    if wanted not in present:
        netlink.batch([rtnetlink.add_address(index, wanted)])


def remove(netlink: Netlink, name: str) -> None:
    """Delete the bridge; one that is gone already is no error."""
    link = rtnetlink.find_link(netlink, name)
    if link is not None:
        netlink.batch([rtnetlink.delete_link(link.index)])


def choose_address(netlink: Netlink, name: str, pools: Iterable[str] = DEFAULT_POOLS) -> str:
    """The address the bridge has already, or the first of a subnet that no route of the host overlaps."""
    link = rtnetlink.find_link(netlink, name)
    if link is not None and (present := rtnetlink.addresses(netlink, link.index)):
        return present[0]
    return free_address(pools, [route for route, _ in rtnetlink.routes(netlink) if route != "0.0.0.0/0"])


def subnets(pools: Iterable[tuple[str, int]]) -> Iterator[str]:
    """The networks that pools of (base, prefix length) are cut into, one after another.

    >>> list(subnets([("10.0.0.0/23", 24)]))
    ['10.0.0.0/24', '10.0.1.0/24']
    """
    for base, size in pools:
        yield from map(str, IPv4Network(base).subnets(new_prefix=size))


def free_address(pools: Iterable[str], routes: Iterable[str]) -> str:
    """The first host address of the first pool that overlaps none of the routes; Unavailable when all do."""
    taken = [IPv4Network(route) for route in routes]
    for pool in map(IPv4Network, pools):
        if not any(pool.overlaps(other) for other in taken):
            return f"{pool.network_address + 1}/{pool.prefixlen}"
    raise Unavailable("all predefined address pools have been fully subnetted: give the bridge an address (--bip)")
