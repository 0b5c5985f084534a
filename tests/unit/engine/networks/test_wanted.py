"""Requests for networks: Docker's rules in Docker's order (each asked of dockerd 28)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.engine.networks.fakes import request

from carrack.engine.networks.allot import Room
from carrack.engine.networks.network import Network
from carrack.engine.networks.wanted import Wanted, allotted, read, warning
from carrack.errors import CarrackError, Conflict, Forbidden, InvalidArgument, NotFound

B, D = "com.docker.network.bridge.", "com.docker.network."
BASE = Network(
    "c" * 64, "base", "null", 1, ipv6=True, config=({"Subnet": "10.77.0.0/24"},), options={"x": "1"}, labels={"l": "2"},
    config_only=True,
)  # fmt: skip
OTHERS = [
    Network("b" * 64, "bridge", "bridge", 1, options={B + "name": "br0"}),
    Network("w" * 64, "taken", "x", 1),
    BASE,
]
BAD = {"Subnet": "cake"}


def wanted(*arguments: Any, usual: Any = None, **more: Any) -> Wanted:
    return read(request(*arguments, **more), "a" * 64, 5, OTHERS, usual or {})


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (request("bridge", BAD), Forbidden, "operation is not permitted on predefined bridge network "),
        (request("default"), Forbidden, "operation is not permitted on predefined default network "),
        (request("taken", BAD, Driver="overlay"), Forbidden, "This node is not a swarm manager."),
        (request("w", BAD, Options={D + "enable_ipv6": "cake"}), InvalidArgument, 'driver-opt "com.docker.network.en'),
        (request("", BAD, Driver="cake"), InvalidArgument, "invalid network config:\ninvalid subnet cake"),
        (request(" \t", Driver="cake"), InvalidArgument, "invalid name: name is empty"),
        (request("taken", Driver="cake", Ingress=True), Conflict, "network with name taken already exists"),
        (request("taken", ConfigOnly=True), Conflict, "network with name taken already exists"),
        (request("w", Driver="cake", Ingress=True), NotFound, 'plugin "cake" not found'),
        (request("w", Ingress=True, Scope="swarm"), Forbidden, "Ingress network can only be global scope network"),
        (request("w", Scope="swarm", EnableIPv4=False), Forbidden, "cannot create a swarm scoped network when swarm"),
        (request("w", Driver="host", EnableIPv4=False), Forbidden, 'only one instance of "host" network is allowed'),
        (request("w", Driver="null"), Forbidden, 'only one instance of "null" network is allowed'),
        (request("w", EnableIPv4=False), InvalidArgument, "IPv4 or IPv6 must be enabled"),
        (request("w", Options={D + "enable_ipv4": "0"}), InvalidArgument, "IPv4 or IPv6 must be enabled"),
        (
            request("w", Options={B + "enable_icc": "cake"}, ipam={"Driver": "cake"}),
            InvalidArgument,
            "failed to parse com.docker.network.bridge.enable_icc value: cake",
        ),
        (request("w", ipam={"Driver": "cake"}), NotFound, 'plugin "cake" not found'),
        (request("w", ipam={"Driver": "null"}), InvalidArgument, "ipv4 pool is empty"),
        (request("w", "10.0.0.0/24", ipam={"Driver": "null"}), InvalidArgument, "null ipam driver does not handle"),
        (
            request("w", ConfigOnly=True, Internal=True),
            Forbidden,
            "configuration network can only contain",
        ),
        (
            request("w", ConfigOnly=True, Scope="swarm"),
            Forbidden,
            "configuration network can only contain",
        ),
        (
            request("w", ConfigOnly=True, ConfigFrom={"Network": "base"}),
            Forbidden,
            "a configuration network cannot depend on another configuration network",
        ),
        (request("w", ConfigFrom={"Network": "bridge"}), NotFound, 'configuration network "bridge" does not exist'),
        (
            request("w", ConfigFrom={"Network": "base"}, Options={"a": "b"}),
            Forbidden,
            "network driver options are not supported if the network depends on a configuration network",
        ),
        (request("w", ConfigFrom={"Network": "base"}, Labels={"a": ""}), Forbidden, "user specified configurations"),
        (request("w", ConfigFrom={"Network": "base"}, EnableIPv6=True), Forbidden, "user specified configurations"),
        (request("w", "10.0.0.0/24", ConfigFrom={"Network": "base"}), Forbidden, "user specified configurations"),
    ],
)
def test_refusals(body: dict[str, Any], kind: type[CarrackError], message: str) -> None:
    with pytest.raises(kind) as caught:
        read(body, "a" * 64, 5, OTHERS, {})
    assert str(caught.value).startswith(message)


def test_a_plain_network() -> None:
    assert wanted("web") == Wanted(Network("a" * 64, "web", "bridge", 5))


@pytest.mark.parametrize("name", ["x" * 70, "a b", "a/b", "é", "-x", ".x", "x\ny", "container", "0123456789ab"])
def test_names_are_the_users_own(name: str) -> None:
    assert wanted(name).network.name == name


def test_everything_said() -> None:
    found = wanted(
        "web", "10.0.0.0/24", Internal=True, Attachable=True, EnableIPv6=True, Options={"q": "1"}, Labels={"l": "2"},
        ipam={"Options": {"a": "b"}}, ConfigFrom={"Network": ""}, Scope="local",
    )  # fmt: skip
    assert found.network == Network(
        "a" * 64, "web", "bridge", 5, internal=True, attachable=True, ipv6=True, ipam_options={"a": "b"},
        options={"q": "1"}, labels={"l": "2"},
    )  # fmt: skip
    assert found.pools[0]["Subnet"] == "10.0.0.0/24"
    assert found.unknown == ("q",)
    assert warning(found) == "driver bridge does not know option q: it has no effect"


def test_versions_by_field_option_and_default() -> None:
    six = {D + "enable_ipv6": "true"}
    assert wanted("web", Options=six).network.ipv6
    assert wanted("web", usual={"bridge": six}).network.ipv6
    assert not wanted("web", EnableIPv6=False, usual={"bridge": six}).network.ipv6
    assert not wanted("web", Driver="macvlan", usual={"bridge": six}).network.ipv6
    assert not wanted("web", EnableIPv4=False, EnableIPv6=True).network.ipv4


def test_usual_options_are_for_those_who_say_nothing_else() -> None:
    usual = {"bridge": {D + "driver.mtu": "1400", B + "enable_icc": "false"}}
    found = wanted("web", Options={D + "driver.mtu": "1300"}, usual=usual).network.options
    assert found == {D + "driver.mtu": "1300", B + "enable_icc": "false"}
    assert wanted("web", ConfigFrom={"Network": "base"}, usual=usual).network.options == {"x": "1"}


def test_a_configuration_is_kept_as_it_stands() -> None:
    found = wanted("conf", "10.0.0.0/24", ConfigOnly=True, Driver="cake", Options={B + "enable_icc": "cake"})
    network = allotted(found, Room(()), OTHERS)
    assert (network.driver, network.config_only, network.subnets) == ("null", True, ())
    assert network.config == ({"Subnet": "10.0.0.0/24"},)
    assert network.options == {B + "enable_icc": "cake"}


def test_a_network_made_from_a_configuration() -> None:
    found = wanted("web", ConfigFrom={"Network": "base"}, Internal=True)
    network = allotted(found, Room((("fd00::/48", 64),)), OTHERS)
    assert (network.config_from, network.ipv6, network.internal) == ("base", True, True)
    assert (network.options, network.labels) == ({"x": "1"}, {"l": "2"})
    assert [subnet.subnet for subnet in network.subnets] == ["10.77.0.0/24", "fd00::/64"]


def test_subnets_of_a_version_that_is_off_are_told() -> None:
    found = wanted("web", "10.0.0.0/24", "fd00::/64")
    assert warning(found) == "subnet fd00::/64 has no effect: IPv6 is not enabled (--ipv6)"


def test_a_bridge_name_is_one_networks() -> None:
    found = wanted("web", "10.0.0.0/24", Options={B + "name": "br0"})
    with pytest.raises(Forbidden, match=r"^cannot create network a+ \(br0\): conflicts with network b+ \(br0\): net"):
        allotted(found, Room(()), OTHERS)
    assert allotted(wanted("web", "10.0.0.0/24", Options={B + "name": "br1"}), Room(()), OTHERS).subnets
