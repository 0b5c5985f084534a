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
from ipaddress import ip_address
from typing import Any, TypeVar

from carrack.errors import Unavailable
from carrack.linux import rtnetlink
from carrack.linux.netlink import Message, Netlink
from carrack.network import sysctl

T = TypeVar("T")

INTERFACE = "eth0"
#: What stands for the interface's name in a switch of an endpoint
ANY_INTERFACE = "IFNAME"
#: Until a network is chosen the pair has the MTU of Ethernet.
PARKED_MTU = 1500
_LINK_TRIES = 100
_LINK_PAUSE = 0.001  # seconds


@dataclass(frozen=True, slots=True)
class ParkedVeth:
    """A veth pair whose peer waits in a sandbox under the name ``peer``; the other fields are the host's end's."""

    host_index: int
    host_name: str
    peer: str = INTERFACE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the inside of a sandbox gets: ``addresses`` as ``172.17.0.2/16``, and the default routes by ``gateways``.

    ``switches`` (``net/ipv4/conf/IFNAME/forwarding``, value) are set before the interface goes up.
    Without an address of IPv6 neither end ever makes one up by itself (CVE-2024-32473), which only a kernel with IPv6
    can be told.
    """

    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    mac: str
    mtu: int
    interface: str = INTERFACE
    kernel_has_ipv6: bool = True
    switches: tuple[tuple[str, str], ...] = ()

    @property
    def ipv6(self) -> bool:
        """Whether it speaks IPv6."""
        return any(":" in address for address in self.addresses)

    def named_switches(self, present: str) -> list[tuple[str, str]]:
        """The switches of the interface under its present name; one that speaks IPv6 must be let first."""
        own = [(sysctl.disable_ipv6(present), "0"), (sysctl.accept_ra(present), "0")] if self.ipv6 else []
        return own + [(name.replace(ANY_INTERFACE, present), value) for name, value in self.switches]


@dataclass(frozen=True, slots=True)
class Socket:
    """A bridge as a cable is plugged into it: its interface index, and whether its containers are kept apart."""

    bridge_index: int
    isolated: bool = False


def mac_of(address: str) -> str:
    """The MAC address that belongs to an IPv4 address (02:42:…), so that neighbours' ARP caches never go stale.

    Of an IPv6 address, to the last four bytes of it.
    """
    return "02:42:" + ":".join(f"{byte:02x}" for byte in ip_address(address).packed[-4:])


def park(host: Netlink, netns_fd: int, host_name: str, peer: str = INTERFACE) -> ParkedVeth:
    """Make a pair with its peer in the sandbox, both ends down and on no bridge. OSError from the kernel."""
    host.batch([rtnetlink.add_veth(host_name, peer, netns_fd, PARKED_MTU)])
    link = rtnetlink.find_link(host, host_name)
    if link is None:
        raise Unavailable(f"interface {host_name} vanished as soon as it was made: its sandbox has ended")
    return ParkedVeth(link.index, host_name, peer)


def plug(host: Netlink, sandbox: Netlink, veth: ParkedVeth, endpoint: Endpoint, bridge: Socket) -> None:
    """Put the host's end on the bridge and give the inside its name, addresses and default routes.

    The port reflects frames (hairpin), so that a container reaches its own published port also where bridged packets
    pass the IP firewall (br_netfilter), which sends them back without routing.
    """
    peer = rtnetlink.find_link(sandbox, veth.peer)
    if peer is None:
        raise Unavailable(f"no interface {veth.peer} in the sandbox of {veth.host_name}: it has ended")
    index, quiet = veth.host_index, endpoint.kernel_has_ipv6
    host.batch(
        [
            rtnetlink.set_link(index, mtu=endpoint.mtu, master=bridge.bridge_index, link_local=not quiet),
            rtnetlink.set_link(index, up=True),
            rtnetlink.set_bridge_port(index, hairpin=True, isolated=bridge.isolated),
        ]
    )
    sandbox.batch(configuration(peer.index, veth.peer, endpoint))
    for index in (veth.host_index, bridge.bridge_index):
        _wait_until_running(host, index)


def configuration(index: int, present: str, endpoint: Endpoint) -> list[Message]:
    """The messages that make an interface, whose name is ``present`` so far, the inside of an endpoint."""
    name = endpoint.interface if endpoint.interface != present else None
    link_local = endpoint.ipv6 or not endpoint.kernel_has_ipv6
    return [
        rtnetlink.set_link(index, name=name, mac=endpoint.mac or None, mtu=endpoint.mtu or None, link_local=link_local),
        rtnetlink.set_link(index, up=True),
        *(rtnetlink.add_address(index, address) for address in endpoint.addresses),
        *(rtnetlink.default_route(gateway, index, replace=True) for gateway in endpoint.gateways),
    ]


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


def replug(host: Netlink, veth: ParkedVeth, bridge: Socket) -> None:
    """Put the host's end of a cable that is in use on a bridge that was made anew. OSError ENODEV when it is gone."""
    host.batch(
        [
            rtnetlink.set_link(veth.host_index, up=True, master=bridge.bridge_index),
            rtnetlink.set_bridge_port(veth.host_index, hairpin=True, isolated=bridge.isolated),
        ]
    )


def cables_of(host: Netlink, links: Iterable[rtnetlink.Link], pid: int) -> list[rtnetlink.Link]:
    """The host's ends of the cables into the network namespace of a process."""
    try:
        number = rtnetlink.namespace_id(host, pid)
    except OSError as e:
        if e.errno != errno.ESRCH:
            raise
        return []
    return [link for link in links if link.kind == "veth" and link.peer_namespace == number >= 0]


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
