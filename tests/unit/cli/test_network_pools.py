"""Which subnet an address belongs to, in docker's words where to none."""

from __future__ import annotations

import pytest

from carrack.cli.network_pools import pools
from carrack.errors import InvalidArgument


def test_each_address_goes_to_its_subnet() -> None:
    found = pools(
        ["10.0.0.0/24", "fd00::/64"],
        ["fd00::/80"],
        ["fd00::2", "10.0.0.1"],
        [("a", "10.0.0.5"), ("b", "10.0.0.6"), ("c", "fd00::7")],
    )
    assert found == [
        {"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1", "AuxiliaryAddresses": {"a": "10.0.0.5", "b": "10.0.0.6"}},
        {"Subnet": "fd00::/64", "IPRange": "fd00::/80", "Gateway": "fd00::2", "AuxiliaryAddresses": {"c": "fd00::7"}},
    ]


def test_a_single_subnet_is_the_daemons_to_judge() -> None:
    assert pools(["nonsense"], [], [], []) == [{"Subnet": "nonsense"}]


@pytest.mark.parametrize(
    ("subnets", "ranges", "gateways", "others", "message"),
    [
        ([], ["10.0.0.0/25"], [], [], "every ip-range or gateway must have a corresponding subnet"),
        (["10.0.0.0/24"], [], ["10.0.0.1", "10.0.0.2"], [], "every ip-range or gateway must have"),
        (["10.0.0.0/24", "10.0.0.0/16"], [], [], [], "multiple overlapping subnet configuration is not supported"),
        (["10.0.0.0/16", "10.0.0.0/24"], [], [], [], "multiple overlapping subnet configuration is not supported"),
        (["10.0.0.0/24", "nonsense"], [], [], [], "invalid subnet: invalid CIDR address: nonsense"),
        (["10.0.0.0/24"], ["10.1.0.0/25"], [], [], "no matching subnet for range 10.1.0.0/25"),
        (["10.0.0.0/24"], ["10.0.0.128"], [], [], "invalid CIDR address: 10.0.0.128"),
        (["10.0.0.0/24"], [], ["10.1.0.1"], [], "no matching subnet for gateway 10.1.0.1"),
        (["10.0.0.0/24"], [], ["nonsense"], [], "no matching subnet for gateway nonsense"),
        ([], [], [], [("a", "10.0.0.1")], "no matching subnet for aux-address 10.0.0.1"),
        (
            ["10.0.0.0/24", "10.0.1.0/24"],
            ["10.0.0.0/25", "10.0.0.128/25"],
            [],
            [],
            "cannot configure multiple ranges (10.0.0.128/25, 10.0.0.0/25) on the same subnet (10.0.0.0/24)",
        ),
        (
            ["10.0.0.0/24", "10.0.1.0/24"],
            [],
            ["10.0.0.1", "10.0.0.2"],
            [],
            "cannot configure multiple gateways (10.0.0.2, 10.0.0.1) for the same subnet (10.0.0.0/24)",
        ),
    ],
)
def test_refusals(
    subnets: list[str], ranges: list[str], gateways: list[str], others: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(InvalidArgument) as failure:
        pools(subnets, ranges, gateways, others)
    assert str(failure.value).startswith(message)
