"""The firewall as a value: chains, rules and sets of one nftables table, computed without touching the kernel.

::

    raw         packets that no honest sender makes: to or from 127/8, or straight to a container, from outside
    prerouting  published ports, for what arrives from other hosts and from containers
    output      published ports, for programs on this host (127.0.0.1 too)
    forward     to a container only answers, its own bridge, and what was published
    postrouting the outside sees the host's address; a container that calls its own published port, the gateway's
    guard       only when it was us who switched forwarding on: the host does not become a router of its other links

The table is there twice, for IPv4 and for IPv6, under one name. The rules are the same for any number of networks and
ports: a bridge, like a published port, is entries of sets and maps. Nothing here opens what the host's own tables
close: an accept ends only our chains.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from socket import IPPROTO_TCP, IPPROTO_UDP
from typing import NamedTuple

from carrack.linux import nft_expressions as nft
from carrack.linux import nft_messages as nftables
from carrack.linux.netlink import Message
from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.network.bridge import BridgeSettings
from carrack.network.bridge_sets import members
from carrack.network.mappings import Entries, Passage, PortMapping, entries, passage_entries
from carrack.network.relay import COMMENT

_KIND_BYTES = 16
_ICMP = {IPV4: 1, IPV6: 58}
_SOLICITATION, _ADVERTISEMENT = 135, 136


class Shape(NamedTuple):
    """A set or map: the types of its key's parts and of its data's (none: a set), and whether it holds ranges."""

    key: tuple[int, ...]
    data: tuple[int, ...] = ()
    interval: bool = False


def shapes(family: Family) -> dict[str, Shape]:
    """All sets and maps of a family, by name."""
    address, port, protocol, interface = (
        family.type,
        nftables.TYPE_PORT,
        nftables.TYPE_PROTOCOL,
        nftables.TYPE_INTERFACE,
    )
    place = (protocol, address, port)
    return {
        # of bridges, see `bridge_sets`
        "bridges": Shape((interface,)),
        "internal": Shape((interface,)),
        "routed": Shape((interface,)),
        "unprotected": Shape((interface,)),
        "within": Shape((interface, interface)),
        "homes": Shape((address, interface), interval=True),
        "trusted": Shape((address, interface), interval=True),
        "gateways": Shape((address,)),
        "subnets": Shape((address,), interval=True),
        "masqueraded": Shape((address,), interval=True),
        "sources": Shape((address,), (address,), interval=True),
        # of published ports, see `mappings`
        "published": Shape((protocol, port), (address, port)),
        "published_on": Shape(place, (address, port)),
        "published_ranges": Shape(place, (address,), interval=True),
        "restricted": Shape(place, interval=True),
        "allowed": Shape((*place, address), interval=True),
        "direct": Shape((*place, address), interval=True),
        "relayed": Shape(place, interval=True),
        # of links (Docker's --link) on a bridge whose containers are kept apart
        "linked": Shape((*place, address)),
        **({"acquainted": Shape((address, address))} if family is IPV6 else {}),
    }


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

#: Chains that are jumped to: from raw to a container, from raw out of an internal network, to a port, to a limited one
_INNER, _CONFINED, _PORTS, _LIMITED = "inner", "confined", "ports", "limited"
PLAIN_CHAINS = (_INNER, _CONFINED, _PORTS, _LIMITED)

_IIF, _OIF = nft.META_IIFNAME, nft.META_OIFNAME


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One table in each of ``families``: ``bridges`` it serves, and where it must guard the host's forwarding.

    ``direct_routing``: who can route to containers may (Docker's ``allow-direct-routing``), to published ports only.
    ``relay`` is the port of the process that does what the kernel cannot (`relay`), 0 when there is none. ``mark``:
    packets of this (mark, mask) are let in to any container (Docker's ``bridge-accept-fwmark``).
    """

    table: str
    bridges: tuple[BridgeSettings, ...]
    guard: tuple[Family, ...] = ()
    direct_routing: bool = False
    families: tuple[Family, ...] = (IPV4, IPV6)
    relay: int = 0
    mark: tuple[int, int] | None = None

    def chains(self, family: Family = IPV4) -> list[Chain]:
        """The base chains, in the order they are made."""
        return [_RAW, _PREROUTING, _OUTPUT, _FORWARD, _POSTROUTING] + ([GUARD] if family in self.guard else [])

    def rules(self, family: Family = IPV4) -> list[Rule]:
        """All rules of a family, in order."""
        found = [*_raw(family), *_ports(family), *_forward(family), *_postrouting(family)]
        if family is IPV6 and self.relay:
            found = _relay(self.relay) + found
        if self.mark is not None:
            found = _marked(*self.mark) + found
        if family in self.guard:
            kinds = (("from", nft.META_IIFKIND), ("to", nft.META_OIFKIND))
            found += [_rule(GUARD.name, f"{way} a bridge", _is_bridge(key), nft.ACCEPT) for way, key in kinds]
        return found

    def entries(self, mappings: Iterable[PortMapping] = (), passages: Iterable[Passage] = ()) -> Entries:
        """What the sets and maps hold, of the bridges, of published ports and of links."""
        found: Entries = {}
        parts = [self.members(bridge) for bridge in self.bridges]
        for part in [*parts, self.ports(mappings), self.passages(tuple(passages))]:
            for where, elements in part.items():
                found.setdefault(where, []).extend(elements)
        return found

    def members(self, bridge: BridgeSettings) -> Entries:
        """What the sets hold of one bridge."""
        return self._known(members(bridge, direct_routing=self.direct_routing))

    def ports(self, mappings: Iterable[PortMapping]) -> Entries:
        """What the sets and maps hold of published ports (coalesced)."""
        return self._known(entries(mappings))

    def passages(self, passages: Collection[Passage]) -> Entries:
        """What the sets hold of links."""
        return self._known(passage_entries(passages))

    def _known(self, found: Entries) -> Entries:
        return {where: elements for where, elements in found.items() if where[0] in self.families}

    def replacement(self, mappings: Iterable[PortMapping], passages: Iterable[Passage] = ()) -> list[Message]:
        """One transaction that puts these tables with these ports in the place of whatever is there under the name."""
        messages = [message for family in self.families for message in self._table(family)]
        return messages + addition(self.table, self.entries(mappings, passages))

    def _table(self, family: Family) -> list[Message]:
        table = self.table
        fresh = nftables.add_table(table, family), nftables.delete_table(table, family)
        messages = [*fresh, nftables.add_table(table, family)]
        for number, (name, shape) in enumerate(shapes(family).items(), 1):
            kind = (shape.key, shape.data)
            messages.append(nftables.add_set(table, name, number, *kind, interval=shape.interval, family=family))
        messages += [nftables.add_plain_chain(table, name, family) for name in PLAIN_CHAINS]
        for chain in self.chains(family):
            place = (chain.kind, chain.hook, chain.priority)
            messages.append(nftables.add_chain(table, chain.name, *place, policy=chain.policy, family=family))
        rules = self.rules(family)
        return messages + [nftables.add_rule(table, r.chain, r.expressions, r.comment, family) for r in rules]


