import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import Forbidden, Internal, InvalidArgument, Unavailable
from carrack.network.ipam import AddressPool, Pools
from carrack.network.plan import Subnet


def test_hands_out_in_a_circle() -> None:
    pool = AddressPool("10.0.0.0/29", "10.0.0.1")
    assert [str(pool.allocate()) for _ in range(3)] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    pool.release("10.0.0.2")
    assert str(pool.allocate()) == "10.0.0.5"
    assert str(pool.allocate()) == "10.0.0.6"
    assert str(pool.allocate()) == "10.0.0.2"
    with pytest.raises(Unavailable, match="no available IPv4 addresses"):
        pool.allocate()


def test_taken_ones_are_skipped() -> None:
    pool = AddressPool("10.0.0.0/24", "10.0.0.1", taken=["10.0.0.2"])
    assert str(pool.allocate()) == "10.0.0.3"


def test_a_named_address() -> None:
    pool = AddressPool("10.0.0.0/24", "10.0.0.1", ip_range="10.0.0.128/25")
    assert str(pool.allocate("10.0.0.9")) == "10.0.0.9"
    assert str(pool.allocate()) == "10.0.0.128"
    for taken in ("10.0.0.9", "10.0.0.1", "10.0.0.0", "10.0.0.255"):
        with pytest.raises(Forbidden, match="Address already in use"):
            pool.allocate(taken)
    with pytest.raises(InvalidArgument, match="does not belong"):
        pool.allocate("10.0.1.1")
    with pytest.raises(InvalidArgument, match="invalid IP address"):
        pool.allocate("nonsense")


def test_a_range_outside_the_subnet_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="not inside"):
        AddressPool("10.0.0.0/24", "10.0.0.1", ip_range="10.0.1.0/25")


@given(st.integers(16, 30), st.lists(st.booleans(), max_size=60))
def test_nobody_gets_what_another_has(prefix: int, steps: list[bool]) -> None:
    pool = AddressPool(f"10.0.0.0/{prefix}", "10.0.0.1")
    held: list[str] = []
    for take in steps:
        if take:
            try:
                got = str(pool.allocate())
            except Unavailable:
                assert len(held) == pool.subnet.num_addresses - 3
                continue
            assert got not in held
            assert pool.holds(got)
            assert got not in map(str, (pool.gateway, pool.subnet.network_address, pool.subnet.broadcast_address))
            held.append(got)
        elif held:
            pool.release(held.pop(0))


def test_a_pool_of_ipv6_is_as_big_as_it_is() -> None:
    pool = AddressPool("fd00:9::/64", "fd00:9::1")
    assert [str(pool.allocate()) for _ in range(2)] == ["fd00:9::2", "fd00:9::3"]
    assert str(pool.allocate("fd00:9::ffff:ffff:ffff:ffff")) == "fd00:9::ffff:ffff:ffff:ffff", "there is no broadcast"
    with pytest.raises(Forbidden):
        pool.allocate("fd00:9::")
    assert str(AddressPool("fd00:9::/64", "fd00:9::1", "fd00:9::5:0/112").allocate()) == "fd00:9::5:0"


def test_a_small_range_is_used_up_while_named_addresses_are_left() -> None:
    pool = AddressPool("10.0.0.0/24", "10.0.0.1", "10.0.0.8/31", ["10.0.0.9"])
    assert str(pool.allocate()) == "10.0.0.8"
    with pytest.raises(Unavailable):
        pool.allocate()
    assert str(pool.allocate("10.0.0.20")) == "10.0.0.20"


def test_a_network_of_several_pools_fills_one_after_another() -> None:
    subnets = [Subnet("10.1.0.0/30", "10.1.0.1"), Subnet("10.2.0.0/30", "10.2.0.1")]
    pools = Pools(subnets, "lan (ab12)")
    assert [str(pools.allocate()) for _ in range(2)] == ["10.1.0.2", "10.2.0.2"]
    with pytest.raises(Internal, match=r"no available IPv4 addresses on this network's address pools: lan \(ab12\)"):
        pools.allocate()
    assert str(pools.of("10.2.0.2").gateway) == "10.2.0.1"
    pools.release("10.1.0.2")
    assert str(pools.allocate("10.1.0.2")) == "10.1.0.2"
    with pytest.raises(InvalidArgument, match=r"10\.3\.0\.1: It does not belong"):
        pools.allocate("10.3.0.1")
    assert not Pools([])
