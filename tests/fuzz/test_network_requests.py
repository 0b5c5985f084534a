"""Any request for a network is refused in words, or makes one that the fabric can carry out."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engine.networks.fakes import request

from carrack.engine.networks.allot import Room
from carrack.engine.networks.network import Network, decode, encode
from carrack.engine.networks.pools import DEFAULT, Taken, unique_local
from carrack.engine.networks.wanted import allotted, read, warning
from carrack.errors import CarrackError
from carrack.network.kinds import kind_of

B, D = "com.docker.network.bridge.", "com.docker.network."
WORDS = st.sampled_from(
    "|cake|0|1|-1|+1400|1400|67|99999|1e3|true|F|10.9.0.1|10.9.0.0/24|10.9.0.0/31|10.9.0.0/32|0.0.0.0/0|10.9.0.128/25|"
    "fd00::1|fd00::/64|fd00::/128|::/0|fe80::1%lo|::ffff:10.9.0.0/120|127.0.0.0/8|255.255.255.255|nat|routed|isolated|lo|"
    "a/b|abcdefghijklmnop|eth%d|eth0:eth1|bridge|l3|\u0660/24|10.9.0.0/\u0662|10.9.0.0/+8|010.9.0.0/24".split("|")
)
KEYS = st.sampled_from([
    *(B + key for key in (
        "name", "enable_icc", "enable_ip_masquerade", "inhibit_ipv4", "host_binding_ipv4", "gateway_mode_ipv4",
        "gateway_mode_ipv6", "trusted_host_interfaces", "default_bridge",
    )),
    *(D + key for key in ("driver.mtu", "host_ipv4", "host_ipv6", "container_iface_prefix", "enable_ipv4")),
    D + "enable_ipv6",
    "parent", "macvlan_mode", "ipvlan_mode", "ipvlan_flag", "cake",
])  # fmt: skip
OPTIONS = st.dictionaries(KEYS, WORDS, max_size=4)
RESERVED = st.none() | st.dictionaries(st.sampled_from(["a", "DefaultGatewayIPv4"]), WORDS, max_size=2)
POOLS = st.lists(
    st.fixed_dictionaries({"Subnet": WORDS, "IPRange": WORDS, "Gateway": WORDS, "AuxiliaryAddresses": RESERVED}),
    max_size=3,
)
FLAG = st.sampled_from([None, True, False])
BODIES = st.fixed_dictionaries({
    "Driver": st.sampled_from(["", "bridge", "macvlan", "ipvlan", "host", "cake"]), "Internal": st.booleans(),
    "ConfigFrom": st.sampled_from([None, {"Network": ""}, {"Network": "base"}]), "ConfigOnly": st.booleans(),
    "EnableIPv4": FLAG, "EnableIPv6": FLAG, "Options": st.none() | OPTIONS, "Scope": st.sampled_from(["", "swarm"]),
})  # fmt: skip
BASE = Network("c" * 64, "base", "null", 1, config=({"Subnet": "10.77.0.0/24"},), config_only=True)
ROOM = Room((*DEFAULT, unique_local("id")), [Taken("172.17.0.0/16", "bridge")], [Taken("10.9.0.0/25", "eth0")])


@settings(max_examples=300, deadline=None)
@given(BODIES, POOLS, st.sampled_from(["", "default", "null", "cake"]))
def test_refused_or_carried_out(body: dict[str, Any], pools: list[dict[str, Any]], ipam: str) -> None:
    try:
        wanted = read(request("web", *pools, ipam={"Driver": ipam}, **body), "a" * 64, 5, [BASE], {})
        network = allotted(wanted, ROOM, [BASE])
    except CarrackError:
        return
    assert isinstance(warning(wanted), str)
    assert decode(encode(network)) == network
    if not network.config_only:
        kind_of(network.plan)
