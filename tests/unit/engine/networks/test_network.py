"""Records of networks: kept whole, and those of the version before read."""

from __future__ import annotations

import json

import pytest

from carrack.engine.networks.network import Network, decode, encode
from carrack.network.plan import NetworkPlan, Subnet

FULL = Network(
    "a" * 64, "web", "bridge", 7,
    internal=True, attachable=True, ipv6=True, ipam_options={"a": "b"},
    config=({"Subnet": "10.1.0.0/24"}, {"Subnet": "fd00::/64", "Gateway": "fd00::1"}),
    subnets=(Subnet("10.1.0.0/24", "10.1.0.1", reserved={"printer": "10.1.0.9"}), Subnet("fd00::/64", "fd00::1")),
    chosen_subnets=("10.1.0.0/24",), options={"x": "y"}, labels={"l": ""}, config_from="c",
)  # fmt: skip


def test_a_record_is_the_whole_network() -> None:
    assert decode(encode(FULL)) == FULL


def test_records_of_the_version_before_had_four_fields() -> None:
    found = decode('{"id": "ab", "name": "bridge", "driver": "bridge", "created": 3}')
    assert found == Network("ab", "bridge", "bridge", 3)
    assert found.predefined


@pytest.mark.parametrize("text", ["", "[]", '{"id": "a"}', '{"id":"a","name":"b","driver":"c","created":1,"more":1}'])
def test_what_is_no_record_is_told(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(text)


def test_plan_leaves_out_options_that_say_nothing() -> None:
    options = {
        "com.docker.network.driver.mtu": "0", "x": "y", "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    }  # fmt: skip
    plan = Network("a", "web", "bridge", 7, subnets=FULL.subnets, internal=True, options=options).plan
    assert plan == NetworkPlan("a", "web", "bridge", FULL.subnets, True, {"x": "y"})
    assert json.loads(encode(FULL))["name"] == "web"


def test_plan_has_the_mtu_as_a_plain_number() -> None:
    assert Network("a", "web", "bridge", 7, options={"com.docker.network.driver.mtu": "+01400"}).plan.options == {
        "com.docker.network.driver.mtu": "1400"
    }
