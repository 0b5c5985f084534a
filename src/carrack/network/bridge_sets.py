"""What the firewall's sets hold of a bridge network.

::

    bridges      its interface
    internal     its interface, when nothing may leave or enter it
    routed       its interface, when its addresses are known outside and only what is published is open
    unprotected  its interface, when its addresses are open to whoever routes to them
    within       its interface twice, when its containers may talk to each other
    homes        its subnet and interface: who belongs there
    trusted      its subnet and an interface that may address its containers directly
    gateways     the host's address on it
    subnets      its subnet, when nobody may write a container's address but from its bridge
    masqueraded  its subnet, when the outside sees the host's address instead
    sources      its subnet and the address that the outside sees instead
"""

import functools

from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.linux.nft_messages import Element
from carrack.network.bridge import ISOLATED, NAT, ROUTED, UNPROTECTED, BridgeSettings
from carrack.network.mappings import Entries, limits, packed

_LINK_LOCAL = "fe80::/10"
_NAME_BYTES = 16


@functools.lru_cache(1024)  # loaded, then looked for in what was loaded
def members(bridge: BridgeSettings, *, direct_routing: bool = False) -> Entries:
    """The entries of one bridge, in the families it has; not to be changed."""
    found: Entries = {}
    if bridge.address:
        mode, source = bridge.gateway_mode4, bridge.source4
        place = (bridge.subnet, bridge.gateway, mode, bridge.masquerade, source)
        _add(found, IPV4, _of_family(bridge, IPV4, *place, direct_routing))
    if bridge.address6:
        mode, source = bridge.gateway_mode6, bridge.source6
        place = (bridge.subnet6, bridge.gateway6, mode, bridge.masquerade6, source)
        _add(found, IPV6, _of_family(bridge, IPV6, *place, direct_routing))
    return found


def _add(found: Entries, family: Family, sets: dict[str, list[Element]]) -> None:
    for name, elements in sets.items():
        if elements:
            found[family, name] = elements


def _of_family(
    bridge: BridgeSettings,
    family: Family,
    subnet: str,
    gateway: str,
    mode: str,
    masquerade: bool,
    source: str,
    direct_routing: bool,
) -> dict[str, list[Element]]:
    name = interface(bridge.name)
    itself = [Element([name])]
    translated = mode in (NAT, UNPROTECTED) and masquerade and not bridge.internal
    # Answers to a network that shows its own addresses come to them, and look like any other packet to raw.
    closed = mode == ISOLATED or bridge.internal or (mode == NAT and masquerade and not direct_routing)
    own = [subnet, *([_LINK_LOCAL] if family is IPV6 else [])]
    if subnet.startswith("fe80:"):  # which the other holds
        own.remove(subnet)
    homes = [_pair(block, name) for block in own]
    return {
        "bridges": itself,
        "internal": itself if bridge.internal else [],
        "routed": itself if mode == ROUTED else [],
        "unprotected": itself if mode == UNPROTECTED else [],
        "within": [] if bridge.isolated else [Element([name, name])],
        "homes": homes,
        "trusted": [_pair(subnet, interface(trusted)) for trusted in bridge.trusted_interfaces],
        "gateways": [Element([packed(gateway)])] if gateway and mode != ISOLATED else [],
        "subnets": _range(subnet) if closed else [],
        "masqueraded": _range(subnet) if translated and not source else [],
        "sources": _range(subnet, source) if translated and source else [],
    }


def interface(name: str) -> bytes:
    """An interface's name as the kernel compares it."""
    return name.encode().ljust(_NAME_BYTES, b"\0")


def _pair(subnet: str, name: bytes) -> Element:
    first, last = limits(subnet)
    return Element([first, name], (), [last, name])


def _range(subnet: str, target: str = "") -> list[Element]:
    """The first address, and the one behind the last where there is one."""
    first, last = limits(subnet)
    behind = int.from_bytes(last, "big") + 1
    found = [Element([first], [packed(target)] if target else ())]
    if behind >> 8 * len(last) == 0:
        found.append(Element([behind.to_bytes(len(last), "big")], ends=True))
    return found
