"""Free subnets of pools, and collisions with their owner's name."""

from __future__ import annotations

import ipaddress

import pytest

from carrack.engine.networks import pools
from carrack.engine.networks.pools import Taken
from carrack.errors import Forbidden, InvalidArgument


def test_the_first_free_subnet() -> None:
    assert pools.choose(pools.DEFAULT, 4, []) == "172.17.0.0/16"
    taken = [Taken("172.17.0.0/16", "a"), Taken("172.18.5.0/24", "b"), Taken("172.19.0.0/16", "c")]
    assert pools.choose(pools.DEFAULT, 4, taken) == "172.20.0.0/16"
    assert pools.choose(pools.DEFAULT, 4, [Taken("172.16.0.0/12", "a")]) == "192.168.0.0/20"
    assert pools.choose(pools.DEFAULT, 4, [Taken("fd00::/8", "a"), Taken("172.17.0.0/17", "b")]) == "172.18.0.0/16"


def test_gaps_are_filled() -> None:
    taken = [Taken(f"10.0.{i}.0/24", str(i)) for i in range(8) if i not in (3, 5)]
    assert pools.choose([("10.0.0.0/21", 24)], 4, taken) == "10.0.3.0/24"
    assert pools.choose([("10.0.0.0/21", 24)], 4, [*taken, Taken("10.0.3.128/25", "x")]) == "10.0.5.0/24"


def test_many_are_found_at_once() -> None:
    taken = [Taken(str(block), "n") for block in ipaddress.ip_network("10.0.0.0/12").subnets(new_prefix=24)]
    assert pools.choose([("10.0.0.0/8", 24)], 4, taken) == "10.16.0.0/24"


def test_used_up_pools_are_told_with_what_helps() -> None:
    with pytest.raises(InvalidArgument, match=r"^all predefined address pools have been fully subnetted: no IPv4"):
        pools.choose([("10.0.0.0/24", 25)], 4, [Taken("10.0.0.0/16", "a")])
    with pytest.raises(InvalidArgument, match="no IPv6"):
        pools.choose(pools.DEFAULT, 6, [])


def test_unique_local_pool_stays_and_is_ones_own() -> None:
    base, prefix = pools.unique_local("one")
    assert (base, prefix) == pools.unique_local("one")
    assert base != pools.unique_local("two")[0]
    assert ipaddress.IPv6Network(base).subnet_of(ipaddress.IPv6Network("fd00::/8"))
    assert pools.choose([(base, prefix)], 6, [Taken(f"{base.partition('/')[0]}/64", "a")]).endswith(":1::/64")


def test_overlaps_name_the_other() -> None:
    pools.refuse_overlaps("10.0.0.0/24", [Taken("10.0.1.0/24", "a"), Taken("fd00::/8", "b")])
    with pytest.raises(Forbidden) as caught:
        pools.refuse_overlaps("10.0.0.0/24", [Taken("10.0.0.0/8", "this host, which has a route there by eth0")])
    assert str(caught.value) == (
        "invalid pool request: Pool overlaps with other one on this address space: 10.0.0.0/24 overlaps 10.0.0.0/8 of "
        "this host, which has a route there by eth0: choose another subnet"
    )


def test_routes_around_whole_pools_are_left_out_where_nothing_else_is_left() -> None:
    vpn = [Taken(block, "tun0") for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
    lan = Taken("172.17.5.0/24", "eth0")
    with pytest.raises(InvalidArgument):
        pools.choose(pools.DEFAULT, 4, [*vpn, lan])
    left = pools.but_wide([*vpn, lan], pools.DEFAULT)
    assert [one.block for one in left] == ["10.0.0.0/8", "192.168.0.0/16", "fc00::/7", "172.17.5.0/24"]
    assert pools.choose(pools.DEFAULT, 4, left) == "172.18.0.0/16"
