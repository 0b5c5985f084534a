from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.network.bridge import BridgeSettings
from carrack.network.bridge_sets import members


def names(bridge: BridgeSettings, family: Family = IPV4, *, direct_routing: bool = False) -> set[str]:
    return {name for of, name in members(bridge, direct_routing=direct_routing) if of is family}


BASIS = {"bridges", "within", "homes", "gateways"}


def test_a_plain_bridge_is_closed_and_hides_its_addresses() -> None:
    bridge = BridgeSettings("br0", "172.30.0.1/24")
    assert names(bridge) == BASIS | {"subnets", "masqueraded"}
    assert names(bridge, IPV6) == set()
    assert names(bridge, direct_routing=True) == BASIS | {"masqueraded"}


def test_both_families() -> None:
    bridge = BridgeSettings("br0", "172.30.0.1/24", address6="fd00::1/64", gateway_mode6="routed")
    assert names(bridge) == BASIS | {"subnets", "masqueraded"}
    assert names(bridge, IPV6) == BASIS | {"routed"}
    assert len(members(bridge)[IPV6, "homes"]) == 2, "its subnet and link-local addresses"


def test_settings_shape_the_sets() -> None:
    address = "172.30.0.1/24"
    assert "within" not in names(BridgeSettings("br0", address, isolated=True))
    internal = names(BridgeSettings("br0", address, internal=True))
    assert internal == BASIS | {"subnets", "internal"}
    assert names(BridgeSettings("br0", address, gateway_mode4="nat-unprotected")) == BASIS | {
        "unprotected",
        "masqueraded",
    }
    isolated = BridgeSettings("br0", address, internal=True, gateway_mode4="isolated")
    assert "gateways" not in names(isolated)
    assert "trusted" in names(BridgeSettings("br0", address, trusted_interfaces=("eth0",)))


def test_answers_to_a_network_that_shows_its_addresses_get_in() -> None:
    """Before connections are tracked they look like any other packet."""
    assert names(BridgeSettings("br0", "172.30.0.1/24", masquerade=False)) == BASIS


def test_a_chosen_source_takes_the_place_of_the_hosts() -> None:
    found = members(BridgeSettings("br0", "172.30.0.1/24", source4="192.0.2.9"))
    first, last = found[IPV4, "sources"]
    assert (first.key, first.data) == (b"\xac\x1e\0\0", b"\xc0\0\2\x09")
    assert (last.key, last.ends) == (b"\xac\x1e\1\0", True)
    assert (IPV4, "masqueraded") not in found


def test_a_range_up_to_the_last_address_has_no_end() -> None:
    found = members(BridgeSettings("br0", "255.255.255.1/24"))
    assert len(found[IPV4, "subnets"]) == 1


def test_a_link_local_subnet_is_at_home_once() -> None:
    bridge = BridgeSettings("br0", "172.30.0.1/24", address6="fe80::1/64")
    assert len(members(bridge)[IPV6, "homes"]) == 1
