import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import Forbidden, InvalidArgument, Unavailable
from carrack.network.ipam import AddressPool


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
    assert pool.is_taken("10.0.0.2")
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
