"""Other programs' rules, as the kernel lists them and as the kernel really lists them."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import asdict

import pytest

from carrack.linux import nft_expressions as nft
from carrack.linux.netlink import Message, attribute, be32, nested, text
from carrack.network.foreign import FORWARD, INPUT, BaseChain, Rule, base_chains, reached, rules

IPV4 = 2


def listed(family: int, *parts: bytes) -> bytes:
    return struct.pack(">BBH", family, 0, 0) + b"".join(parts)


def chain(family: int, table: str, name: str, hook: int, policy: int, kind: str = "filter") -> bytes:
    place = nested(4, be32(1, hook), attribute(2, struct.pack(">i", 0)))
    return listed(family, text(1, table), text(3, name), place, be32(5, policy), text(7, kind))


def rule(name: str, *expressions: bytes) -> bytes:
    return listed(IPV4, text(1, "filter"), text(2, name), nested(4, *expressions))


def jump(target: str) -> bytes:
    verdict = nested(2, nested(2, be32(1, -3 & 0xFFFFFFFF), text(2, target)))
    return nested(1, text(1, "immediate"), nested(2, be32(1, 0), verdict))


def test_base_chains_are_those_that_filter() -> None:
    bodies = [
        chain(IPV4, "filter", "FORWARD", FORWARD, nft.DROP),
        chain(1, "mine", "in", INPUT, nft.ACCEPT),
        chain(IPV4, "nat", "prerouting", FORWARD, nft.ACCEPT, "nat"),
        chain(7, "bridge", "forward", FORWARD, nft.DROP),
        chain(IPV4, "filter", "OUTPUT", 3, nft.DROP),
        listed(IPV4, text(1, "filter"), text(3, "plain")),
    ]
    assert base_chains(lambda message: bodies) == [
        BaseChain("ip", "filter", "FORWARD", FORWARD, drops=True),
        BaseChain("inet", "mine", "in", INPUT, drops=False),
    ]


def test_what_is_certain_of_a_rule() -> None:
    bodies = [
        rule("FORWARD", jump("USER")),
        rule("FORWARD", nft.conntrack_dnat(), nft.verdict(nft.ACCEPT)),
        rule("FORWARD", nft.conntrack_established(), nft.verdict(nft.ACCEPT)),
        rule("USER", nft.interface(nft.META_OIFNAME, "crk0"), nft.verdict(nft.ACCEPT)),
        rule("USER", nft.interface(nft.META_IIFNAME, "crk0"), nft.verdict(nft.DROP)),
        rule("USER", nft.interface(nft.META_IIFNAME, "lo", equal=False), nft.verdict(nft.ACCEPT)),
        rule("USER", nft.verdict(nft.ACCEPT)),
        rule("USER", nft.meta(nft.META_OIFNAME), nft.compare(b"br-"), nft.verdict(nft.ACCEPT)),
        rule("USER", nft.meta(nft.META_IIFKIND), nft.compare(b"bridge".ljust(16, b"\0")), nft.verdict(nft.ACCEPT)),
        rule("OTHER", nft.masquerade()),
    ]
    found = rules(lambda message: bodies)["ip", "filter"]
    assert found == [
        Rule("FORWARD", "jump", "USER", plain=True),
        Rule("FORWARD", "accept", dnat=True),
        Rule("FORWARD", "accept"),
        Rule("USER", "accept", into="crk0"),
        Rule("USER", "drop", out_of="crk0"),
        Rule("USER", "accept"),
        Rule("USER", "accept", plain=True),
        Rule("USER", "accept", into="br-*"),
        Rule("USER", "accept", out_of="*"),
        Rule("OTHER", ""),
    ]
    assert list(reached(found, "FORWARD")) == found[:9]


def test_chains_that_jump_in_a_circle() -> None:
    found = rules(lambda message: [rule("A", jump("B")), rule("B", jump("A"))])["ip", "filter"]
    assert [each.chain for each in reached(found, "A")] == ["A", "B"]


_TABLES = """
table ip filter {
  chain FORWARD {
    type filter hook forward priority 0; policy drop;
    counter jump DOCKER-USER
    oifname "crk0" accept
  }
  chain DOCKER-USER {
    iifname "crk1" oifname "eth0" counter accept
    return
  }
}
table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct status dnat accept
    reject with icmpx type admin-prohibited
  }
}
"""
_PROGRAM = """
import json
from dataclasses import asdict
from carrack.linux.netlink import NETLINK_NETFILTER, Netlink
from carrack.network.foreign import base_chains, reached, rules
with Netlink(NETLINK_NETFILTER) as netlink:
    found = rules(netlink.dump)
    chains = base_chains(netlink.dump)
print(json.dumps([[asdict(c), [asdict(r) for r in reached(found[c.family, c.table], c.name)]] for c in chains]))
"""


@pytest.mark.root
def test_of_the_kernel() -> None:
    if os.geteuid() != 0 or shutil.which("nft") is None:
        pytest.skip("needs root and nft")
    inside = ["unshare", "--net", "sh", "-c", 'printf %s "$TABLES" | nft -f - && exec "$@"', "sh"]
    environment = {**os.environ, "TABLES": _TABLES, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*inside, sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    (forward, of_forward), (firewalld, of_firewalld) = json.loads(done.stdout)
    assert forward == asdict(BaseChain("ip", "filter", "FORWARD", FORWARD, drops=True))
    assert of_forward == [
        asdict(each)
        for each in (
            Rule("FORWARD", "jump", "DOCKER-USER", plain=True),
            Rule("FORWARD", "accept", into="crk0"),
            Rule("DOCKER-USER", "accept", into="eth0", out_of="crk1"),
            Rule("DOCKER-USER", "", plain=True),
        )
    ]
    assert firewalld == asdict(BaseChain("inet", "firewalld", "filter_FORWARD", FORWARD, drops=False))
    assert of_firewalld == [
        asdict(each)
        for each in (Rule("filter_FORWARD", "accept", dnat=True), Rule("filter_FORWARD", "drop", plain=True))
    ]


def test_the_requests_ask_for_all_families() -> None:
    asked: list[Message] = []
    assert base_chains(lambda message: asked.append(message) or []) == []  # type: ignore[func-returns-value]
    assert asked[0].body[0] == 0
