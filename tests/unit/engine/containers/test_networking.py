"""Which networks a container is made for: modes, names, addresses and what does not go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from carrack.engine.containers import networking
from carrack.errors import Forbidden, InvalidArgument, NotFound
from carrack.model import container as model
from carrack.model import schema
from carrack.network.plan import Subnet

MAC = "02:00:00:00:00:05"


@dataclass(frozen=True)
class Net:
    id: str
    name: str
    driver: str = "bridge"
    chosen_subnets: tuple[str, ...] = ("10.77.0.0/24",)
    config_only: bool = False
    subnets: tuple[Subnet, ...] = ()


KNOWN = [Net("b" * 64, "bridge"), Net("1" * 64, "front"), Net("2" * 64, "back"), Net("0" * 64, "none", "null", ())]


def find(term: str) -> Net:
    for network in KNOWN:
        if term in (network.name, network.id) or network.id.startswith(term):
            return network
    raise NotFound(f"network {term} not found")


def made(mode: str, given: dict[str, Any] | None = None, mac: str = "") -> tuple[str, dict[str, Any], str, list[str]]:
    """Mode, endpoints, container-wide address and warnings of a completed request."""
    document = schema.check({"EndpointsConfig": given or {}}, model.NETWORKING)
    host, config = {"NetworkMode": mode}, {"MacAddress": mac}
    warnings = networking.complete(document, host, config, find)
    return host["NetworkMode"], document["EndpointsConfig"], config["MacAddress"], warnings


@pytest.mark.parametrize(
    ("mode", "given", "now", "names"),
    [
        ("bridge", {}, "bridge", ["bridge"]),
        ("front", {}, "front", ["front"]),
        ("1" * 64, {}, "1" * 64, ["front"]),
        ("111", {}, "1" * 64, ["front"]),
        ("front", {"front": {}, "2222": None}, "front", ["front", "back"]),
        ("front", {"default": {}}, "front", ["front"]),
        ("front", {"back": {}}, "front", ["back"]),
        ("bridge", {"bridge": {}, "back": {}}, "bridge", ["bridge", "back"]),
        ("nope", {}, "nope", ["nope"]),
        ("container:x", {}, "container:x", []),
        ("container:x", {"container:x": {"MacAddress": MAC}, "default": {}}, "container:x", []),
        ("container:x", {"front": {}}, "container:x", ["front"]),
    ],
)
def test_networks_by_their_names(mode: str, given: dict[str, Any], now: str, names: list[str]) -> None:
    found_mode, endpoints, _, _ = made(mode, given)
    assert (found_mode, sorted(endpoints)) == (now, sorted(names))


def test_what_a_network_cannot_give_is_told_with_its_name() -> None:
    with pytest.raises(InvalidArgument) as failure:
        made("front", {"front": {"IPAMConfig": {"IPv4Address": "10.99.0.1"}}})
    assert str(failure.value) == (
        "invalid config for network front: invalid endpoint settings:\n"
        "no configured subnet or ip-range contain the IP address 10.99.0.1"
    )
    with pytest.raises(
        InvalidArgument, match=r"(?s)invalid config for network container:x: .*user defined networks only"
    ):
        made("container:x", {"container:x": {"IPAMConfig": {"IPv4Address": "10.77.0.9"}}})
    with pytest.raises(InvalidArgument, match="network front is given twice, as 1111 and as front"):
        made("front", {"1111": {}, "front": {}})


def test_a_configuration_is_no_network() -> None:
    networking.check_joinable(KNOWN[1])
    with pytest.raises(Forbidden, match="cannot create endpoint on configuration-only network"):
        networking.check_joinable(Net("3" * 64, "base", config_only=True))


def test_the_address_of_the_container_is_that_of_its_network() -> None:
    _, endpoints, mac, warnings = made("front", mac=MAC)
    assert (endpoints["front"]["MacAddress"], mac) == (MAC, MAC)
    assert "container-wide MacAddress field is now deprecated" in warnings[0]
    _, endpoints, mac, warnings = made("front", {"front": {"MacAddress": MAC}})
    assert (endpoints["front"]["MacAddress"], mac, warnings) == (MAC, MAC, [])
    other = "02:00:00:00:00:06"
    _, endpoints, _, _ = made("front", {"front": {}, "back": {"MacAddress": other}}, MAC)
    assert [endpoints[name]["MacAddress"] for name in ("front", "back")] == [MAC, other]


@pytest.mark.parametrize(
    ("mode", "given", "mac", "told"),
    [
        ("front", {"front": {"MacAddress": "02:00:00:00:00:06"}}, MAC, "must match the endpoint-specific MAC address"),
        ("front", {"back": {}}, MAC, "must match the identity of a network in NetworkSettings.Networks"),
        ("front", {}, "zz", "invalid config for network front: invalid MAC address zz"),
        ("none", {}, MAC, "conflicting options: mac-address and the network mode"),
        ("host", {"host": {"MacAddress": MAC}}, "", "conflicting options: mac-address and the network mode"),
        ("container:x", {}, MAC, "conflicting options: mac-address and the network mode"),
    ],
)
def test_addresses_that_contradict(mode: str, given: dict[str, Any], mac: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        made(mode, given, mac)


@pytest.mark.parametrize(
    ("mode", "names", "told"),
    [
        ("front", ["front", "host"], networking.NO_HOST),
        ("front", ["front", "none"], networking.NO_NONE),
        ("none", ["none", "front"], networking.NO_NONE),
        ("host", ["host", "front"], networking.SHARED),
        ("host", ["front"], networking.SHARED),
        ("container:x", ["front"], networking.SHARED),
    ],
)
def test_networks_that_do_not_go_together(mode: str, names: list[str], told: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        networking.check_together(mode, names)
    assert str(failure.value) == told


@pytest.mark.parametrize(
    ("mode", "names"), [("host", ["host"]), ("none", ["none"]), ("front", []), ("bridge", ["bridge", "front"])]
)
def test_networks_that_do(mode: str, names: list[str]) -> None:
    networking.check_together(mode, names)


def test_a_name_that_nobody_can_ask_for_is_told() -> None:
    _, endpoints, _, warnings = made("front", {"front": {"Aliases": ["a" * 63 + ".b", "c" * 70]}})
    assert len(endpoints["front"]["Aliases"]) == 2
    [told] = warnings
    assert told.startswith(f"The alias {'c' * 70} cannot be looked up")


def test_interfaces_have_always_the_same_order() -> None:
    named = {"DriverOpts": {"com.docker.network.endpoint.ifname": "eth0"}}
    _, wanted, _, _ = made("z", {"z": {}, "a": {}, "bridge": {}, "best": {"GwPriority": 9}, "x": named})
    assert networking.order(wanted) == ["x", "best", "bridge", "a", "z"]


def test_what_is_shown_before_the_start() -> None:
    _, wanted, _, _ = made("front", {"front": {"Aliases": ["www"]}, "back": {}})
    shown = networking.shown(wanted)
    assert list(shown) == ["back", "front"]
    assert (shown["front"]["Aliases"], shown["front"]["IPAddress"]) == (["www"], "")
