"""The network bridge as options, host and records make it."""

from __future__ import annotations

import pytest

from carrack.daemon import default_bridge
from carrack.daemon.network_options import NetworkOptions
from carrack.engine.networks import pools
from carrack.engine.networks.pools import Taken
from carrack.errors import Forbidden, InvalidArgument
from carrack.network.plan import Subnet

OWN = ("fd12:3456:789a::/48", 64)
POOLS = (*pools.DEFAULT, OWN)
B = "com.docker.network.bridge."


def subnets(options: NetworkOptions, present: tuple[str, ...] = (), taken: tuple[str, ...] = ()) -> list[Subnet]:
    found = default_bridge.choose(options, present, POOLS, [Taken(block, "x") for block in taken])
    return list(found.subnets)


def test_address_by_option_by_present_bridge_and_by_pool() -> None:
    given = NetworkOptions(address="10.1.2.1/24")
    assert subnets(given, ("10.9.0.1/16",)) == [Subnet("10.1.2.0/24", "10.1.2.1")]
    assert subnets(NetworkOptions(), ("fe80::1/64", "10.9.0.3/16")) == [Subnet("10.9.0.0/16", "10.9.0.3")]
    assert subnets(NetworkOptions(), taken=("172.17.3.0/24",)) == [Subnet("172.18.0.0/16", "172.18.0.1")]
    with pytest.raises(InvalidArgument, match="fully subnetted"):
        subnets(NetworkOptions(), taken=("172.16.0.0/12", "192.168.0.0/16"))


@pytest.mark.census("dockerd --fixed-cidr", "dockerd --fixed-cidr-v6")
def test_part_for_containers() -> None:
    part = NetworkOptions(address="10.1.0.1/16", fixed="10.1.2.0/24")
    assert subnets(part) == [Subnet("10.1.0.0/16", "10.1.0.1", "10.1.2.0/24")]
    assert subnets(NetworkOptions(fixed="10.1.2.0/24")) == [Subnet("10.1.2.0/24", "10.1.2.1", "10.1.2.0/24")]
    six = NetworkOptions(address="10.1.0.1/16", ipv6=True, fixed6="fd00:7::/64")
    assert subnets(six)[1] == Subnet("fd00:7::/64", "fd00:7::1", "fd00:7::/64")


def test_ipv6() -> None:
    assert subnets(NetworkOptions(ipv6=True), taken=("fd12:3456:789a::/64",))[1] == Subnet(
        "fd12:3456:789a:1::/64", "fd12:3456:789a:1::1"
    )
    given = NetworkOptions(ipv6=True, address6="fd00:1::5/64", fixed6="fd00:1::8000/113")
    assert subnets(given)[1] == Subnet("fd00:1::/64", "fd00:1::5", "fd00:1::8000/113")


def test_gateways_are_reserved_under_docker_names() -> None:
    given = NetworkOptions(
        address="10.1.0.1/16", gateway="10.1.0.9", ipv6=True, address6="fd00:1::1/64", gateway6="fd00:1::9"
    )
    assert [dict(subnet.reserved) for subnet in subnets(given)] == [
        {"DefaultGatewayIPv4": "10.1.0.9"},
        {"DefaultGatewayIPv6": "fd00:1::9"},
    ]


def test_options_as_docker_shows_them() -> None:
    given = NetworkOptions(bridge="br7", icc=False, masquerade=False, mtu=1400, binding="127.0.0.1")
    assert default_bridge.choose(given, (), POOLS, ()).options == {
        B + "default_bridge": "true",
        B + "enable_icc": "false",
        B + "enable_ip_masquerade": "false",
        B + "host_binding_ipv4": "127.0.0.1",
        B + "name": "br7",
        "com.docker.network.driver.mtu": "1400",
    }


def test_no_default_bridge() -> None:
    assert default_bridge.look(NetworkOptions(bridge="none"), POOLS, ()) is None


def test_what_is_on_the_host_is_seen() -> None:
    found = default_bridge.look(NetworkOptions(bridge="absent0", address="10.1.2.1/24"), POOLS, ())
    assert found is not None
    assert found.subnets == [Subnet("10.1.2.0/24", "10.1.2.1")]


def test_pools_of_a_version_that_the_user_left_out() -> None:
    own = pools.unique_local("id")
    assert default_bridge.all_pools(NetworkOptions(), "id") == (*pools.DEFAULT, own)
    assert default_bridge.all_pools(NetworkOptions(pools=(("10.0.0.0/8", 24),)), "id") == (("10.0.0.0/8", 24), own)
    six = NetworkOptions(pools=(("fd00::/48", 64),))
    assert default_bridge.all_pools(six, "id") == (("fd00::/48", 64), *pools.DEFAULT)


def test_a_networks_subnet_is_not_given_to_the_default_bridge() -> None:
    web = Taken("10.1.0.0/16", "network web (0123456789ab)")
    with pytest.raises(Forbidden, match=r"10\.1\.2\.0/24 overlaps 10\.1\.0\.0/16 of network web"):
        default_bridge.look(NetworkOptions(bridge="absent0", address="10.1.2.1/24"), POOLS, [web])
