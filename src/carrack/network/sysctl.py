"""Kernel switches of the network, reached through a root path so that tests can use a directory of their own."""

import os

PROC_SYS = "/proc/sys"
IP_FORWARD = "net/ipv4/ip_forward"
BRIDGE_FILTER = "net/bridge/bridge-nf-call-iptables"
IP6_FORWARD = "net/ipv6/conf/all/forwarding"


def read(root: str, name: str) -> str | None:
    """The value without its newline; None when this kernel has no such switch."""
    try:
        with open(os.path.join(root, name), encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def ensure(root: str, name: str, value: str) -> bool:
    """Set the switch when it has another value; True when it was changed. OSError carries the path.

    Many hosts keep /proc/sys read-only and set everything beforehand: what is right already is not written.
    """
    if read(root, name) == value:
        return False
    with open(os.path.join(root, name), "w", encoding="ascii") as file:
        file.write(value)
    return True


def route_localnet(interface: str) -> str:
    """Whether packets from and to 127/8 may be routed by this interface."""
    return f"net/ipv4/conf/{interface}/route_localnet"


def disable_ipv6(interface: str) -> str:
    """Whether the interface is without IPv6."""
    return f"net/ipv6/conf/{interface}/disable_ipv6"


def accept_ra(interface: str) -> str:
    """Whether the interface takes router advertisements."""
    return f"net/ipv6/conf/{interface}/accept_ra"


def accept_dad(interface: str) -> str:
    """Whether the interface asks around before it uses an address."""
    return f"net/ipv6/conf/{interface}/accept_dad"


def has_ipv6(root: str) -> bool:
    """Whether this kernel has IPv6 at all."""
    return os.path.isdir(os.path.join(root, "net/ipv6/conf"))
