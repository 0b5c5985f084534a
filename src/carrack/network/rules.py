"""The firewall as a value: chains, rules and map entries of one nftables table, computed without touching the kernel.

::

    raw         packets that no honest sender makes: to or from 127/8, or straight to a container, from outside
    prerouting  published ports, for what arrives from other hosts and from containers
    output      published ports, for programs on this host (127.0.0.1 too)
    forward     to a container only answers, its own bridge, and what was published
    postrouting the outside sees the host's address; a container that calls its own published port, the gateway's
    guard       only when it was us who switched forwarding on: the host does not become a router of its other links

A published port is an entry of a map, never a rule. Nothing here opens what the host's own tables close: an accept ends
only our chains.
"""

import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from carrack.linux import nft_expressions as nft
from carrack.linux import nftables
from carrack.linux.netlink import Message
from carrack.linux.nftables import Element
from carrack.network.bridge import BridgeSettings

_Change = Callable[[str, str, Sequence[Element]], list[Message]]

ANY = "0.0.0.0"
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_LAST_ADDRESS = "255.255.255.255"
_KIND_BYTES = 16

#: map name → (key parts, data parts, interval)
MAPS: dict[str, tuple[tuple[int, ...], tuple[int, ...], bool]] = {
    "published": (
        (nftables.TYPE_PROTOCOL, nftables.TYPE_PORT),
        (nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_PORT),
        False,
    ),
    "published_on": (
        (nftables.TYPE_PROTOCOL, nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_PORT),
        (nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_PORT),
        False,
    ),
    "published_ranges": (
        (nftables.TYPE_PROTOCOL, nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_PORT),
        (nftables.TYPE_IPV4_ADDRESS,),
        True,
    ),
}


@dataclass(frozen=True, slots=True)
class PortMapping:
    """``count`` host ports, from ``host_port`` on, lead to as many ports of a container, from ``container_port`` on.

    ``host_ip`` 0.0.0.0 is every address of this host. More than one only where the numbers are equal on both sides.
    """

    protocol: str
    host_ip: str
    host_port: int
    address: str
    container_port: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Chain:
    """A base chain: where it hooks in and what happens to a packet that no rule decides on."""

    name: str
    kind: str
    hook: int
    priority: int
    policy: int = nft.ACCEPT


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as its expressions, and why it is there (unique within its chain)."""

    chain: str
    comment: str
    expressions: bytes


_RAW = Chain("raw", "filter", nftables.PREROUTING, nftables.PRIORITY_RAW)
_PREROUTING = Chain("prerouting", "nat", nftables.PREROUTING, nftables.PRIORITY_DSTNAT)
_OUTPUT = Chain("output", "nat", nftables.OUTPUT, nftables.PRIORITY_DSTNAT)
_FORWARD = Chain("forward", "filter", nftables.FORWARD, nftables.PRIORITY_FILTER)
_POSTROUTING = Chain("postrouting", "nat", nftables.POSTROUTING, nftables.PRIORITY_SRCNAT)
GUARD = Chain("guard", "filter", nftables.FORWARD, nftables.PRIORITY_FILTER + 1, nft.DROP)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One table: ``bridges`` it serves, and whether it must guard the host's forwarding."""

    table: str
    bridges: tuple[BridgeSettings, ...]
    guard: bool = False

    def chains(self) -> list[Chain]:
        """The base chains, in the order they are made."""
        return [_RAW, _PREROUTING, _OUTPUT, _FORWARD, _POSTROUTING] + ([GUARD] if self.guard else [])

    def rules(self) -> list[Rule]:
        """All rules in order."""
        found = [*_loopback_from_outside(), *_published(_PREROUTING.name), *_published(_OUTPUT.name)]
        found.append(_rule(_FORWARD, "answers", nft.conntrack_established(), nft.ACCEPT))
        for bridge in self.bridges:
            found += [_straight_to_container(bridge), *_forward(bridge), *_postrouting(bridge)]
        if self.guard:
            kinds = (("from", nft.META_IIFKIND), ("to", nft.META_OIFKIND))
            found += [_rule(GUARD, f"{way} a bridge", _is_bridge(key), nft.ACCEPT) for way, key in kinds]
        return found

    def replacement(self, mappings: Iterable[PortMapping]) -> list[Message]:
        """One transaction that puts this table with these ports in the place of whatever is there under its name."""
        table = self.table
        messages = [nftables.add_table(table), nftables.delete_table(table), nftables.add_table(table)]
        for number, (name, (key, data, interval)) in enumerate(MAPS.items(), 1):
            messages.append(nftables.add_map(table, name, number, key, data, interval=interval))
        for chain in self.chains():
            place = (chain.kind, chain.hook, chain.priority)
            messages.append(nftables.add_chain(table, chain.name, *place, policy=chain.policy))
        messages += [nftables.add_rule(table, rule.chain, rule.expressions, rule.comment) for rule in self.rules()]
        return messages + addition(table, mappings)


def _rule(chain: Chain, comment: str, condition: bytes, verdict: int) -> Rule:
    return Rule(chain.name, comment, condition + nft.verdict(verdict))


def _loopback_from_outside() -> list[Rule]:
    """Routing 127/8 on a bridge lifts the kernel's own ban on it, in both directions (CVE-2020-8558)."""
    outside = nft.in_subnet("127.0.0.0/8") + nft.interface(nft.META_IIFNAME, "lo", equal=False)
    return [
        _rule(_RAW, "to loopback from outside", nft.destination_address() + outside, nft.DROP),
        _rule(_RAW, "as loopback from outside", nft.source_address() + outside, nft.DROP),
    ]


