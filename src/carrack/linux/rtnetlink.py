"""rtnetlink messages as values: links, addresses and routes, for a `Netlink` socket.

Sources: rtnetlink(7), linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h.
"""

import errno
import socket
import struct
from collections.abc import Iterable

from carrack.linux.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    Netlink,
    attribute,
    attributes,
    nested,
    text,
    u32,
)

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26
RTM_GETNSID = 90

IFF_UP = 0x1
IFF_RUNNING = 0x40

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_AF_SPEC = 26
IFLA_GROUP = 27
IFLA_NET_NS_FD = 28
IFLA_LINK_NETNSID = 37

IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
_IFLA_INFO_SLAVE_KIND = 4
_IFLA_INFO_SLAVE_DATA = 5
VETH_INFO_PEER = 1
_IFLA_BR_NF_CALL_IPTABLES = 36
_IFLA_BR_NF_CALL_IP6TABLES = 37
_IFLA_BRPORT_MODE = 4  # hairpin
_IFLA_BRPORT_ISOLATED = 33
_IFLA_INET6_ADDR_GEN_MODE = 8
_ADDR_GEN_MODE_NONE = 1

_NETNSA_NSID = 1
_NETNSA_PID = 2

_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_BROADCAST = 4
_IFA_F_NODAD = 0x02
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RT_TABLE_MAIN = 254
_RTPROT_BOOT = 3
_RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK, _RT_SCOPE_NOWHERE = 0, 253, 255
_RTN_UNICAST = 1

_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, changed flags
_ADDRESS = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_CREATE = NLM_F_CREATE | NLM_F_EXCL

# No link-local address is made up: an interface of an IPv4-only network must not speak IPv6 (CVE-2024-32473).
_NO_LINK_LOCAL = nested(
    IFLA_AF_SPEC, nested(socket.AF_INET6, attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_ADDR_GEN_MODE_NONE])))
)


class Link:
    """A network interface as the kernel reports it."""

    __slots__ = ("address", "alias", "flags", "index", "kind", "master", "mtu", "name", "peer", "peer_namespace")

    def __init__(self, body: bytes) -> None:
        self.index, self.flags = _index_and_flags(body)
        found = attributes(body[_LINK.size :])
        info = attributes(found.get(IFLA_LINKINFO, b""))
        self.name = found[IFLA_IFNAME].rstrip(b"\0").decode()
        self.address = ":".join(f"{byte:02x}" for byte in found.get(IFLA_ADDRESS, b""))
        self.alias = found.get(IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace")
        self.mtu = _word(found.get(IFLA_MTU))
        self.master = _word(found.get(IFLA_MASTER))
        self.kind = info.get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode()
        #: the interface it is the other end or a part of, by its index there; 0 for none
        self.peer = _word(found.get(IFLA_LINK))
        #: of a veth: the number that `namespace_id` gives for the namespace of its other end; -1 for none
        self.peer_namespace = _signed(found.get(IFLA_LINK_NETNSID))

    @property
    def up(self) -> bool:
        """Whether the interface is administratively up."""
        return bool(self.flags & IFF_UP)

    @property
    def running(self) -> bool:
        """Whether packets can pass: it is up, and so is what it is connected to."""
        return bool(self.flags & IFF_RUNNING)


def _index_and_flags(body: bytes) -> tuple[int, int]:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    return int(index), int(flags)


def _word(data: bytes | None) -> int:
    return int(struct.unpack("=I", data)[0]) if data else 0


def _signed(data: bytes | None) -> int:
    return int(struct.unpack("=i", data)[0]) if data else -1


def link_header(index: int = 0, flags: int = 0, changed: int = 0) -> bytes:
    """The head of a message about an interface (struct ifinfomsg)."""
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, changed)


def mac_bytes(address: str) -> bytes:
    """The six bytes of ``02:42:ac:11:00:02``; ValueError when it is not a MAC address."""
    raw = bytes.fromhex(address.replace(":", "").replace("-", ""))
    if len(raw) != 6:
        raise ValueError(f"invalid MAC address {address!r}")
    return raw


def add_bridge(name: str, mtu: int, mac: str) -> Message:
    """Make a bridge, down. A MAC address of its own keeps it from changing with the ports."""
    kind = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "bridge"))
    parts = (text(IFLA_IFNAME, name), u32(IFLA_MTU, mtu), attribute(IFLA_ADDRESS, mac_bytes(mac)))
    body = link_header() + b"".join(parts) + kind
    return Message(RTM_NEWLINK, _CREATE, body, f"create bridge {name}")


def filter_bridge(index: int) -> Message:
    """Have the IP firewall see what passes between a bridge's own ports; only a kernel with br_netfilter can."""
    data = attribute(_IFLA_BR_NF_CALL_IPTABLES, b"\1") + attribute(_IFLA_BR_NF_CALL_IP6TABLES, b"\1")
    info = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "bridge"), nested(IFLA_INFO_DATA, data))
    return Message(RTM_NEWLINK, 0, link_header(index) + info, f"filter bridge {index}")


