"""What is wrong with the network of this host, and the command that mends it: rules over facts.

A finding is a note, when only something that may be wanted is missing, or a problem, when containers suffer by it now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from carrack.engine.networks.pools import EVERYWHERE
from carrack.engine.system.reach import Document, bridge_of, reach
from carrack.network.facts import Facts, Wall, is_loopback

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container

Routes = Sequence[tuple[str, str]]
#: level, text, mending command
Finding = tuple[str, str, str]
OK, NOTE, PROBLEM = "ok", "note", "problem"
_STUB = "127.0.0.53"
#: feature of the kernel → (what is not possible without it, the module)
_FEATURES = {
    "conntrack": ("published ports and masquerading", "nf_conntrack"),
    "ipv6": ("networks with IPv6", "ipv6"),
    "macvlan": ("networks of the driver macvlan", "macvlan"),
    "ipvlan": ("networks of the driver ipvlan", "ipvlan"),
    "8021q": ("parents like eth0.100 of macvlan and ipvlan networks", "8021q"),
    "sctp": ("published SCTP ports", "nf_conntrack"),
    "br_netfilter": ("rules of the host's firewall between containers on one bridge", "br_netfilter"),
}
# what is on every interface
_NOBODYS = ("fe80:", "ff")
_NEEDED = ("conntrack",)


class NetworkDoctor:
    """Looks at the host on demand. ``resolver`` gives what is wrong with the resolver of names, or nothing."""

    def __init__(
        self,
        containers: Iterable[Container],
        networks: Callable[[], list[Document]],
        gather: Callable[[], Facts],
        routes: Callable[[], Awaitable[Routes]],
        resolver: Callable[[], Awaitable[str]],
        table: str,
    ) -> None:
        self._containers = containers
        self._networks = networks
        self._gather = gather
        self._routes = routes
        self._resolver = resolver
        self._table = table

    async def reach(self) -> list[Document]:
        """Who can reach what: see :func:`carrack.engine.system.reach.reach`."""
        facts = await asyncio.to_thread(self._gather)
        return reach(self._containers, self._networks(), facts)

    async def diagnose(self) -> list[Document]:
        """All findings: ``Check``, ``Level`` (ok, note or problem), ``Text`` and ``Mend`` (a command, or empty)."""
        facts = await asyncio.to_thread(self._gather)
        networks = self._networks()
        return [
            *_checked("forwarding", "this host forwards packets", _forwarding(facts, networks)),
            *_checked(
                "rules", f"the engine's own rules are in place (table {self._table})", _rules(facts, self._table)
            ),
            *_checked("firewalls", "no other firewall drops what containers send or get", _firewalls(facts, networks)),
            *_checked(
                "bridges", "no other firewall drops what stays within a bridge", _within_bridges(facts, networks)
            ),
            *_checked("routes", "no network overlaps a route of the host", _routes(networks, await self._routes())),
            *_checked("kernel", "the kernel has all that networks need", _kernel(facts)),
            *_checked("names", "the resolver of names answers", _names(await self._resolver())),
            *_checked("dns", f"the host's DNS servers: {' '.join(facts.nameservers)}", _servers(facts)),
        ]


def _checked(check: str, fine: str, found: Iterable[Finding]) -> list[Document]:
    """What was found by a check, or that all is fine."""
    findings = list(found) or [(OK, fine, "")]
    return [{"Check": check, "Level": level, "Text": text, "Mend": mend} for level, text, mend in findings]


def _forwarding(facts: Facts, networks: Sequence[Document]) -> Iterator[Finding]:
    if not facts.forwarding.get(4):
        text = "IPv4 forwarding is off: containers reach nothing outside, and nobody reaches their ports"
        yield PROBLEM, text, "sysctl -w net.ipv4.ip_forward=1"
    with6 = sorted(each["Name"] for each in networks if each.get("EnableIPv6"))
    if with6 and not facts.forwarding.get(6):
        text = f"IPv6 forwarding is off, and these networks have IPv6: {', '.join(with6)}"
        yield PROBLEM, text, "sysctl -w net.ipv6.conf.all.forwarding=1"


def _rules(facts: Facts, table: str) -> Iterator[Finding]:
    if table not in facts.tables:
        yield PROBLEM, f"the nftables table {table} is gone: no published port works", "systemctl restart carrack"
    if facts.legacy:
        text = "iptables of the old kind has rules here, which cannot be read: see whether they drop"
        yield NOTE, text, "iptables-legacy -S FORWARD"


def _firewalls(facts: Facts, networks: Sequence[Document]) -> Iterator[Finding]:
    for wall in facts.walls:
        behind: dict[str, list[Document]] = {}
        for network in networks:
            if what := _closed(wall, network):
                behind.setdefault(what, []).append(network)
        for what, found in behind.items():
            names = ", ".join(network["Name"] for network in found)
            who = f"network{'s' if len(found) > 1 else ''} {names}: {wall.owner or 'another program'}"
            text = f"{who} drops, unless a rule of its allows it, what goes {what} ({wall.name})"
            yield PROBLEM, text, " && ".join(mend(wall, bridge_of(network)) for network in found)


def _closed(wall: Wall, network: Document) -> str:
    """What the wall drops of a network's packets, in words; empty for nothing."""
    bridge, versions = bridge_of(network), [4, 6] if network.get("EnableIPv6") else [4]
    if not bridge or not any(map(wall.sees, versions)):
        return ""
    ways = {
        "to its published ports from elsewhere": wall.admits(bridge),
        "from its containers to the outside": wall.lets_out(bridge) or network.get("Internal"),
    }
    return " and ".join(way for way, is_open in ways.items() if not is_open)


