"""Filters of lists and bulk removals, in Docker's words."""

from __future__ import annotations

import pytest

from carrack.engine.networks import filters
from carrack.engine.networks.network import Network
from carrack.errors import InvalidArgument

ALL = [
    Network("ab12" * 16, "bridge", "bridge", 1),
    Network("ff00" * 16, "none", "null", 1),
    Network("abcd" * 16, "web", "bridge", 5_000_000_000, labels={"a": "1", "b": ""}),
    Network("9999" * 16, "web-data", "macvlan", 9_000_000_000, labels={"a": "2"}),
]


def used(network: Network) -> bool:
    return network.name == "web"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, "bridge none web web-data"),
        ({"name": ["web"]}, "web web-data"),
        ({"name": ["^web$"]}, "web"),
        ({"name": ["["]}, ""),
        ({"id": ["ab"]}, "bridge web"),
        ({"id": ["b12a"]}, "bridge"),
        ({"driver": ["null", "macvlan"]}, "none web-data"),
        ({"driver": ["mac"]}, ""),
        ({"label": ["a"]}, "web web-data"),
        ({"label": ["a=1"]}, "web"),
        ({"label": ["a", "b"]}, "web"),
        ({"type": ["custom"]}, "web web-data"),
        ({"type": ["builtin"]}, "bridge none"),
        ({"type": ["builtin", "custom"]}, "bridge none web web-data"),
        ({"dangling": ["true"]}, "web-data"),
        ({"dangling": ["0"]}, "bridge none web"),
        ({"scope": ["local"]}, "bridge none web web-data"),
        ({"scope": ["swarm"]}, ""),
        ({"name": ["web"], "driver": ["bridge"]}, "web"),
    ],
)
def test_listing(given: dict[str, list[str]], names: str) -> None:
    test = filters.listing(given, used)
    assert [network.name for network in ALL if test(network)] == names.split()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"until": ["1h"]}, "invalid filter 'until'"),
        ({"type": ["custom", "cake"]}, "invalid filter: 'type'='cake'"),
        ({"dangling": ["true", "false"]}, 'got more than one value for filter key "dangling"'),
        ({"dangling": ["T"]}, "invalid value for filter 'dangling'"),
    ],
)
def test_bad_lists(given: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        filters.listing(given, used)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"label": ["a=1"]}, "web"),
        ({"label!": ["a=1"]}, "bridge none web-data"),
        ({"label": ["a"], "label!": ["b"]}, "web-data"),
        ({"until": ["6"]}, "bridge none web"),
        ({"until": ["1h"]}, "bridge none web web-data"),
    ],
)
def test_pruning(given: dict[str, list[str]], names: str) -> None:
    test = filters.pruning(given)
    assert [network.name for network in ALL if test(network)] == names.split()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dangling": ["true"]}, "invalid filter 'dangling'"),
        ({"until": ["1h", "2h"]}, "more than one until filter specified"),
        ({"until": ["cake"]}, 'failed to parse value as time or duration: "cake"'),
    ],
)
def test_bad_prunes(given: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}$"):
        filters.pruning(given)