def add_veth(host_name: str, peer_name: str, peer_netns_fd: int, mtu: int) -> Message:
    """Make a veth pair whose peer appears in another network namespace; both ends are down."""
    peer = (text(IFLA_IFNAME, peer_name), u32(IFLA_NET_NS_FD, peer_netns_fd), u32(IFLA_MTU, mtu))
    data = nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, link_header(), *peer))
    kind = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "veth"), data)
    body = link_header() + text(IFLA_IFNAME, host_name) + u32(IFLA_MTU, mtu) + kind
    return Message(RTM_NEWLINK, _CREATE, body, f"create veth pair {host_name} and {peer_name}")


def set_link(
    index: int,
    *,
    up: bool | None = None,
    name: str | None = None,
    mac: str | None = None,
    mtu: int | None = None,
    master: int | None = None,
    link_local: bool = True,
    group: int | None = None,
) -> Message:
    """Change an interface; what is None stays. ``master`` 0 takes it out of its bridge.

    Without ``link_local`` it makes up no IPv6 address when it goes up; EAFNOSUPPORT on a kernel without IPv6.
    """
    body = link_header(index) if up is None else link_header(index, IFF_UP if up else 0, IFF_UP)
    if name is not None:
        body += text(IFLA_IFNAME, name)
    if mac is not None:
        body += attribute(IFLA_ADDRESS, mac_bytes(mac))
    if mtu is not None:
        body += u32(IFLA_MTU, mtu)
    if master is not None:
        body += u32(IFLA_MASTER, master)
    if group is not None:
        body += u32(IFLA_GROUP, group)
    if not link_local:
        body += _NO_LINK_LOCAL
    return Message(RTM_NEWLINK, 0, body, f"change interface {name or index}")


def set_bridge_port(index: int, *, hairpin: bool, isolated: bool) -> Message:
    """Set how a bridge treats one of its ports (which must be enslaved already)."""
    data = attribute(_IFLA_BRPORT_MODE, bytes([hairpin])) + attribute(_IFLA_BRPORT_ISOLATED, bytes([isolated]))
    info = nested(IFLA_LINKINFO, text(_IFLA_INFO_SLAVE_KIND, "bridge"), nested(_IFLA_INFO_SLAVE_DATA, data))
    return Message(RTM_NEWLINK, 0, link_header(index) + info, f"set bridge port {index}")


def delete_link(index: int) -> Message:
    """Remove an interface; of a veth pair both ends go."""
    return Message(RTM_DELLINK, 0, link_header(index), f"delete interface {index}")


def delete_group(group: int) -> Message:
    """Remove all interfaces of a group, in hardly more time than one takes; OSError ENODEV when there are none."""
    return Message(RTM_DELLINK, 0, link_header() + u32(IFLA_GROUP, group), f"delete interfaces of group {group:#x}")


def add_address(index: int, address: str, *, replace: bool = False) -> Message:
    """Add ``172.17.0.2/16``, with its broadcast address, or ``fd00::2/64``, usable at once, to an interface."""
    head, packed, length = _addressed(index, address)
    body = head + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    if len(packed) == 4 and length < 31:
        broadcast = int.from_bytes(packed, "big") | (1 << 32 - length) - 1
        body += attribute(_IFA_BROADCAST, broadcast.to_bytes(4, "big"))
    flags = NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL)
    return Message(RTM_NEWADDR, flags, body, f"add address {address} to interface {index}")


def delete_address(index: int, address: str) -> Message:
    """Take ``172.17.0.2/16`` or ``fd00::2/64`` away from an interface."""
    head, packed, _ = _addressed(index, address)
    return Message(RTM_DELADDR, 0, head + attribute(_IFA_LOCAL, packed), f"delete address {address} of {index}")


def _addressed(index: int, address: str) -> tuple[bytes, bytes, int]:
    """The head of a message about an address, the address, its prefix length. Duplicates are not looked for (IPv6)."""
    host, _, prefix = address.partition("/")
    family, packed = _packed(host)
    flags = _IFA_F_NODAD if family == socket.AF_INET6 else 0
    return _ADDRESS.pack(family, int(prefix), flags, 0, index), packed, int(prefix)