def mend(wall: Wall, bridge: str) -> str:
    """The command that has another program's firewall accept the packets of a bridge."""
    if wall.owner == "ufw":
        return f"ufw route allow in on {bridge} && ufw route allow out on {bridge}"
    if wall.owner == "firewalld":
        return f"firewall-cmd --permanent --zone=trusted --add-interface={bridge} && firewall-cmd --reload"
    if wall.table == "filter" and wall.family in ("ip", "ip6"):
        program = "iptables" if wall.family == "ip" else "ip6tables"
        chain = "DOCKER-USER" if wall.owner == "dockerd" else wall.chain
        return f"{program} -I {chain} -i {bridge} -j ACCEPT && {program} -I {chain} -o {bridge} -j ACCEPT"
    rule = f"nft insert rule {wall.name}"
    return f"{rule} iifname {bridge} accept && {rule} oifname {bridge} accept"


def _within_bridges(facts: Facts, networks: Sequence[Document]) -> Iterator[Finding]:
    bridges = [bridge for network in networks if (bridge := bridge_of(network))]
    for version, switch in ((4, "bridge-nf-call-iptables"), (6, "bridge-nf-call-ip6tables")):
        closed = [wall for wall in facts.walls if not all(map(wall.passes_within, bridges))]
        walls = ", ".join(wall.name for wall in closed if wall.sees(version))
        if facts.bridge_filtered.get(version) and walls:
            text = f"IPv{version} packets between containers on one bridge pass {walls}, which may drop them"
            yield PROBLEM, f"{text} ({switch} is 1)", f"sysctl -w net.bridge.{switch}=0"


def _routes(networks: Sequence[Document], routes: Routes) -> Iterator[Finding]:
    bridges = {bridge_of(network) for network in networks}
    foreign = [
        (block, interface)
        for block, interface in routes
        if interface not in bridges and block not in EVERYWHERE and not block.startswith(_NOBODYS)
    ]
    for network in networks:
        pools = ((network.get("IPAM") or {}).get("Config") or ()) if bridge_of(network) else ()
        for pool in pools:
            for route, interface in foreign:
                if _overlap(pool["Subnet"], route):
                    text = f"network {network['Name']} ({pool['Subnet']}) overlaps the host's route {route}"
                    yield PROBLEM, f"{text} dev {interface}: one of them is not reachable", _elsewhere(network)


def _overlap(subnet: str, route: str) -> bool:
    one, other = ip_network(subnet), ip_network(route, strict=False)
    return one.version == other.version and one.overlaps(other)


def _elsewhere(network: Mapping[str, Any]) -> str:
    name = network["Name"]
    if name == "bridge":
        return 'set another "bip" in daemon.json, and: systemctl restart carrack'
    return f"carrack network rm {name} && carrack network create {name}   (it gets a subnet that is free)"


def _kernel(facts: Facts) -> Iterator[Finding]:
    for name, (what, module) in _FEATURES.items():
        if not facts.features.get(name, True):
            command = "sysctl -w net.ipv6.conf.all.disable_ipv6=0" if name == "ipv6" else f"modprobe {module}"
            yield PROBLEM if name in _NEEDED else NOTE, f"not in this kernel (now): {name}, for {what}", command


def _names(problem: str) -> Iterator[Finding]:
    if problem:
        yield PROBLEM, problem, "systemctl restart carrack"


def _servers(facts: Facts) -> Iterator[Finding]:
    servers = facts.nameservers
    if not servers:
        text = "the host names no DNS server: containers know only each other's names"
        yield PROBLEM, text, "echo 'nameserver 9.9.9.9' >>/etc/resolv.conf"
    elif all(map(is_loopback, servers)) and _STUB not in servers:
        text = (
            f"the host's DNS server listens only on {' '.join(servers)}: the engine's resolver asks it for containers"
        )
        yield NOTE, f"{text}, which do not reach it themselves", 'add "dns": ["SERVER"] to daemon.json to name another'
