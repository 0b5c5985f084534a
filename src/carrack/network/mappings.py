"""Published ports as values, and as entries of the firewall's sets and maps.

A run of ports whose numbers are equal on both sides is one entry. A shifted range is one entry a port: an interval that
carries a port would lead all of it to the first.
"""

import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import collapse_addresses, ip_network
from socket import AF_INET, AF_INET6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, inet_pton
from typing import Any

from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.linux.nft_messages import Element

ANY, ANY6 = IPV4.any, IPV6.any
LOOPBACK6 = "::1"
PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP, "sctp": IPPROTO_SCTP}

#: Entries by family and name of the set or map they belong to
Entries = dict[tuple[Family, str], list[Element]]


@dataclass(frozen=True, slots=True)
class PortMapping:
    """``count`` host ports, from ``host_port`` on, lead to as many ports of a container, from ``container_port`` on.

    ``host_ip`` 0.0.0.0 (``::``) is every address of this host in that family. More than one only where the numbers are
    equal on both sides. ``allow``: networks that may use it, all when empty; the host itself always may. ``direct``:
    the container's own address and port are open to those who can route to them; without a ``host_port`` (0) that is
    all there is.
    """

    protocol: str
    host_ip: str
    host_port: int
    address: str
    container_port: int
    count: int = 1
    allow: tuple[str, ...] = ()
    direct: bool = False

    @property
    def relayed(self) -> bool:
        """Whether the kernel cannot do it: from IPv6 to a container without, and from ::1 to anywhere."""
        return ":" in self.host_ip and (":" not in self.address or self.host_ip == LOOPBACK6)

    @property
    def family(self) -> Family:
        """Of the side that clients see."""
        return family_of(self.host_ip)


@dataclass(frozen=True, slots=True, order=True)
class Passage:
    """A port of a container, ``address``, that is open to a neighbour (`doors`), ``source``."""

    source: str
    address: str
    protocol: str
    port: int


def passage_entries(passages: Collection[Passage]) -> Entries:
    """The entries of passages."""
    found: Entries = {}
    pairs = {pair for p in passages if ":" in p.source for pair in ((p.source, p.address), (p.address, p.source))}
    if pairs:  # cards are looked for, in both directions, by what passes the firewall
        found[IPV6, "acquainted"] = [Element([packed(one), packed(other)]) for one, other in sorted(pairs)]
    for one in passages:
        place = [bytes([PROTOCOLS[one.protocol]]), packed(one.address), _port(one.port), packed(one.source)]
        found.setdefault((family_of(one.address), "linked"), []).append(Element(place))
    return found


def family_of(address: str) -> Family:
    """By its colon."""
    return IPV6 if ":" in address else IPV4


def coalesce(mappings: Iterable[PortMapping]) -> list[PortMapping]:
    """Join runs of neighbouring ports whose numbers are equal on both sides."""
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
    alike = (last.allow, last.direct) == (mapping.allow, mapping.direct)
    meets = last.host_port == last.container_port and last.host_port + last.count == mapping.host_port
    return same and alike and meets


def entries(mappings: Iterable[PortMapping]) -> Entries:
    """The entries of (coalesced) mappings."""
    found: Entries = {}
    ordered = list(mappings)
    for mapping in ordered:
        if mapping.host_port and not mapping.relayed:
            name, element = _translation(mapping)
            found.setdefault((mapping.family, name), []).append(element)
    for mapping in _runs((m for m in ordered if m.host_port and m.allow), "host_port"):
        _restriction(found, mapping)
    for mapping in _runs((m for m in ordered if m.host_port and _needs_relay(m)), "host_port"):
        address = mapping.host_ip if mapping.relayed else LOOPBACK6
        found.setdefault((IPV6, "relayed"), []).append(_range(mapping, address))
    for mapping in _runs((m for m in ordered if m.direct), "container_port"):
        _opening(found, mapping)
    return found


def _needs_relay(mapping: PortMapping) -> bool:
    """Every address of the host includes ::1."""
    return mapping.relayed or mapping.host_ip == ANY6


