"""What is wrong with a network, and what mends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carrack.engine.system.doctor import NetworkDoctor, mend
from carrack.network.facts import Facts, Wall

FRONT: dict[str, Any] = {
    "Name": "front",
    "Id": "f" * 64,
    "Driver": "bridge",
    "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}]},
}
BRIDGE = {**FRONT, "Name": "bridge", "Options": {"com.docker.network.bridge.name": "carrack0"}}
FINE: dict[str, Any] = {
    "forwarding": {4: True, 6: True},
    "tables": frozenset({"carrack"}),
    "features": {"conntrack": True},
    "nameservers": ("10.0.0.53",),
}
UFW = Wall("ip", "filter", "FORWARD", "ufw")


def found(
    networks: list[dict[str, Any]] | None = None,
    routes: tuple[tuple[str, str], ...] = (),
    resolver: str = "",
    **facts: Any,
) -> list[dict[str, str]]:
    async def asked_routes() -> tuple[tuple[str, str], ...]:
        return routes

    async def asked_resolver() -> str:
        return resolver

    every = Facts(**{**FINE, **facts})
    known = [FRONT] if networks is None else networks
    doctor = NetworkDoctor([], lambda: known, lambda: every, asked_routes, asked_resolver, "carrack")
    assert asyncio.run(doctor.reach()) == []
    return asyncio.run(doctor.diagnose())


def test_all_is_well() -> None:
    everywhere = (("0.0.0.0/0", "eth0"), ("0.0.0.0/1", "tun0"), ("128.0.0.0/1", "tun0"))  # the halves are a VPN's
    told = found(routes=(*everywhere, ("10.9.0.0/24", "br-ffffffffffff"), ("192.168.0.0/16", "eth0")))
    assert [each["Check"] for each in told] == [
        "forwarding", "rules", "firewalls", "bridges", "routes", "kernel", "names", "dns",
    ]  # fmt: skip
    assert {each["Level"] for each in told} == {"ok"}
    assert told[-1]["Text"] == "the host's DNS servers: 10.0.0.53"


@pytest.mark.parametrize(
    ("what", "check", "level", "text", "command"),
    [
        ({"forwarding": {4: False}}, "forwarding", "problem", "IPv4 forwarding is off", "net.ipv4.ip_forward=1"),
        (
            {"forwarding": {4: True, 6: False}, "networks": [{**FRONT, "EnableIPv6": True}]},
            "forwarding", "problem", "these networks have IPv6: front", "net.ipv6.conf.all.forwarding=1",
        ),
        ({"tables": frozenset()}, "rules", "problem", "the nftables table carrack is gone", "systemctl restart"),
        ({"legacy": True}, "rules", "note", "cannot be read", "iptables-legacy -S FORWARD"),
        (
            {"walls": (UFW,)},
            "firewalls", "problem",
            "network front: ufw drops, unless a rule of its allows it, what goes to its published ports from elsewhere "
            "and from its containers to the outside (ip filter FORWARD)",
            "ufw route allow in on br-ffffffffffff",
        ),
        ({"walls": (UFW,), "bridge_filtered": {4: True}}, "bridges", "problem", "ip filter FORWARD", "iptables=0"),
        (
            {"routes": (("10.0.0.0/8", "tun0"),)},
            "routes", "problem", "network front (10.9.0.0/24) overlaps the host's route 10.0.0.0/8 dev tun0",
            "carrack network rm front",
        ),
        ({"routes": (("10.9.0.0/24", "x"),), "networks": [BRIDGE]}, "routes", "problem", "network bridge", '"bip"'),
        ({"features": {"conntrack": False}}, "kernel", "problem", "published ports", "modprobe nf_conntrack"),
        ({"features": {"ipvlan": False}}, "kernel", "note", "networks of the driver ipvlan", "modprobe ipvlan"),
        ({"features": {"ipv6": False}}, "kernel", "note", "ipv6", "disable_ipv6=0"),
        ({"resolver": "it is silent"}, "names", "problem", "it is silent", "systemctl restart carrack"),
        ({"nameservers": ()}, "dns", "problem", "no DNS server", "resolv.conf"),
        ({"nameservers": ("127.0.0.1", "::1")}, "dns", "note", "only on 127.0.0.1 ::1", '"dns"'),
    ],
)  # fmt: skip
def test_what_is_wrong(what: dict[str, Any], check: str, level: str, text: str, command: str) -> None:
    (bad,) = [each for each in found(**what) if each["Check"] == check and each["Level"] != "ok"]
    assert (bad["Check"], bad["Level"]) == (check, level)
    assert text in bad["Text"]
    assert command in bad["Mend"]


def test_a_wall_with_a_gate() -> None:
    wall = Wall("ip", "filter", "FORWARD", "", dnat=True)
    (bad,) = [each for each in found(walls=(wall,)) if each["Level"] != "ok"]
    assert "another program drops" in bad["Text"]
    assert "published" not in bad["Text"]
    through = frozenset({"br-*"})
    for quiet in (Wall("ip", "f", "c", "", through, through), Wall("ip6", "f", "c")):
        assert {each["Level"] for each in found(walls=(quiet,))} == {"ok"}
    internal = {**FRONT, "Internal": True}
    assert {each["Level"] for each in found([internal], walls=(wall,))} == {"ok"}


def test_networks_behind_one_wall_are_told_together() -> None:
    other = {**FRONT, "Name": "other", "Id": "a" * 64}
    (bad,) = [each for each in found([FRONT, other], walls=(UFW,)) if each["Level"] != "ok"]
    assert bad["Text"].startswith("networks front, other: ufw drops")
    assert bad["Mend"].count(" && ") == 3
    assert bad["Mend"].count("br-aaaaaaaaaaaa") == 2


def test_systemd_resolved_is_well() -> None:
    assert found(nameservers=("127.0.0.53",))[-1]["Level"] == "ok"


@pytest.mark.census("network firewalld zone")
@pytest.mark.parametrize(
    ("wall", "command"),
    [
        (UFW, "ufw route allow in on br0 && ufw route allow out on br0"),
        (
            Wall("inet", "firewalld", "filter_FORWARD", "firewalld"),
            "firewall-cmd --permanent --zone=trusted --add-interface=br0 && firewall-cmd --reload",
        ),
        (
            Wall("ip", "filter", "FORWARD", "dockerd"),
            "iptables -I DOCKER-USER -i br0 -j ACCEPT && iptables -I DOCKER-USER -o br0 -j ACCEPT",
        ),
        (
            Wall("ip6", "filter", "FORWARD"),
            "ip6tables -I FORWARD -i br0 -j ACCEPT && ip6tables -I FORWARD -o br0 -j ACCEPT",
        ),
        (
            Wall("inet", "mine", "fwd"),
            "nft insert rule inet mine fwd iifname br0 accept && nft insert rule inet mine fwd oifname br0 accept",
        ),
    ],
)
def test_mending(wall: Wall, command: str) -> None:
    assert mend(wall, "br0") == command
