"""What the host and its kernel do with the packets of containers: facts for those who explain it, read and not changed.

All paths hang below a root argument, and the kernel's answers come through a netlink socket, so that a test can stand
in for both.
"""

import errno
import os
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from carrack.linux.netlink import NETLINK_NETFILTER, NLM_F_CREATE, NLM_F_EXCL, Message, Netlink, nested, text
from carrack.linux.rtnetlink import RTM_NEWLINK
from carrack.network import foreign, resolv, sysctl

_IFLA_LINKINFO, _IFLA_INFO_KIND = 18, 1
_LINK_HEADER_BYTES = 16
#: kernel features that show as a file: name → its path below /proc/sys
_BY_FILE = {
    "conntrack": "net/netfilter/nf_conntrack_max",
    "sctp": "net/netfilter/nf_conntrack_sctp_timeout_established",
    "br_netfilter": sysctl.BRIDGE_FILTER,
}
#: kinds of interfaces: name → what rtnetlink calls it
_BY_KIND = {"macvlan": "macvlan", "ipvlan": "ipvlan", "8021q": "vlan"}
#: chains by which a firewall is known
_OWNERS = {"ufw-before-forward": "ufw", "ufw6-before-forward": "ufw", "DOCKER-USER": "dockerd", "DOCKER": "dockerd"}


@dataclass(frozen=True, slots=True)
class Wall:
    """Another program's chain that drops what is forwarded unless a rule of its own accepts it.

    ``into`` and ``out_of``: the interfaces that it accepts packets to and from (``br-*`` by their beginning); ``dnat``:
    it accepts whatever came by a published port. ``owner`` is ufw, firewalld, dockerd or empty.
    """

    family: str
    table: str
    chain: str
    owner: str = ""
    into: frozenset[str] = frozenset()
    out_of: frozenset[str] = frozenset()
    dnat: bool = False

    @property
    def name(self) -> str:
        """As nft lists it: ``ip filter FORWARD``."""
        return f"{self.family} {self.table} {self.chain}"

    def sees(self, version: int) -> bool:
        """Whether packets of IPv4 (4) or IPv6 (6) come by."""
        return self.family in ("inet", "ip" if version == 4 else "ip6")

    def admits(self, bridge: str) -> bool:
        """Whether a rule accepts what comes to published ports behind the bridge."""
        return self.dnat or _meets(self.into, bridge)

    def passes_within(self, bridge: str) -> bool:
        """Whether a rule accepts what goes from the bridge to itself."""
        return _meets(self.into, bridge) or _meets(self.out_of, bridge)

    def lets_out(self, bridge: str) -> bool:
        """Whether a rule accepts what containers behind the bridge send."""
        return _meets(self.out_of, bridge)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so at one moment. ``forwarding`` and ``bridge_filtered`` by IP version; ``tables`` are nftables' names.

    ``doors`` are the same as ``walls`` for what comes to programs of the host itself, a relay of ours among them.
    ``legacy``: packet filters of the old kind are in use, whose rules cannot be read here.
    """

    forwarding: dict[int, bool] = field(default_factory=dict)
    bridge_filtered: dict[int, bool] = field(default_factory=dict)
    walls: tuple[Wall, ...] = ()
    doors: tuple[Wall, ...] = ()
    tables: frozenset[str] = frozenset()
    legacy: bool = False
    features: dict[str, bool] = field(default_factory=dict)
    nameservers: tuple[str, ...] = ()


def gather(own_tables: Collection[str], root: str = "/", open_netlink: Callable[[int], Netlink] = Netlink) -> Facts:
    """Read everything. OSError where the kernel cannot be asked at all."""
    switches = os.path.join(root, "proc/sys")
    with open_netlink(NETLINK_NETFILTER) as netlink:
        rules, chains = foreign.rules(netlink.dump), foreign.base_chains(netlink.dump)
    others = [chain for chain in chains if chain.table not in own_tables]
    with open_netlink(0) as netlink:
        features = {name: _has_kind(netlink, kind) for name, kind in _BY_KIND.items()}
    features |= {name: sysctl.read(switches, path) is not None for name, path in _BY_FILE.items()}
    features["ipv6"] = sysctl.read(switches, sysctl.disable_ipv6("all")) == "0"
    return Facts(
        {
            4: sysctl.read(switches, sysctl.IP_FORWARD) == "1",
            6: sysctl.read(switches, sysctl.IP6_FORWARD) == "1",
        },
        {
            4: sysctl.read(switches, sysctl.BRIDGE_FILTER) == "1",
            6: sysctl.read(switches, "net/bridge/bridge-nf-call-ip6tables") == "1",
        },
        _walls([chain for chain in others if chain.hook == foreign.FORWARD], rules),
        _walls([chain for chain in others if chain.hook == foreign.INPUT], rules),
        frozenset({chain.table for chain in chains} | {table for _, table in rules}),
        "filter" in _words(os.path.join(root, "proc/net/ip_tables_names")),
        features,
        tuple(resolv.servers("\n".join(_lines(os.path.join(root, "etc/resolv.conf"))))),
    )


def _walls(chains: list[foreign.BaseChain], rules: dict[tuple[str, str], list[foreign.Rule]]) -> tuple[Wall, ...]:
    found = []
    for chain in chains:
        of_table = rules.get((chain.family, chain.table), [])
        if chain.drops or any(_refuses_the_rest(rule) for rule in of_table if rule.chain == chain.name):
            found.append(_wall(chain, of_table))
    return tuple(found)


def _refuses_the_rest(rule: foreign.Rule) -> bool:
    return rule.plain and rule.verdict == "drop"


def _wall(chain: foreign.BaseChain, rules: list[foreign.Rule]) -> Wall:
    met = list(foreign.reached(rules, chain.name))
    accepting = [rule for rule in met if rule.verdict == "accept"]
    anything = {"*"} if any(rule.plain for rule in accepting) else set()
    names = {rule.chain for rule in rules} | {rule.target for rule in met}
    owner = next((_OWNERS[name] for name in _OWNERS if name in names), "")
    return Wall(
        chain.family,
        chain.table,
        chain.name,
        "firewalld" if chain.table == "firewalld" else owner,
        frozenset({rule.into for rule in accepting if rule.into and not rule.out_of} | anything),
        frozenset({rule.out_of for rule in accepting if rule.out_of and not rule.into} | anything),
        any(rule.dnat for rule in accepting),
    )


def _meets(patterns: Collection[str], bridge: str) -> bool:
    return any(bridge.startswith(pattern[:-1]) if pattern.endswith("*") else bridge == pattern for pattern in patterns)


def _has_kind(netlink: Netlink, kind: str) -> bool:
    """Whether the kernel can make such interfaces: asked for one without the parent that they need, it refuses.

    That loads the kernel's module for it, if there is one, as making a network would.
    """
    body = bytes(_LINK_HEADER_BYTES) + nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, kind))
    try:
        netlink.batch([Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"ask for interfaces of kind {kind}")])
    except OSError as error:
        return error.errno not in (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM)
    return True


def _words(path: str) -> list[str]:
    return [word for line in _lines(path) for word in line.split()]


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16).splitlines()
    except OSError:
        return []


def is_loopback(address: str) -> bool:
    """Whether an address, of either version, is of this host alone."""
    return address == "::1" or (address.startswith("127.") and _is_ipv4(address))


def _is_ipv4(address: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, address)
    except OSError:
        return False
    return True