def _runs(mappings: Iterable[PortMapping], side: str) -> list[PortMapping]:
    """Neighbours joined by the ports of one side alone, where the other side's do not matter."""
    inside = side == "container_port"
    groups: dict[tuple[Any, ...], list[PortMapping]] = {}
    for m in mappings:
        key = (m.protocol, m.address if inside else m.host_ip, m.allow, m.relayed)
        groups.setdefault(key, []).append(m)
    found = []
    for group in groups.values():
        for first, count in _joined(sorted((m.container_port if inside else m.host_port, m.count) for m in group)):
            one = replace(group[0], count=count)
            found.append(replace(one, container_port=first) if inside else replace(one, host_port=first))
    return found


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans (first, count), in order, as few as possible."""
    begin, end = -1, -1
    for first, count in spans:
        if first > end:
            if begin >= 0:
                yield begin, end - begin
            begin, end = first, first
        end = max(end, first + count)
    if begin >= 0:
        yield begin, end - begin


def _translation(mapping: PortMapping) -> tuple[str, Element]:
    protocol = bytes([PROTOCOLS[mapping.protocol]])
    family, host, port = mapping.family, packed(mapping.host_ip), _port(mapping.host_port)
    address = packed(mapping.address)
    if mapping.count > 1:
        end = b"\xff" * family.size if mapping.host_ip == family.any else host
        last = _port(mapping.host_port + mapping.count - 1)
        return "published_ranges", Element([protocol, host, port], [address], [protocol, end, last])
    target = [address, _port(mapping.container_port)]
    if mapping.host_ip == family.any:
        return "published", Element([protocol, port], target)
    return "published_on", Element([protocol, host, port], target)


def _range(mapping: PortMapping, address: str, source: str = "") -> Element:
    """Protocol, address and port of the clients' side as a range, with the network they come from where given."""
    protocol = bytes([PROTOCOLS[mapping.protocol]])
    first = [protocol, packed(address), _port(mapping.host_port)]
    everywhere = address == family_of(address).any
    last_address = b"\xff" * len(first[1]) if everywhere else first[1]
    last = [protocol, last_address, _port(mapping.host_port + mapping.count - 1)]
    low, high = limits(source) if source else (b"", b"")
    return Element([*first, low], (), [*last, high])


def _restriction(found: Entries, mapping: PortMapping) -> None:
    family = mapping.family
    found.setdefault((family, "restricted"), []).append(_range(mapping, mapping.host_ip))
    sources = [_range(mapping, mapping.host_ip, source) for source in _networks(mapping.allow, family)]
    if sources:
        found.setdefault((family, "allowed"), []).extend(sources)


def _opening(found: Entries, mapping: PortMapping) -> None:
    """The container's own address and port, for those who come by a route."""
    family = family_of(mapping.address)
    inside = replace(mapping, host_ip=mapping.address, host_port=mapping.container_port)
    sources = _networks(mapping.allow, family) if mapping.allow else [f"{family.any}/0"]
    if sources:
        elements = [_range(inside, mapping.address, source) for source in sources]
        found.setdefault((family, "direct"), []).extend(elements)


def _networks(allow: Iterable[str], family: Family) -> list[str]:
    """Those of one family, each address in one of them only: the kernel refuses ranges that overlap."""
    parsed = [ip_network(text, strict=False) for text in allow]
    version = 4 if family is IPV4 else 6
    return [str(network) for network in collapse_addresses(n for n in parsed if n.version == version)]  # type: ignore[type-var]


def packed(address: str) -> bytes:
    """An address of either family as its bytes."""
    return inet_pton(AF_INET6 if ":" in address else AF_INET, address)


def limits(subnet: str) -> tuple[bytes, bytes]:
    """First and last address of ``172.17.0.0/16``."""
    host, _, prefix = subnet.partition("/")
    first = packed(host)
    bits = 8 * len(first) - int(prefix)
    return first, (int.from_bytes(first, "big") | (1 << bits) - 1).to_bytes(len(first), "big")


def _port(number: int) -> bytes:
    return struct.pack(">H", number)


def changes(before: Entries, after: Entries) -> tuple[Entries, Entries]:
    """(what goes, what comes) between two states."""
    return _without(before, after), _without(after, before)


def _without(some: Entries, others: Entries) -> Entries:
    found: Entries = {}
    for where, elements in some.items():
        there = {(element.place, element.data) for element in others.get(where, ())}
        left = [element for element in elements if (element.place, element.data) not in there]
        if left:
            found[where] = left
    return found
