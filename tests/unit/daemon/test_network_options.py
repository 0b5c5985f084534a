"""The daemon's options about networks: each checked, and none taken without an effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carrack.daemon.config import load
from carrack.daemon.network_options import NetworkOptions, network_options
from carrack.errors import InvalidArgument
from carrack.network.stance import Stance


def test_defaults() -> None:
    assert network_options({}) == NetworkOptions()


def test_all_of_them() -> None:
    mtu = {"bridge": {"com.docker.network.driver.mtu": "1400"}}
    assert network_options({
        "bridge": "br7", "bip": "10.1.0.1/16", "bip6": "fd00:1::1/64", "fixed-cidr": "10.1.2.0/24",
        "fixed-cidr-v6": "fd00:1::8000/113", "ipv6": True, "default-gateway": "10.1.0.9",
        "default-gateway-v6": "fd00:1::9", "default-address-pools": [{"base": "fd00:2::/48", "size": 64}],
        "icc": False, "ip-masq": False, "mtu": 1400, "ip": "127.0.0.1", "default-network-opts": mtu,
        "ip-forward": False, "ip-forward-no-drop": True, "userland-proxy": False, "allow-direct-routing": True,
        "bridge-accept-fwmark": "0x10/0xf0",
    }) == NetworkOptions(
        "br7", "10.1.0.1/16", "fd00:1::1/64", "10.1.2.0/24", "fd00:1::8000/113", True, "10.1.0.9", "fd00:1::9",
        (("fd00:2::/48", 64),), False, False, 1400, "127.0.0.1", mtu, Stance(False, False, False, True, (16, 240)),
    )  # fmt: skip


def test_mark_without_a_mask() -> None:
    assert network_options({"bridge-accept-fwmark": "7"}).stance.mark == (7, 2**32 - 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bip": "172.28.0.0/16"}, "bip: .*not an address that a host"),
        ({"bip6": "fd00::1"}, "bip6: .*not an address that a host"),
        ({"bip6": "fd00::/64"}, "bip6: .*not an address that a host"),
        ({"bip6": "10.0.0.1/24"}, "bip6: .*no IPv6 address with a prefix"),
        ({"bip6": "fd00::1/64"}, "bip6: fd00::1/64 is for a default bridge with IPv6: add --ipv6"),
        ({"fixed-cidr-v6": "fd00::/64"}, "fixed-cidr-v6: .*add --ipv6"),
        ({"default-gateway-v6": "fd00::9"}, "default-gateway-v6: .*add --ipv6"),
        ({"bip": "10.1.0.1/16", "fixed-cidr": "10.2.0.0/24"}, "fixed-cidr: .*not inside .* subnet 10.1.0.0/16"),
        ({"bip": "10.1.0.1/16", "default-gateway": "10.2.0.9"}, "default-gateway: .*not inside"),
        ({"default-gateway": "10.2.0.9"}, "default-gateway: 10.2.0.9 needs a known subnet: add --bip"),
        ({"ipv6": True, "default-gateway-v6": "fd00::9"}, "default-gateway-v6: .*add --bip6"),
        ({"default-gateway": "cake"}, "default-gateway: invalid IP address: cake"),
        ({"bip": "10.1.0.1/16", "default-gateway": "fd00::9"}, "default-gateway: fd00::9 is no IPv4 address"),
        ({"fixed-cidr": "10.1.0.0/33"}, "fixed-cidr: .*33"),
        ({"fixed-cidr": "10.1.0.5"}, "fixed-cidr: 10.1.0.5 is no IPv4 block"),
        ({"bridge": "none", "bip": "10.1.0.1/16"}, "bip: .*--bridge none switches off"),
        ({"mtu": -1}, "mtu: -1 is not between"),
        ({"ip": "cake"}, "ip: invalid IP address: cake"),
        ({"bridge-accept-fwmark": "cake"}, "bridge-accept-fwmark: cake is no firewall mark"),
        ({"bridge-accept-fwmark": "010"}, "bridge-accept-fwmark: 010 is no firewall mark"),
        ({"bridge-accept-fwmark": "5000000000"}, "bridge-accept-fwmark: 5000000000 is no firewall mark"),
        ({"default-network-opts": {"cake": {}}}, 'default-network-opts: plugin "cake" not found'),
        ({"default-network-opts": {"bridge": {"cake": "1"}}}, "default-network-opts: driver bridge does not know op"),
        (
            {"default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "x"}}},
            "default-network-opts: failed to parse",
        ),
        ({"default-address-pools": [{"base": "fd00::/64", "size": 127}]}, "default-address-pools: size 127 does not"),
        (
            {"default-address-pools": [{"base": "10.0.0.0/8", "size": 24}, {"base": "10.1.0.0/16", "size": 24}]},
            "default-address-pools: 10.1.0.0/16 overlaps 10.0.0.0/8",
        ),
    ],
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        network_options(settings)


@pytest.mark.census(
    *("dockerd --iptables", "daemon.json iptables", "dockerd --ip6tables", "daemon.json ip6tables"),
    *("dockerd --userland-proxy-path", "daemon.json userland-proxy-path", "daemon userland-proxy-path"),
    *("dockerd --firewall-backend", "daemon.json firewall-backend"),
    *("network iptables backend", "network nftables backend (29 experimental)"),
)
@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("iptables", True, False),
        ("ip6tables", True, False),
        ("firewall-backend", "nftables", "iptables"),
        ("userland-proxy-path", "", "/usr/bin/docker-proxy"),
    ],
)
def test_rules_and_relay_are_this_engines_own(tmp_path: Path, key: str, good: Any, bad: Any) -> None:
    file = tmp_path / "daemon.json"
    for value in (good, bad):
        flag = f"--{key}={str(value).lower() if isinstance(value, bool) else value}"
        for document, words in (({}, [flag]), ({key: value}, [])):
            file.write_text(json.dumps(document))
            command = ["--config-file", str(file), *words]
            if value == good:
                assert load(command, {}).config.network == NetworkOptions()
                continue
            with pytest.raises(InvalidArgument, match=f"{key}: .*not supported by this engine"):
                load(command, {})