def _packed(address: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def default_route(gateway: str, index: int = 0, *, replace: bool = False) -> Message:
    """A default route of the gateway's family; without an interface the kernel takes the one that reaches it.

    With ``replace`` it takes the place of the one that is there. By ``0.0.0.0`` or ``::`` it leads into the interface
    itself, behind which everybody is.
    """
    family, packed = _packed(gateway)
    if any(packed):
        body = _route(family) + attribute(_RTA_GATEWAY, packed)
    else:
        body = _route(family, _RT_SCOPE_LINK if family == socket.AF_INET else _RT_SCOPE_UNIVERSE)
    if index:
        body += u32(_RTA_OIF, index)
    flags = NLM_F_CREATE | (NLM_F_REPLACE if replace else 0)
    return Message(RTM_NEWROUTE, flags, body, f"add default route via {gateway}")


def delete_default_route(version: int) -> Message:
    """Take the default route of a family away; OSError ESRCH when there is none."""
    family, anywhere = (socket.AF_INET6, _RT_SCOPE_UNIVERSE) if version == 6 else (socket.AF_INET, _RT_SCOPE_NOWHERE)
    return Message(RTM_DELROUTE, 0, _route(family, anywhere), f"delete the default route of IPv{version}")


def _route(family: int, scope: int = _RT_SCOPE_UNIVERSE) -> bytes:
    kinds = (_RT_TABLE_MAIN, _RTPROT_BOOT, scope, _RTN_UNICAST)
    return struct.pack("=BBBBBBBBI", family, 0, 0, 0, *kinds, 0)


def find_link(netlink: Netlink, name: str) -> Link | None:
    """The interface of that name in the socket's namespace, or None."""
    try:
        found = netlink.get(
            Message(RTM_GETLINK, 0, link_header() + text(IFLA_IFNAME, name), f"look up interface {name}")
        )
    except OSError as e:
        if e.errno in (errno.ENODEV, errno.ENOENT):
            return None
        raise
    return Link(found[0]) if found else None


def get_link(netlink: Netlink, index: int) -> Link:
    """The interface of that index; OSError ENODEV when there is none.

    From Linux 6.9 on, asking makes the kernel first act upon a link state that has changed (``linkwatch_sync_dev``).
    """
    return Link(netlink.get(Message(RTM_GETLINK, 0, link_header(index), f"look up interface {index}"))[0])


def namespace_id(netlink: Netlink, pid: int) -> int:
    """The number that the socket's namespace has for the network namespace of a process, -1 when it has none for it.

    OSError ESRCH when there is no such process.
    """
    body = struct.pack("=B3x", socket.AF_UNSPEC) + u32(_NETNSA_PID, pid)
    answer = netlink.get(Message(RTM_GETNSID, 0, body, f"look up the network namespace of process {pid}"))
    return _signed(attributes(answer[0][4:]).get(_NETNSA_NSID)) if answer else -1


def links(netlink: Netlink) -> list[Link]:
    """All interfaces of the socket's namespace."""
    return [Link(body) for body in netlink.dump(Message(RTM_GETLINK, 0, link_header(), "list interfaces"))]


def all_addresses(netlink: Netlink) -> list[tuple[int, str]]:
    """(interface index, address) of all addresses in the socket's namespace, those of IPv4 first."""
    return _read_addresses(netlink.dump(_list_addresses()))


def _list_addresses(index: int = 0) -> Message:
    return Message(RTM_GETADDR, 0, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, index), "list addresses")


def _read_addresses(bodies: Iterable[bytes]) -> list[tuple[int, str]]:
    found = []
    for body in bodies:
        family, prefix, _, _, owner = _ADDRESS.unpack_from(body)
        parts = attributes(body[_ADDRESS.size :])
        if local := parts.get(_IFA_LOCAL) or parts.get(_IFA_ADDRESS):
            found.append((owner, f"{socket.inet_ntop(family, local)}/{prefix}"))
    return found


def owners(netlink: Netlink) -> dict[str, int]:
    """The interface that has each address of the socket's namespace: ``172.17.0.2`` → index."""
    return {address.partition("/")[0]: index for index, address in all_addresses(netlink)}


def addresses(netlink: Netlink, index: int) -> list[str]:
    """The addresses of an interface, as ``172.17.0.1/16`` and, after those, ``fd00::1/64``."""
    try:
        bodies = netlink.dump_only(_list_addresses(index))
    except OSError as e:
        if e.errno != errno.ENODEV:  # it went meanwhile
            raise
        return []
    return [address for owner, address in _read_addresses(bodies) if owner == index]


def routes(netlink: Netlink, version: int = 4) -> list[tuple[str, int]]:
    """(destination, interface index) of each route of a family in the main table; the default one is ``0.0.0.0/0``."""
    family, anywhere = (socket.AF_INET6, "::") if version == 6 else (socket.AF_INET, "0.0.0.0")
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
    found = []
    for answer in netlink.dump(Message(RTM_GETROUTE, 0, body, "list routes")):
        table, prefix = answer[4], answer[1]
        parts = attributes(answer[12:])
        if table == _RT_TABLE_MAIN:
            destination = socket.inet_ntop(family, parts[1]) if 1 in parts else anywhere
            found.append((f"{destination}/{prefix}", _word(parts.get(_RTA_OIF))))
    return found
