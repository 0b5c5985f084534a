"""Containers that outlived the last daemon: their places on the networks, and the cables that lead to them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from carrack.errors import CarrackError, NotFound, Unavailable
from carrack.linux.netlink import Netlink
from carrack.linux.rtnetlink import Link, all_addresses, delete_link, links, owners
from carrack.network.endpoint import cables_of
from carrack.network.members import Member
from carrack.network.net import Net
from carrack.network.plan import IPVLAN, MACVLAN, EndpointPlan, Existing
from carrack.network.sandbox import open_sandbox

_LOG = logging.getLogger(__name__)


def members(
    host: Netlink, ends: Sequence[Link], container_id: str, past: Existing, nets: Mapping[str, Net]
) -> Iterator[tuple[Member | None, Link | None]]:
    """The container's endpoints, whose addresses are taken now, and the host's ends of their cables where these are.

    One that cannot have its addresses back is left out and told in the log: the daemon starts all the same. A cable
    without an endpoint is one that a crash left of a connect or disconnect that was never recorded.
    """
    found = []
    for network_id, document in past.endpoints.items():
        try:
            found.append(_member(network_id, document, nets))
        except CarrackError as e:
            _LOG.warning("container %s stays without its ports: %s", container_id, e)
    cables = cables_of(host, ends, past.pid) if past.pid else []
    matched = _matched(found, cables, past.pid)
    yield from zip(found, matched, strict=True)
    if len(cables) > len(found) == len(past.endpoints):
        yield from ((None, cable) for cable in cables if cable not in matched)


def _member(network_id: str, document: Mapping[str, Any], nets: Mapping[str, Net]) -> Member:
    net = nets.get(network_id)
    if net is None:
        raise NotFound(f"network {network_id} not found")
    four, six = document.get("IPAddress", ""), document.get("GlobalIPv6Address", "")
    addresses = net.take(EndpointPlan(address=four, address6=six))
    priority = document.get("GwPriority") or 0
    return Member(net, addresses, priority, document.get("EndpointID", ""), gateways=net.gateways(addresses))


def _matched(found: Sequence[Member], cables: Sequence[Link], pid: int) -> list[Link | None]:
    """Which cable is whose: where it is not plain, by the addresses that their other ends have."""
    if not cables:
        return [None for _ in found]
    if len(found) == len(cables) == 1:
        return [cables[0]]
    try:
        with open_sandbox(pid) as sandbox, sandbox.netlink() as inner:
            by_address = owners(inner)
    except Unavailable:
        return [None for _ in found]
    by_peer = {cable.peer: cable for cable in cables}
    return [next((by_peer.get(by_address.get(a, 0)) for a in member.addresses), None) for member in found]


def remove_hidden(container_id: str, pid: int, found: Sequence[Member], nets: Mapping[str, Net]) -> bool:
    """Delete interfaces inside that belong to a network without a bridge which the container is not on by its record:
    a crash left them. From the host they cannot be seen. True when there was one."""
    strange = [net for net in nets.values() if net.settings is None and all(net is not m.net for m in found)]
    if not strange or not pid:
        return False
    try:
        with open_sandbox(pid) as sandbox, sandbox.netlink() as inner:
            kinds = {link.index: link.kind for link in links(inner)}
            left = {
                index
                for index, address in all_addresses(inner)
                if kinds.get(index) in (MACVLAN, IPVLAN)
                and any(net.holds(address.partition("/")[0]) for net in strange)
            }
            for index in left:
                _LOG.warning("container %s loses interface %d, which nobody has on record", container_id, index)
                inner.batch([delete_link(index)])
            return bool(left)
    except Unavailable:
        return False
