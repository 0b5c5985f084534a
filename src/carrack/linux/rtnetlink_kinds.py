"""rtnetlink messages that make interfaces on top of others: macvlan, ipvlan, VLANs; and those that stand for nothing.

Sources: linux/if_link.h, linux/if_vlan.h.
"""

import errno
import struct

from carrack.linux.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, Netlink, attribute, nested, text, u32
from carrack.linux.rtnetlink import (
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINKINFO,
    IFLA_NET_NS_FD,
    RTM_NEWLINK,
    VETH_INFO_PEER,
    link_header,
)

#: Docker's names for how interfaces on one parent see each other
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}

_MODE, _FLAGS = 1, 2  # IFLA_MACVLAN_MODE and IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS
_VLAN_ID = 1
_CREATE = NLM_F_CREATE | NLM_F_EXCL


def add_macvlan(name: str, parent: int, netns_fd: int, mode: str) -> Message:
    """Make an interface with a MAC address of its own on ``parent`` (an index here), in another network namespace."""
    return _on_top("macvlan", name, parent, u32(_MODE, MACVLAN_MODES[mode]), netns_fd)


def add_ipvlan(name: str, parent: int, netns_fd: int, mode: str, flag: str) -> Message:
    """Make an interface that shares the MAC address of ``parent`` (an index here), in another network namespace."""
    data = _u16(_MODE, IPVLAN_MODES[mode]) + _u16(_FLAGS, IPVLAN_FLAGS[flag])
    return _on_top("ipvlan", name, parent, data, netns_fd)


def add_vlan(name: str, parent: int, number: int) -> Message:
    """Make the interface of a VLAN (1–4094) on ``parent``."""
    return _on_top("vlan", name, parent, _u16(_VLAN_ID, number), None)


def add_dummy(name: str) -> Message:
    """Make an interface that leads nowhere."""
    return _make("dummy", name, b"", b"")


def add_pair(name: str, peer: str) -> Message:
    """Make two interfaces that lead to each other only."""
    end = nested(VETH_INFO_PEER, link_header(), text(IFLA_IFNAME, peer))
    return _make("veth", name, b"", nested(IFLA_INFO_DATA, end))


def knows(netlink: Netlink, kind: str) -> bool:
    """Whether this kernel can make interfaces of a kind that needs a parent: it is asked for one without."""
    try:
        netlink.batch([_make(kind, "", b"", b"")])
    except OSError as e:
        return e.errno != errno.EOPNOTSUPP
    return True


def mark(name: str, alias: str) -> Message:
    """Give an interface a note that stays with it (``ip link`` shows it as its alias)."""
    body = link_header() + text(IFLA_IFNAME, name) + text(IFLA_IFALIAS, alias)
    return Message(RTM_NEWLINK, 0, body, f"mark interface {name}")


def _on_top(kind: str, name: str, parent: int, data: bytes, netns_fd: int | None) -> Message:
    more = u32(IFLA_LINK, parent) + (u32(IFLA_NET_NS_FD, netns_fd) if netns_fd is not None else b"")
    return _make(kind, name, more, nested(IFLA_INFO_DATA, data))


def _make(kind: str, name: str, more: bytes, data: bytes) -> Message:
    info = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind), data)
    called = text(IFLA_IFNAME, name) if name else b""
    return Message(RTM_NEWLINK, _CREATE, link_header() + called + more + info, f"create {kind} {name}")


def _u16(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=H", value))
