"""The host's side of a bridge network: one bridge interface with the gateway's addresses."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_interface

from carrack.errors import Conflict, InvalidArgument, Unavailable
from carrack.linux import rtnetlink, rtnetlink_kinds
from carrack.linux.netlink import Message, Netlink
from carrack.network import sysctl
from carrack.network.endpoint import mac_of

_LONGEST_NAME = 15
# A bridge keeps an MTU that was changed after it was made; any other follows its ports, and is this without any.
_MADE_MTU = 1500
#: How a network's own addresses meet the outside (``gateway_mode4``, ``gateway_mode6``): translated; translated, and
#: open to whoever routes to them; routed, with published ports open; not at all, without an address of the host
NAT, UNPROTECTED, ROUTED, ISOLATED = "nat", "nat-unprotected", "routed", "isolated"
GATEWAY_MODES = (NAT, UNPROTECTED, ROUTED, ISOLATED)


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """What a bridge network is on the host. ``address`` is the gateway with its prefix: ``172.17.0.1/16``; ``address6``
    the same for IPv6. Either is empty where the network lacks that family.

    ``isolated`` keeps its containers from talking to each other but through published ports (Docker's ``icc=false``),
    ``internal`` from talking to anything outside it. ``masquerade`` and ``masquerade6``: who leaves is seen under the
    host's address, or under ``source4`` and ``source6`` where given. ``host_binding`` is the address of published ports
    that name none. Who comes in by one of ``trusted_interfaces`` may address containers directly. ``inhibit_ipv4``
    leaves the bridge without its IPv4 address. Interfaces inside are called ``interface_prefix`` and a number. A
    ``lent`` bridge is left behind when it was there before.
    """

    name: str = "carrack0"
    address: str = "172.17.0.1/16"
    mtu: int = 1500
    isolated: bool = False
    masquerade: bool = True
    ip_range: str | None = None
    address6: str = ""
    internal: bool = False
    gateway_mode4: str = NAT
    gateway_mode6: str = NAT
    masquerade6: bool = True
    source4: str = ""
    source6: str = ""
    host_binding: str = ""
    trusted_interfaces: tuple[str, ...] = ()
    inhibit_ipv4: bool = False
    interface_prefix: str = "eth"
    lent: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) <= _LONGEST_NAME or set("/ \t\n:%") & set(self.name):
            raise InvalidArgument(
                f"invalid bridge name {self.name!r}: 1 to {_LONGEST_NAME} characters, no '/' or space"
            )
        if self.address or not self.address6:
            _check(self.address, 4)
        if self.address6:
            _check(self.address6, 6)

    @property
    def subnet(self) -> str:
        """``172.17.0.0/16``; empty without IPv4."""
        return _network(self.address) if self.address else ""

    @property
    def subnet6(self) -> str:
        """``fd00:1::/64``; empty without IPv6."""
        return _network(self.address6) if self.address6 else ""

    @property
    def gateway(self) -> str:
        """``172.17.0.1``; empty without IPv4."""
        return self.address.partition("/")[0]

    @property
    def gateway6(self) -> str:
        """``fd00:1::1``; empty without IPv6."""
        return self.address6.partition("/")[0]

    @property
    def prefix(self) -> int:
        """``16``"""
        return int(self.address.partition("/")[2] or 0)

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """What the host's interface has: none of a family whose mode is ``isolated``."""
        four = self.address if self.gateway_mode4 != ISOLATED and not self.inhibit_ipv4 else ""
        six = self.address6 if self.gateway_mode6 != ISOLATED else ""
        return tuple(filter(None, (four, six)))


@functools.lru_cache(1024)  # asked for many times as a daemon starts, and of every network
def _network(address: str) -> str:
    return str(ip_interface(address).network)


def _check(address: str, version: int) -> None:
    try:
        interface = ip_interface(address)
    except ValueError as e:
        raise InvalidArgument(f"invalid bridge address {address!r}: {e}") from None
    network = interface.network
    edges = (network.network_address, network.broadcast_address) if network.num_addresses > 2 else ()
    usable = network.version == version and (version == 4 or network.num_addresses > 1)  # a /32 has the gateway alone
    if not usable or interface.ip in edges[: 2 if version == 4 else 1]:
        raise InvalidArgument(f"invalid bridge address {address!r}: not a host address of a usable subnet")


def ensure(netlink: Netlink, settings: BridgeSettings, sys_root: str = sysctl.PROC_SYS, mark: str = "") -> int:
    """Make the bridge or bring the present one into shape; returns its interface index.

    Conflict when the name belongs to something else. A bridge of ours carries ``mark`` as its note. It is left without
    IPv6 unless its network has it: otherwise it would take router advertisements from any container (CVE-2020-13401),
    which it never does. Its MAC address follows from the gateway's, so that containers find it again when it had to be
    made anew.
    """
    link, new = rtnetlink.find_link(netlink, settings.name), False
    if link is None:
        new, mac = True, mac_of(settings.gateway or settings.gateway6)
        made = [rtnetlink.add_bridge(settings.name, _MADE_MTU, mac)]
        netlink.batch(made + ([rtnetlink_kinds.mark(settings.name, mark)] if mark else []))
        link = rtnetlink.find_link(netlink, settings.name)
        if link is None:
            raise Unavailable(f"bridge {settings.name} vanished as soon as it was made")
    elif link.kind != "bridge":
        raise Conflict(f"interface {settings.name} is there already and is not a bridge: choose another bridge name")
    elif mark and link.alias != mark and not settings.lent:
        netlink.batch([rtnetlink_kinds.mark(settings.name, mark)])
    theirs = settings.lent and link.alias != mark
    _switch_ipv6(settings, sys_root, theirs=theirs)
    present = [] if new else rtnetlink.addresses(netlink, link.index)
    changes = _addressing(link.index, present, settings, theirs=theirs)
    if settings.isolated and can_filter(sys_root):
        changes.append(rtnetlink.filter_bridge(link.index))
    if not link.up or link.mtu != settings.mtu:
        changes.append(rtnetlink.set_link(link.index, up=True, mtu=settings.mtu))
    netlink.batch(changes)
    return link.index


def can_filter(sys_root: str) -> bool:
    """Whether the IP firewall can keep the containers of a bridge apart (br_netfilter), so that its ports need not.

    It must where it can: a published port of a neighbour is then reached over the bridge, which isolated ports forbid.
    """
    return sysctl.read(sys_root, sysctl.BRIDGE_FILTER) is not None


def _switch_ipv6(settings: BridgeSettings, sys_root: str, *, theirs: bool) -> None:
    if not sysctl.has_ipv6(sys_root):
        if settings.address6:
            raise Unavailable(f"this kernel has no IPv6: bridge {settings.name} cannot have {settings.address6}")
        return
    if not settings.address6 and sysctl.read(sys_root, sysctl.disable_ipv6(settings.name)) is None:
        return  # the kernel takes IPv6 from an interface of less than 1280 bytes
    sysctl.ensure(sys_root, sysctl.accept_ra(settings.name), "0")
    if settings.address6:
        sysctl.ensure(sys_root, sysctl.accept_dad(settings.name), "0")  # or its first second finds no container
    if settings.address6 or not theirs:
        sysctl.ensure(sys_root, sysctl.disable_ipv6(settings.name), "0" if settings.address6 else "1")


def damage(netlink: Netlink, settings: BridgeSettings, index: int, sys_root: str = sysctl.PROC_SYS) -> str:
    """What somebody has done to the bridge that `ensure` made, in words; empty when it is as it should be."""
    link = rtnetlink.find_link(netlink, settings.name)
    if link is None:
        return "deleted"
    if link.index != index:
        return "replaced by another of its name"
    if not link.up:
        return "put down"
    present = rtnetlink.addresses(netlink, index)
    for address in settings.own_addresses:
        if address not in present:
            return f"robbed of its address {address}"
    if sysctl.read(sys_root, sysctl.route_localnet(settings.name)) == "0":
        return "kept from routing 127.0.0.1"
    return ""


def _addressing(index: int, present: Sequence[str], settings: BridgeSettings, *, theirs: bool) -> list[Message]:
    """Link-local addresses are the kernel's own, and others of a lent bridge its owner's."""
    wanted = settings.own_addresses
    others = [a for a in present if a not in wanted and not a.startswith("fe80:") and not theirs]
    gone = [rtnetlink.delete_address(index, other) for other in others]
    return gone + [rtnetlink.add_address(index, address) for address in wanted if address not in present]
