"""A container's cable: a veth pair between the bridge and the container's network namespace.

The pair can be made ahead of need (*parked*: into the namespace, but on no bridge) and given its network later
(*plugged*). The inside is configured through a netlink socket that was opened there. When the container ends, nobody
deletes the pair: the death of the namespace takes it along, outside of everyone's way.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, TypeVar

from carrack.errors import Unavailable
from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink

T = TypeVar("T")

INTERFACE = "eth0"
#: Until a network is chosen the pair has the MTU of Ethernet.
PARKED_MTU = 1500
_LINK_TRIES = 100
_LINK_PAUSE = 0.001  # seconds


@dataclass(frozen=True, slots=True)
class ParkedVeth:
    """A veth pair whose peer waits in a sandbox; the fields are those of the host's end."""

    host_index: int
    host_name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the inside of a sandbox gets: ``address`` as ``172.17.0.2/16``, and the bridge it hangs on.

    Neither end ever gets an IPv6 address by itself (CVE-2024-32473), which only a kernel with IPv6 can be told.
    """

    address: str
    gateway: str
    mac: str
    mtu: int
    bridge_index: int
    isolated: bool = False
    interface: str = INTERFACE
    kernel_has_ipv6: bool = True


def mac_of(address: str | IPv4Address) -> str:
    """The MAC address that belongs to an IPv4 address (02:42:…), so that neighbours' ARP caches never go stale."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def park(host: Netlink, netns_fd: int, host_name: str) -> ParkedVeth:
    """Make a pair with its peer in the sandbox, both ends down and on no bridge. OSError from the kernel."""
    host.batch([rtnetlink.add_veth(host_name, INTERFACE, netns_fd, PARKED_MTU)])
    link = rtnetlink.find_link(host, host_name)
    if link is None:
        raise Unavailable(f"interface {host_name} vanished as soon as it was made: its sandbox has ended")
    return ParkedVeth(link.index, host_name)


def plug(host: Netlink, sandbox: Netlink, veth: ParkedVeth, endpoint: Endpoint) -> None:
    """Put the host's end on the bridge and give the inside its name, addresses and default route.

    The port reflects frames (hairpin), so that a container reaches its own published port also where bridged packets
    pass the IP firewall (br_netfilter), which sends them back without routing.
    """
    peer = rtnetlink.find_link(sandbox, INTERFACE)
    if peer is None:
        raise Unavailable(f"no interface {INTERFACE} in the sandbox of {veth.host_name}: it has ended")
    link_local = not endpoint.kernel_has_ipv6
    host.batch(
        [
            rtnetlink.set_link(veth.host_index, mtu=endpoint.mtu, master=endpoint.bridge_index, link_local=link_local),
            rtnetlink.set_link(veth.host_index, up=True),
            rtnetlink.set_bridge_port(veth.host_index, hairpin=True, isolated=endpoint.isolated),
        ]
    )
    name = endpoint.interface if endpoint.interface != INTERFACE else None
    sandbox.batch(
        [
            rtnetlink.set_link(peer.index, name=name, mac=endpoint.mac, mtu=endpoint.mtu, link_local=link_local),
            rtnetlink.set_link(peer.index, up=True),
            rtnetlink.add_address(peer.index, endpoint.address),
            rtnetlink.default_route(endpoint.gateway),
        ]
    )
    for index in (veth.host_index, endpoint.bridge_index):
        _wait_until_running(host, index)


def with_own(work: Callable[..., T], *fds: int) -> Callable[..., T]:
    """The work with duplicates of descriptors as its first arguments, for another thread: their owner closes his when
    the sandbox ends, which may be in the midst of it, and then the number may be another sandbox's.

    Raises Unavailable when that has happened already.
    """
    try:
        with ExitStack() as undo:
            own = []
            for fd in fds:
                own.append(os.dup(fd))
                undo.callback(os.close, own[-1])
            held = undo.pop_all()
    except OSError as e:
        raise Unavailable(f"the sandbox has ended: {e.strerror}") from e

    def run(*arguments: Any) -> T:
        with held:
            return work(*own, *arguments)

    return run


def replug(host: Netlink, veth: ParkedVeth, bridge_index: int, *, isolated: bool) -> None:
    """Put the host's end of a cable that is in use on a bridge that was made anew. OSError ENODEV when it is gone."""
    host.batch(
        [
            rtnetlink.set_link(veth.host_index, up=True, master=bridge_index),
            rtnetlink.set_bridge_port(veth.host_index, hairpin=True, isolated=isolated),
        ]
    )


def cable_of(host: Netlink, links: Iterable[rtnetlink.Link], pid: int) -> ParkedVeth | None:
    """The host's end of the cable into the network namespace of a process, None when there is none."""
    try:
        number = rtnetlink.namespace_id(host, pid)
    except OSError as e:
        if e.errno != errno.ESRCH:
            raise
        return None
    found = (link for link in links if link.kind == "veth" and link.peer_namespace == number >= 0)
    return next((ParkedVeth(link.index, link.name) for link in found), None)


def _wait_until_running(host: Netlink, index: int) -> None:
    """Cable and bridge pass packets only after the kernel's link watch has run, which is late on a busy machine.

    A container that spoke before would lose its first question for its neighbour's address, and a second with it.
    """
    for _ in range(_LINK_TRIES):
        if rtnetlink.get_link(host, index).running:
            return
        time.sleep(_LINK_PAUSE)


def unplug(host: Netlink, veth: ParkedVeth) -> None:
    """Delete the pair while its sandbox lives on; one that is gone already is no error."""
    try:
        host.batch([rtnetlink.delete_link(veth.host_index)])
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise
