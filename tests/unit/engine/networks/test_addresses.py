"""IPAM of a request, refused in Docker's words (each asked of dockerd 28)."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.engine.networks import addresses
from carrack.errors import InvalidArgument


def pool(subnet: str = "10.9.0.0/24", **more: Any) -> dict[str, Any]:
    return {"Subnet": subnet, "IPRange": "", "Gateway": "", "AuxiliaryAddresses": None, **more}


@pytest.mark.parametrize(
    "given",
    [
        pool(),
        pool(Gateway="10.9.0.5", IPRange="10.9.0.128/25", AuxiliaryAddresses={"a": "10.9.0.6"}),
        pool("fd00::/64", Gateway="fd00::1", IPRange="fd00::8000/113"),
        pool("10.9.0.0/31"),
        pool("0.0.0.0/0"),
    ],
)
def test_good(given: dict[str, Any]) -> None:
    addresses.check([given])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pool(""), "invalid subnet : invalid CIDR block notation"),
        (pool("cake"), "invalid subnet cake: invalid CIDR block notation"),
        (pool("10.9.0.0"), "invalid subnet 10.9.0.0: invalid CIDR block notation"),
        (pool("10.9.0.0/255.255.0.0"), "invalid subnet 10.9.0.0/255.255.0.0: invalid CIDR block notation"),
        (pool("10.9.0.0/024"), "invalid subnet 10.9.0.0/024: invalid CIDR block notation"),
        (pool("fe80::%eth0/64"), "invalid subnet fe80::%eth0/64: invalid CIDR block notation"),
        (pool("10.9.0.7/24"), "invalid subnet 10.9.0.7/24: it should be 10.9.0.0/24"),
        (pool(Gateway="cake"), "invalid gateway cake: invalid address"),
        (pool(Gateway="10.9.0.5/24"), "invalid gateway 10.9.0.5/24: invalid address"),
        (pool(Gateway="fd00::1"), "invalid gateway fd00::1: parent subnet is an IPv4 block"),
        (pool(Gateway="10.8.0.5"), "invalid gateway 10.8.0.5: parent subnet 10.9.0.0/24 doesn't contain this address"),
        (pool(IPRange="10.9.0.1"), "invalid ip-range 10.9.0.1: invalid CIDR block notation"),
        (pool(IPRange="10.9.0.129/25"), "invalid ip-range 10.9.0.129/25: it should be 10.9.0.128/25"),
        (
            pool(IPRange="10.9.0.0/16"),
            "invalid ip-range 10.9.0.0/16: CIDR block is bigger than its parent subnet 10.9.0.0/24",
        ),
        (
            pool(IPRange="10.10.0.0/25"),
            "invalid ip-range 10.10.0.0/25: parent subnet 10.9.0.0/24 doesn't contain ip-range",
        ),
        (pool(IPRange="fd00::/80"), "invalid ip-range fd00::/80: parent subnet is an IPv4 block"),
        (pool(AuxiliaryAddresses={"a": "cake"}), "invalid auxiliary address a: invalid address"),
        (pool(AuxiliaryAddresses={"a": ""}), "invalid auxiliary address a: invalid address"),
        (
            pool(AuxiliaryAddresses={"a": "10.8.0.5"}),
            "invalid auxiliary address a: parent subnet 10.9.0.0/24 doesn't contain this address",
        ),
        (
            pool("::ffff:10.9.0.0/120"),
            "invalid subnet ::ffff:a09:0/120: these are IPv4 addresses, which have a block of their own",
        ),
    ],
)
def test_bad(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        addresses.check([given])
    assert str(caught.value) == f"invalid network config:\n{message}"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    bad = [pool("cake", Gateway="cake"), pool("10.0.0.1/24", IPRange="x"), pool("")]
    with pytest.raises(InvalidArgument) as caught:
        addresses.check(bad)
    assert str(caught.value) == (
        "invalid network config:\n"
        "* invalid subnet cake: invalid CIDR block notation\n"
        "* invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24\n"
        "* invalid ip-range x: invalid CIDR block notation\n"
        "* invalid subnet : invalid CIDR block notation"
    )