def _rule(chain: str, comment: str, condition: bytes, verdict: int) -> Rule:
    return Rule(chain, comment, condition + nft.verdict(verdict))


def _in(key: int, name: str, *, inverted: bool = False) -> bytes:
    """Go on only when the interface is in a set."""
    return nft.meta(key) + nft.lookup(name, inverted=inverted)


def _pair(family: Family, address: bytes, key: int, name: str) -> bytes:
    """Go on only when a loaded address and an interface are in a set together."""
    return address + nft.meta(key, nft.REGISTER32 + family.size // 4) + nft.lookup(name)


def _raw(family: Family) -> list[Rule]:
    """Before connections are tracked. Routing 127/8 on a bridge lifts the kernel's own ban on it, in both directions
    (CVE-2020-8558); whoever writes a container's own address came by a route, not through a published port
    (moby#45610). A container may talk to the host by the gateway of another network, as everywhere by Docker.
    """
    to, raw = nft.destination_address(family), _RAW.name
    home = _pair(family, to, _IIF, "homes")
    inside = _rule(_INNER, "from its bridge", home, nft.ACCEPT)
    found = [
        Rule(raw, "to a container", to + nft.lookup("subnets") + nft.jump(_INNER)),
        Rule(raw, "from an internal network", _in(_IIF, "internal") + nft.jump(_CONFINED)),
        inside,
        _rule(_INNER, "from this host", nft.interface(_IIF, "lo"), nft.ACCEPT),
        _rule(_INNER, "from a trusted interface", _pair(family, to, _IIF, "trusted"), nft.ACCEPT),
        _rule(_INNER, "not out of an internal network", _in(_IIF, "internal"), nft.DROP),
        _rule(_INNER, "by a gateway", to + nft.lookup("gateways") + _in(_IIF, "bridges"), nft.ACCEPT),
        _rule(_INNER, "routed around a bridge", b"", nft.DROP),
        _rule(_CONFINED, "within", home, nft.ACCEPT),
        _rule(_CONFINED, "to this host", nft.destination_is_local(), nft.DROP),
    ]
    return (_loopback_from_outside() if family is IPV4 else []) + found


def _loopback_from_outside() -> list[Rule]:
    """IPv6 needs no such rule: the kernel itself takes no packet to or from ::1 from a wire."""
    outside = nft.in_subnet("127.0.0.0/8") + nft.interface(_IIF, "lo", equal=False)
    return [
        _rule(_RAW.name, "to loopback from outside", nft.destination_address() + outside, nft.DROP),
        _rule(_RAW.name, "as loopback from outside", nft.source_address() + outside, nft.DROP),
    ]


def _ports(family: Family) -> list[Rule]:
    """Look the destination up: by port on every local address, by address and port, in ranges.

    Limits by source hold for all but the host's own programs, whose packets pass output.
    """
    local = nft.destination_is_local()
    by_port = nft.meta(nft.META_L4PROTO) + nft.destination_port(nft.REGISTER32 + 1)
    by_address = _place(family)
    from_where = by_address + nft.source_address(family, nft.REGISTER32 + 2 + family.size // 4)
    found = [
        Rule(_PREROUTING.name, "to a limited port", local + by_address + nft.lookup("restricted") + nft.jump(_LIMITED)),
        Rule(_PREROUTING.name, "to this host", local + nft.jump(_PORTS)),
        Rule(_OUTPUT.name, "to this host", local + nft.jump(_PORTS)),
        _rule(_LIMITED, "from an allowed source", from_where + nft.lookup("allowed"), nft.RETURN),
        _rule(_LIMITED, "from elsewhere", b"", nft.DROP),
    ]
    for name, load in (("published_on", by_address), ("published", by_port), ("published_ranges", by_address)):
        has_port = len(shapes(family)[name].data) == 2
        translate = nft.lookup(name, into=nft.REGISTER) + nft.destination_nat(family, port=has_port)
        found.append(Rule(_PORTS, name.replace("_", " "), load + translate))
    return found


def _place(family: Family) -> bytes:
    """Load protocol, destination address and destination port, one behind the other."""
    load = nft.meta(nft.META_L4PROTO) + nft.destination_address(family, nft.REGISTER32 + 1)
    return load + nft.destination_port(nft.REGISTER32 + 1 + family.size // 4)


def _relay(port: int) -> list[Rule]:
    """What the kernel cannot translate goes to a process of ours. A rule each, or nft cannot read what it lists."""
    lead = _place(IPV6) + nft.lookup("relayed") + nft.immediate(port.to_bytes(2, "big")) + nft.redirect()
    return [
        Rule(_PORTS, f"{protocol} {COMMENT} {port}", nft.meta(nft.META_L4PROTO) + nft.compare(bytes([number])) + lead)
        for protocol, number in (("tcp", IPPROTO_TCP), ("udp", IPPROTO_UDP))
    ]


def _marked(mark: int, mask: int) -> list[Rule]:
    """Before all else that decides on packets to containers."""
    marked = nft.marked(mark, mask)
    return [
        _rule(_INNER, "of the accepted mark", marked, nft.ACCEPT),
        _rule(_FORWARD.name, "of the accepted mark", _in(_OIF, "bridges") + marked, nft.ACCEPT),
    ]


def _forward(family: Family) -> list[Rule]:
    chain = _FORWARD.name
    pair = nft.meta(_IIF) + nft.meta(_OIF, nft.REGISTER + 1)
    into = _in(_OIF, "bridges")
    from_others = _in(_IIF, "bridges", inverted=True)
    place = _place(family) + nft.source_address(family, nft.REGISTER32 + 2 + family.size // 4)
    opened = place + nft.lookup("direct")
    ping = nft.meta(nft.META_L4PROTO) + nft.compare(bytes([_ICMP[family]]))
    return [
        _rule(chain, "answers", nft.conntrack_established(), nft.ACCEPT),
        _rule(chain, "within a bridge", pair + nft.lookup("within"), nft.ACCEPT),
        _rule(chain, "out of an internal network", _in(_IIF, "internal"), nft.DROP),
        _rule(chain, "into an internal network", _in(_OIF, "internal"), nft.DROP),
        _rule(chain, "published", into + nft.conntrack_dnat(), nft.ACCEPT),
        _rule(chain, "routed to a published port", _in(_OIF, "routed") + opened, nft.ACCEPT),
        _rule(chain, "ping of a routed network", _in(_OIF, "routed") + ping, nft.ACCEPT),
        _rule(chain, "directly to a published port", into + from_others + opened, nft.ACCEPT),
        _rule(chain, "unprotected", _in(_OIF, "unprotected") + from_others, nft.ACCEPT),
        *(_neighbours(chain) if family is IPV6 else []),
        _rule(chain, "by a link", into + place + nft.lookup("linked"), nft.ACCEPT),
        _rule(chain, "into a bridge", into, nft.DROP),
    ]


def _neighbours(chain: str) -> list[Rule]:
    """Those between whom a link leads find each other's cards (RFC 4861), which in IPv4 is ARP's and passes by here."""
    icmp = nft.meta(nft.META_L4PROTO) + nft.compare(bytes([_ICMP[IPV6]]))
    target = nft.neighbour_target(nft.REGISTER32 + IPV6.size // 4) + nft.lookup("acquainted")
    asked = nft.icmp_type(_SOLICITATION) + nft.source_address(IPV6) + target
    told = nft.icmp_type(_ADVERTISEMENT) + nft.destination_address(IPV6) + target
    return [
        _rule(chain, "linked neighbour looked for", icmp + asked, nft.ACCEPT),
        _rule(chain, "linked neighbour found", icmp + told, nft.ACCEPT),
    ]


def _postrouting(family: Family) -> list[Rule]:
    name, source = _POSTROUTING.name, nft.source_address(family)
    home = _pair(family, source, _OIF, "homes")
    loopback = source + nft.in_subnet("127.0.0.0/8") + _in(_OIF, "bridges") + nft.masquerade()
    own_source = source + nft.lookup("sources", into=nft.REGISTER) + nft.source_nat(family)
    found = [
        Rule(name, "hairpin", home + nft.conntrack_dnat() + nft.masquerade()),
        _rule(name, "within a bridge", home, nft.ACCEPT),
        Rule(name, "out under a chosen address", own_source),
        Rule(name, "out of a bridge", source + nft.lookup("masqueraded") + nft.masquerade()),
    ]
    return [Rule(name, "loopback into a bridge", loopback), *found] if family is IPV4 else found


def _is_bridge(key: int) -> bytes:
    return nft.meta(key) + nft.compare(b"bridge".ljust(_KIND_BYTES, b"\0"))


def addition(table: str, found: Entries) -> list[Message]:
    """The messages that add entries."""
    return [
        message
        for (family, name), elements in found.items()
        for message in nftables.add_elements(table, name, elements, family)
    ]


def removal(table: str, found: Entries) -> list[Message]:
    """The messages that take entries away."""
    return [
        message
        for (family, name), elements in found.items()
        for message in nftables.delete_elements(table, name, elements, family)
    ]
