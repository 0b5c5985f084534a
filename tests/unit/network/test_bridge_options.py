from typing import Any

import pytest

from carrack.errors import Forbidden, InvalidArgument
from carrack.network import option_names
from carrack.network.bridge_options import settings_of
from carrack.network.plan import BRIDGE, NetworkPlan, Subnet

FOUR, SIX = Subnet("10.9.0.0/24", "10.9.0.1"), Subnet("fd00:9::/64", "fd00:9::1")


def plan(*subnets: Subnet, internal: bool = False, **options: str) -> NetworkPlan:
    named = {f"com.docker.network.bridge.{key}": value for key, value in options.items()}
    return NetworkPlan("ab" * 32, "web", BRIDGE, subnets or (FOUR,), internal, named)


def test_without_options_it_is_dockers_usual_bridge() -> None:
    found = settings_of(plan(FOUR, SIX))
    assert (found.name, found.mtu, found.interface_prefix) == ("br-abababababab", 1500, "eth")
    assert (found.address, found.address6) == ("10.9.0.1/24", "fd00:9::1/64")
    assert (found.isolated, found.internal, found.masquerade, found.masquerade6) == (False, False, True, True)
    assert (found.gateway_mode4, found.gateway_mode6, found.host_binding) == ("nat", "nat", "")


def test_addresses_are_written_as_the_kernel_writes_them() -> None:
    found = settings_of(plan(Subnet("fd00:0009::/64", "fd00:0009:0::0001")))
    assert (found.address, found.address6, found.subnet6) == ("", "fd00:9::1/64", "fd00:9::/64")


def test_each_option_has_its_place() -> None:
    options = {
        "name": "br9", "enable_icc": "0", "host_binding_ipv4": "127.0.0.1", "gateway_mode_ipv6": "routed",
        "trusted_host_interfaces": "eth1:eth2", "inhibit_ipv4": "True",
    }  # fmt: skip
    found = settings_of(plan(FOUR, SIX, internal=True, **options))
    assert (found.name, found.isolated, found.internal, found.host_binding) == ("br9", True, True, "127.0.0.1")
    assert (found.masquerade, found.masquerade6) == (True, False)
    assert (found.trusted_interfaces, found.own_addresses) == (("eth1", "eth2"), ("fd00:9::1/64",))
    others = {
        option_names.MTU: "1400",
        option_names.INTERFACE_PREFIX: "net",
        "com.docker.network.host_ipv4": "192.0.2.1",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
    }
    found = settings_of(NetworkPlan("ab" * 32, "web", BRIDGE, (FOUR,), options=others))
    assert (found.mtu, found.interface_prefix, found.source4, found.masquerade) == (1400, "net", "192.0.2.1", False)


def test_an_isolated_network_may_lack_a_gateway() -> None:
    found = settings_of(plan(Subnet("10.9.0.0/24"), internal=True, gateway_mode_ipv4="isolated"))
    assert (found.subnet, found.own_addresses) == ("10.9.0.0/24", ())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"enable_icc": "maybe"}, r'enable_icc value: maybe \(strconv.ParseBool: parsing "maybe": invalid syntax\)'),
        ({"gateway_mode_ipv6": "isolated"}, "'isolated' can only be used for an internal network"),
        ({"gateway_mode_ipv4": "open"}, "unknown gateway mode open"),
        ({"name": "much-too-long-a-name"}, "invalid bridge name"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        settings_of(plan(**options))


def test_an_mtu_that_is_none_and_a_second_subnet_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"driver\.mtu"):
        settings_of(NetworkPlan("ab" * 32, "web", BRIDGE, (FOUR,), options={option_names.MTU: "12"}))
    with pytest.raises(Forbidden, match="multiple subnets"):
        settings_of(plan(FOUR, Subnet("10.10.0.0/24", "10.10.0.1")))
