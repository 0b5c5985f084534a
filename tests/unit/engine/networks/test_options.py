"""Driver options in Docker's words (asked of dockerd 28), and what they mean here."""

from __future__ import annotations

import pytest

from carrack.engine.networks import options
from carrack.errors import InvalidArgument, NotFound

B, D = "com.docker.network.bridge.", "com.docker.network."


@pytest.mark.parametrize(
    ("driver", "given"),
    [
        ("bridge", {B + "enable_icc": "T", B + "enable_ip_masquerade": "0", B + "inhibit_ipv4": "true"}),
        ("bridge", {B + "name": "", D + "driver.mtu": "0", D + "container_iface_prefix": "net"}),
        ("bridge", {B + "host_binding_ipv4": "127.0.0.1", D + "host_ipv4": "10.0.0.1", D + "host_ipv6": "fd00::1"}),
        ("bridge", {B + "gateway_mode_ipv4": "routed", B + "gateway_mode_ipv6": "nat-unprotected"}),
        ("bridge", {B + "trusted_host_interfaces": "eth0:eth1", B + "default_bridge": "false"}),
        ("macvlan", {"parent": "eth0.10", "macvlan_mode": "passthru", D + "driver.mtu": "9000"}),
        ("ipvlan", {"parent": "eth0", "ipvlan_mode": "l3s", "ipvlan_flag": "vepa"}),
    ],
)
def test_good(driver: str, given: dict[str, str]) -> None:
    assert options.check(driver, given, internal=False) == []


def test_unknown_ones_are_named() -> None:
    given = {"cake": "1", "parent": "eth0", D + "driver.mtu": "1400", B + "host_binding_ipv6": "x"}
    assert options.check("bridge", given, internal=False) == ["cake", "parent", B + "host_binding_ipv6"]
    with pytest.raises(NotFound, match=r'^plugin "cake" not found'):
        options.check("cake", {}, internal=False)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (B + "enable_icc", "yes", 'failed to parse KEY value: yes (strconv.ParseBool: parsing "yes": invalid syntax)'),
        (B + "inhibit_ipv4", "", 'failed to parse KEY value:  (strconv.ParseBool: parsing "": invalid syntax)'),
        (D + "driver.mtu", "1e3", 'failed to parse KEY value: 1e3 (strconv.Atoi: parsing "1e3": invalid syntax)'),
        (D + "driver.mtu", "-1", "invalid MTU number: -1"),
        (D + "driver.mtu", "67", "invalid MTU number: 67: an interface takes 68 to 65535"),
        (D + "driver.mtu", "65536", "invalid MTU number: 65536: an interface takes 68 to 65535"),
        (B + "host_binding_ipv4", "cake", "failed to parse KEY value: cake (nil ip)"),
        (D + "host_ipv4", "::1", "failed to parse KEY value: ::1 (not an IPv4 address)"),
        (B + "gateway_mode_ipv4", "cake", "failed to parse KEY value: cake (unknown gateway mode cake)"),
        (B + "gateway_mode_ipv6", "isolated", "gateway mode 'isolated' can only be used for an internal network"),
        (B + "default_bridge", "true", "KEY is for the predefined network bridge only; leave it out"),
        (B + "name", "a/b", "invalid KEY 'a/b': an interface's name has 1 to 15 characters, no /, : or %"),
        (B + "name", "x" * 16, f"invalid KEY '{'x' * 16}': an interface's name has 1 to 15 characters, no /, : or %"),
        (
            D + "container_iface_prefix", "eth%d",
            "invalid KEY 'eth%d': 1 to 13 characters, no /, : or %, to be numbered",
        ),
    ],
)  # fmt: skip
def test_bad_for_a_bridge(key: str, value: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        options.check("bridge", {key: value}, internal=False)
    assert str(caught.value) == message.replace("KEY", key)


@pytest.mark.parametrize(
    ("driver", "given", "message"),
    [
        (
            "macvlan",
            {"macvlan_mode": "cake"},
            "requested macvlan mode 'cake' is not valid, 'bridge' mode is the",
        ),
        (
            "ipvlan",
            {"ipvlan_mode": "cake"},
            "requested ipvlan mode 'cake' is not valid, 'l2' mode is the",
        ),
        ("ipvlan", {"ipvlan_flag": "cake"}, "requested ipvlan flag 'cake' is not valid, 'bridge' is the ipvlan driver"),
        ("macvlan", {"parent": "lo"}, "loopback interface is not a valid macvlan parent link"),
    ],
)
def test_bad_for_the_others(driver: str, given: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        options.check(driver, given, internal=False)


def test_who_needs_a_gateway() -> None:
    assert options.gateways("bridge", {}, internal=False) == {4: True, 6: True}
    isolated = {B + "gateway_mode_ipv4": "isolated"}
    assert options.gateways("bridge", isolated, internal=True) == {4: False, 6: True}
    inhibited = {B + "inhibit_ipv4": "1"}
    assert options.gateways("bridge", inhibited, internal=False)[4]
    assert not options.gateways("bridge", inhibited, internal=True)[4]
    assert options.gateways("macvlan", {}, internal=False) == {4: False, 6: False}
    parent = {"parent": "eth0"}
    assert options.gateways("macvlan", parent, internal=False) == {4: True, 6: True}
    assert options.gateways("macvlan", parent, internal=True) == {4: False, 6: False}
    assert options.gateways("ipvlan", {**parent, "ipvlan_mode": "l2"}, internal=False) == {4: True, 6: True}
    assert options.gateways("ipvlan", {**parent, "ipvlan_mode": "l3s"}, internal=False) == {4: False, 6: False}


def test_versions_by_option() -> None:
    assert options.enabled({}, 6) is None
    assert options.enabled({D + "enable_ipv6": "true"}, 6) is True
    assert options.enabled({D + "enable_ipv4": "0"}, 4) is False
    with pytest.raises(InvalidArgument, match=r'driver-opt "com.docker.network.enable_ipv6" is not a valid bool'):
        options.enabled({D + "enable_ipv6": "cake"}, 6)


def test_ipv6_needs_room() -> None:
    small = {D + "driver.mtu": "1279"}
    assert options.check("bridge", small, internal=False) == []
    assert options.check("bridge", {D + "driver.mtu": "0"}, internal=False, ipv6=True) == []
    with pytest.raises(InvalidArgument, match="IPv6 needs 1280"):
        options.check("bridge", small, internal=False, ipv6=True)
