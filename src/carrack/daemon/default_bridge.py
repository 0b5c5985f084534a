"""The network ``bridge`` as the daemon's options, the host and the networks on record make it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface

from carrack.daemon.network_options import NO_BRIDGE, NetworkOptions
from carrack.engine.networks import pools
from carrack.engine.networks.pools import Pool, Taken
from carrack.engine.networks.predefined import DefaultBridge
from carrack.errors import InvalidArgument
from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network import option_names as names
from carrack.network.plan import Subnet


def all_pools(options: NetworkOptions, identity: str) -> tuple[Pool, ...]:
    """Where subnets come from: what the user gave, and for a version that he gave none of, what is usual."""
    versions = {ipaddress.ip_network(base).version for base, _ in options.pools}
    usual = (*pools.DEFAULT,) if 4 not in versions else ()
    own = (pools.unique_local(identity),) if 6 not in versions else ()
    return (*options.pools, *usual, *own)


def look(options: NetworkOptions, given: Sequence[Pool], networks: Sequence[Taken]) -> DefaultBridge | None:
    """The default bridge beside networks that are there; None when the daemon is to have none.

    InvalidArgument when no subnet is free for it, Forbidden when a network has the one that was asked for.
    """
    if options.bridge == NO_BRIDGE:
        return None
    with Netlink() as netlink:
        link = rtnetlink.find_link(netlink, options.bridge)
        present = rtnetlink.addresses(netlink, link.index) if link is not None else []
        routes = [block for version in (4, 6) for block, _ in rtnetlink.routes(netlink, version)]
    others = [Taken(block, "this host") for block in routes if block not in pools.EVERYWHERE]
    try:
        found = choose(options, present, given, [*networks, *others])
    except InvalidArgument:
        found = choose(options, present, given, [*networks, *pools.but_wide(others, given)])
    for subnet in found.subnets:
        pools.refuse_overlaps(subnet.subnet, networks)
    return found


def choose(
    options: NetworkOptions, present: Sequence[str], given: Sequence[Pool], taken: Sequence[Taken]
) -> DefaultBridge:
    """The same of what was seen: the addresses that the bridge has already, and subnets that others have."""
    four = options.address or _first(present, 4) or _inside(options.fixed) or _inside(pools.choose(given, 4, taken))
    subnets = [_subnet(IPv4Interface(four), options.fixed, {"DefaultGatewayIPv4": options.gateway})]
    if options.ipv6:
        six = options.address6 or _first(present, 6) or _inside(options.fixed6)
        six = six or _inside(pools.choose(given, 6, taken))
        subnets.append(_subnet(IPv6Interface(six), options.fixed6, {"DefaultGatewayIPv6": options.gateway6}))
    return DefaultBridge(subnets, _options(options))


def _first(present: Sequence[str], version: int) -> str:
    for text in present:
        interface = ipaddress.ip_interface(text)
        if interface.version == version and not interface.is_link_local:
            return text
    return ""


def _inside(block: str) -> str:
    """The first address of a block, with the block's prefix length."""
    return f"{ipaddress.ip_network(block)[1]}/{block.partition('/')[2]}" if block else ""


def _subnet(address: IPv4Interface | IPv6Interface, fixed: str, reserved: Mapping[str, str]) -> Subnet:
    named = {name: text for name, text in reserved.items() if text}
    return Subnet(str(address.network), str(address.ip), fixed, named)


def _options(options: NetworkOptions) -> dict[str, str]:
    return {
        names.DEFAULT_BRIDGE: "true",
        names.ICC: _word(options.icc),
        names.MASQUERADE: _word(options.masquerade),
        names.HOST_BINDING: options.binding,
        names.BRIDGE_NAME: options.bridge,
        names.MTU: str(options.mtu),
    }


def _word(on: bool) -> str:
    return "true" if on else "false"
