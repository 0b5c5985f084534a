"""Facts of a host, out of a tree and of the kernel's answers that a test gives."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from carrack.linux import nft_expressions as nft
from carrack.linux.netlink import NETLINK_NETFILTER, Message, attribute, be32, nested, text
from carrack.network.facts import Wall, gather, is_loopback

FORWARD = 2


def listed(family: int, *parts: bytes) -> bytes:
    return struct.pack(">BBH", family, 0, 0) + b"".join(parts)


def chain(table: str, name: str, policy: int, family: int = 2, hook: int = FORWARD) -> bytes:
    place = nested(4, be32(1, hook), attribute(2, struct.pack(">i", 0)))
    return listed(family, text(1, table), text(3, name), place, be32(5, policy), text(7, "filter"))


def rule(table: str, name: str, *expressions: bytes, family: int = 2) -> bytes:
    return listed(family, text(1, table), text(2, name), nested(4, *expressions))


def jump(target: str) -> bytes:
    verdict = nested(2, nested(2, be32(1, -3 & 0xFFFFFFFF), text(2, target)))
    return nested(1, text(1, "immediate"), nested(2, be32(1, 0), verdict))


class Netlink:
    """``dump`` answers of chains (kind 4) and rules (kind 7); of links, those of ``missing`` kinds are refused."""

    def __init__(self, chains: list[bytes], rules: list[bytes], missing: tuple[bytes, ...] = ()) -> None:
        self._answers = {4: chains, 7: rules}
        self._missing = missing
        self.protocols: list[int] = []

    def __call__(self, protocol: int) -> Any:
        self.protocols.append(protocol)
        return self

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def dump(self, message: Message) -> list[bytes]:
        return self._answers[message.type & 0xFF]

    def batch(self, messages: list[Message]) -> None:
        code = errno.EOPNOTSUPP if any(kind in messages[0].body for kind in self._missing) else errno.EINVAL
        raise OSError(code, os.strerror(code))


def tree(root: Path, **files: str) -> str:
    switches = {
        "proc/sys/net/ipv4/ip_forward": "1",
        "proc/sys/net/ipv6/conf/all/forwarding": "0",
        "proc/sys/net/ipv6/conf/all/disable_ipv6": "0",
        "proc/sys/net/bridge/bridge-nf-call-iptables": "1",
        "proc/sys/net/netfilter/nf_conntrack_max": "1",
        "etc/resolv.conf": "# one\nnameserver 127.0.0.53\nnameserver\nsearch x\nnameserver ::1 # two\n",
        "proc/net/ip_tables_names": "nat\nfilter\n",
    }
    for name, value in switches.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return str(root)


def test_all_of_a_host(tmp_path: Path) -> None:
    netlink = Netlink([chain("carrack", "guard", nft.DROP)], [rule("carrack", "guard")], (b"ipvlan",))
    facts = gather(["carrack"], tree(tmp_path), netlink)
    assert facts.forwarding == {4: True, 6: False}
    assert facts.bridge_filtered == {4: True, 6: False}
    assert facts.walls == ()
    assert facts.tables == {"carrack"}
    assert facts.legacy
    assert facts.nameservers == ("127.0.0.53", "::1")
    assert facts.features == {
        "macvlan": True,
        "ipvlan": False,
        "8021q": True,
        "conntrack": True,
        "sctp": False,
        "br_netfilter": True,
        "ipv6": True,
    }
    assert netlink.protocols == [NETLINK_NETFILTER, 0]


def test_a_host_of_which_nothing_is_known(tmp_path: Path) -> None:
    facts = gather([], str(tmp_path), Netlink([], []))
    assert not any(facts.forwarding.values())
    assert (facts.legacy, facts.nameservers, facts.features["ipv6"]) == (False, (), False)


def test_a_policy_that_drops(tmp_path: Path) -> None:
    accept, crk = nft.verdict(nft.ACCEPT), nft.interface(nft.META_OIFNAME, "crk0")
    rules = [
        rule("filter", "FORWARD", jump("DOCKER-USER")),
        rule("filter", "FORWARD", nft.conntrack_established(), accept),
        rule("filter", "DOCKER-USER", crk, accept),
        rule("filter", "DOCKER-USER", nft.meta(nft.META_IIFNAME), nft.compare(b"br-"), accept),
        rule(
            "filter", "DOCKER-USER", nft.interface(nft.META_IIFNAME, "a"), nft.interface(nft.META_OIFNAME, "b"), accept
        ),
        rule("filter", "INPUT", nft.interface(nft.META_OIFNAME, "elsewhere"), accept),
    ]
    facts = gather([], str(tmp_path), Netlink([chain("filter", "FORWARD", nft.DROP)], rules))
    (wall,) = facts.walls
    assert wall == Wall("ip", "filter", "FORWARD", "dockerd", frozenset({"crk0"}), frozenset({"br-*"}))
    assert wall.name == "ip filter FORWARD"
    assert wall.sees(4)
    assert not wall.sees(6)
    assert [wall.admits(name) for name in ("crk0", "crk01", "br-1")] == [True, False, False]
    assert [wall.lets_out(name) for name in ("crk0", "br-1")] == [False, True]
    assert [wall.passes_within(name) for name in ("crk0", "br-1", "eth9")] == [True, True, False]


def test_a_rule_that_drops_the_rest(tmp_path: Path) -> None:
    rules = [
        rule("firewalld", "filter_FORWARD", nft.conntrack_dnat(), nft.verdict(nft.ACCEPT), family=1),
        rule("firewalld", "filter_FORWARD", nft.verdict(nft.DROP), family=1),
    ]
    facts = gather([], str(tmp_path), Netlink([chain("firewalld", "filter_FORWARD", nft.ACCEPT, 1)], rules))
    (wall,) = facts.walls
    assert (wall.owner, wall.sees(4), wall.sees(6)) == ("firewalld", True, True)
    assert wall.admits("crk0")
    assert not wall.lets_out("crk0")


@pytest.mark.parametrize(("names", "owner"), [(["ufw-before-forward"], "ufw"), (["DOCKER"], "dockerd"), (["mine"], "")])
def test_whose_it_is(tmp_path: Path, names: list[str], owner: str) -> None:
    rules = [rule("filter", "FORWARD", jump(name)) for name in names]
    facts = gather([], str(tmp_path), Netlink([chain("filter", "FORWARD", nft.DROP)], rules))
    assert facts.walls[0].owner == owner


def test_a_chain_that_accepts_is_no_wall(tmp_path: Path) -> None:
    rules = [
        rule("filter", "FORWARD", nft.interface(nft.META_IIFNAME, "eth9"), nft.verdict(nft.DROP)),
        rule("filter", "FORWARD", nft.verdict(nft.ACCEPT)),
    ]
    assert not gather([], str(tmp_path), Netlink([chain("filter", "FORWARD", nft.ACCEPT)], rules)).walls
    (wall,) = gather([], str(tmp_path), Netlink([chain("filter", "FORWARD", nft.DROP)], rules)).walls
    assert wall.admits("any")


def test_doors(tmp_path: Path) -> None:
    chains = [chain("filter", "INPUT", nft.DROP, hook=1), chain("filter", "FORWARD", nft.ACCEPT)]
    facts = gather([], str(tmp_path), Netlink(chains, []))
    assert (facts.walls, [door.name for door in facts.doors]) == ((), ["ip filter INPUT"])


def test_small_things() -> None:
    assert [is_loopback(word) for word in ("127.0.0.1", "127.1.2.3", "::1", "10.0.0.1", "127.x", "fd00::1")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
