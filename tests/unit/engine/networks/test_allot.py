"""Subnets and gateways of networks."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.engine.networks.allot import Allotted, Room, Wish, allot
from carrack.engine.networks.pools import Taken
from carrack.errors import Forbidden, InvalidArgument
from carrack.network.plan import Subnet

POOLS = (("172.17.0.0/16", 16), ("fd01::/48", 64))
GATEWAYS = {4: True, 6: True}


def pool(subnet: str = "10.9.0.0/24", **more: Any) -> dict[str, Any]:
    return {"Subnet": subnet, "IPRange": "", "Gateway": "", "AuxiliaryAddresses": None, **more}


def given(*pools: dict[str, Any], **more: Any) -> Allotted:
    return allot(Wish(pools, **{"versions": [4], "gateways": GATEWAYS, **more}), Room(POOLS))


def test_nothing_said() -> None:
    found = given(versions=[4, 6])
    assert found.config == (
        {"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"},
        {"Subnet": "fd01::/64", "Gateway": "fd01::1"},
    )
    assert found.subnets == (Subnet("172.17.0.0/16", "172.17.0.1"), Subnet("fd01::/64", "fd01::1"))
    assert found.chosen == ()


def test_what_is_said_is_shown_as_it_was_said() -> None:
    found = given(pool(IPRange="10.9.0.128/25", AuxiliaryAddresses={"a": "10.9.0.9"}), versions=[4, 6])
    assert found.config == (
        {"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.128/25", "AuxiliaryAddresses": {"a": "10.9.0.9"}},
        {"Subnet": "fd01::/64", "Gateway": "fd01::1"},
    )
    assert found.subnets[0] == Subnet("10.9.0.0/24", "10.9.0.128", "10.9.0.128/25", {"a": "10.9.0.9"})
    assert found.chosen == ("10.9.0.0/24",)


def test_a_subnet_of_a_version_that_is_off_is_shown_only() -> None:
    found = given(pool("fd00::/64"))
    assert [one["Subnet"] for one in found.config] == ["fd00::/64", "172.17.0.0/16"]
    assert [one.subnet for one in found.subnets] == ["172.17.0.0/16"]
    assert found.chosen == ()


def test_no_gateway_where_none_is_needed() -> None:
    found = given(pool(), gateways={4: False, 6: False}, versions=[4, 6])
    assert [one.gateway for one in found.subnets] == ["", ""]
    assert given(pool(Gateway="10.9.0.7"), gateways={4: False}).subnets[0].gateway == "10.9.0.7"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (pool(Gateway="10.9.0.0"), r"failed to allocate gateway \(10.9.0.0\): Address already in use: .*subnet itself"),
        (pool(Gateway="10.9.0.255"), "failed to allocate gateway .*broadcasts"),
        (
            pool(AuxiliaryAddresses={"a": "10.9.0.1"}),
            r"failed to allocate secondary ip address \(a:10.9.0.1\): Address already in use: .*gateway",
        ),
        (pool(AuxiliaryAddresses={"a": "10.9.0.5", "b": "10.9.0.5"}), r"\(b:10.9.0.5\).*auxiliary address a"),
    ],
)
def test_addresses_that_nobody_can_have(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        given(wanted)


def test_several_subnets_are_for_drivers_that_have_them() -> None:
    two = pool(), pool("10.10.0.0/24")
    with pytest.raises(Forbidden, match=r"^bridge driver doesn't support multiple subnets$"):
        given(*two)
    assert len(given(*two, several=True).subnets) == 2
    with pytest.raises(Forbidden, match=r"10.9.0.0/16 overlaps 10.9.0.0/24 of this network"):
        given(pool(), pool("10.9.0.0/16"), several=True)


def test_collisions() -> None:
    room = Room(POOLS, [Taken("10.9.0.0/16", "network web (abc)")], [Taken("172.17.0.0/16", "eth0")])
    with pytest.raises(Forbidden, match=r"10.9.0.0/24 overlaps 10.9.0.0/16 of network web"):
        allot(Wish([pool()], [4], GATEWAYS), room)
    with pytest.raises(Forbidden, match="of eth0"):
        allot(Wish([pool("172.17.5.0/24")], [4], GATEWAYS), room)
    on_link = Wish([pool("172.17.5.0/24")], [4], GATEWAYS, shares_link=True)
    assert allot(on_link, room).subnets[0].subnet == "172.17.5.0/24"


def test_a_vpn_to_all_private_networks_leaves_something() -> None:
    vpn = Room(POOLS, (), [Taken("172.16.0.0/12", "tun0"), Taken("fd01::/48", "tun0")])
    assert allot(Wish((), [4], GATEWAYS), vpn).subnets[0].subnet == "172.17.0.0/16"
    with pytest.raises(InvalidArgument, match="fully subnetted"):
        allot(Wish((), [6], GATEWAYS), vpn)
    with pytest.raises(Forbidden, match="of tun0"):
        allot(Wish([pool("172.17.0.0/16")], [4], GATEWAYS), vpn)