def _straight_to_container(bridge: BridgeSettings) -> Rule:
    """Whoever writes a container's own address came by a route, not through a published port (moby#45610)."""
    condition = nft.destination_address() + nft.in_subnet(bridge.subnet)
    condition += nft.interface(nft.META_IIFNAME, bridge.name, equal=False)
    condition += nft.interface(nft.META_IIFNAME, "lo", equal=False)
    return _rule(_RAW, f"routed around {bridge.name}", condition, nft.DROP)


def _published(chain: str) -> list[Rule]:
    """Look the destination up: by port on every local address, by address and port, in ranges."""
    by_port = nft.meta(nft.META_L4PROTO) + nft.destination_port(nft.REGISTER32 + 1)
    by_address = nft.meta(nft.META_L4PROTO) + nft.destination_address(nft.REGISTER32 + 1)
    by_address += nft.destination_port(nft.REGISTER32 + 2)
    found = []
    for name, load in (("published_on", by_address), ("published", by_port), ("published_ranges", by_address)):
        has_port = len(MAPS[name][1]) == 2
        expressions = nft.destination_is_local() + load + nft.lookup(name) + nft.destination_nat(port=has_port)
        found.append(Rule(chain, name.replace("_", " "), expressions))
    return found


def _forward(bridge: BridgeSettings) -> list[Rule]:
    into = nft.interface(nft.META_OIFNAME, bridge.name)
    own = nft.interface(nft.META_IIFNAME, bridge.name) + into
    return [
        _rule(_FORWARD, f"published on {bridge.name}", into + nft.conntrack_dnat(), nft.ACCEPT),
        _rule(_FORWARD, f"within {bridge.name}", own, nft.DROP if bridge.isolated else nft.ACCEPT),
        _rule(_FORWARD, f"into {bridge.name}", into, nft.DROP),
    ]


def _postrouting(bridge: BridgeSettings) -> list[Rule]:
    into = nft.interface(nft.META_OIFNAME, bridge.name)
    inside = nft.source_address() + nft.in_subnet(bridge.subnet)
    hairpin = inside + into + nft.conntrack_dnat() + nft.masquerade()
    loopback = nft.source_address() + nft.in_subnet("127.0.0.0/8") + into + nft.masquerade()
    name = _POSTROUTING.name
    found = [Rule(name, f"hairpin of {bridge.name}", hairpin), Rule(name, f"loopback into {bridge.name}", loopback)]
    if bridge.masquerade:
        leaving = inside + nft.interface(nft.META_OIFNAME, bridge.name, equal=False) + nft.masquerade()
        found.append(Rule(name, f"out of {bridge.name}", leaving))
    return found


def _is_bridge(key: int) -> bytes:
    return nft.meta(key) + nft.compare(b"bridge".ljust(_KIND_BYTES, b"\0"))


def coalesce(mappings: Iterable[PortMapping]) -> list[PortMapping]:
    """Join runs of neighbouring ports whose numbers are equal on both sides.

    A shifted range stays one mapping a port: an interval that carries a port would lead all of it to the first.
    """
    found: list[PortMapping] = []
    for mapping in sorted(mappings, key=lambda m: (m.protocol, m.host_ip, m.address, m.host_port)):
        last = found[-1] if found else None
        if last and mapping.host_port == mapping.container_port and _continues(last, mapping):
            found[-1] = replace(last, count=last.count + mapping.count)
        else:
            found.append(mapping)
    return found


def _continues(last: PortMapping, mapping: PortMapping) -> bool:
    same = (last.protocol, last.host_ip, last.address) == (mapping.protocol, mapping.host_ip, mapping.address)
    return same and last.host_port == last.container_port and last.host_port + last.count == mapping.host_port


def elements(mappings: Iterable[PortMapping]) -> dict[str, list[Element]]:
    """The map entries of (coalesced) mappings, by map."""
    found: dict[str, list[Element]] = {}
    for mapping in mappings:
        name, element = _element(mapping)
        found.setdefault(name, []).append(element)
    return found


def _element(mapping: PortMapping) -> tuple[str, Element]:
    protocol = bytes([PROTOCOLS[mapping.protocol]])
    host, port = socket.inet_aton(mapping.host_ip), _port(mapping.host_port)
    address = socket.inet_aton(mapping.address)
    if mapping.count > 1:
        end = socket.inet_aton(_LAST_ADDRESS) if mapping.host_ip == ANY else host
        last = _port(mapping.host_port + mapping.count - 1)
        return "published_ranges", Element([protocol, host, port], [address], [protocol, end, last])
    target = [address, _port(mapping.container_port)]
    if mapping.host_ip == ANY:
        return "published", Element([protocol, port], target)
    return "published_on", Element([protocol, host, port], target)


def _port(number: int) -> bytes:
    return struct.pack(">H", number)


def addition(table: str, mappings: Iterable[PortMapping]) -> list[Message]:
    """The messages that publish mappings."""
    return _each_map(nftables.add_elements, table, mappings)


def removal(table: str, mappings: Iterable[PortMapping]) -> list[Message]:
    """The messages that withdraw mappings."""
    return _each_map(nftables.delete_elements, table, mappings)


def _each_map(change: _Change, table: str, mappings: Iterable[PortMapping]) -> list[Message]:
    return [message for name, found in elements(mappings).items() for message in change(table, name, found)]
