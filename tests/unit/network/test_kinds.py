import pytest

from carrack.errors import NotFound
from carrack.network.ipam import Addresses
from carrack.network.kinds import Kind, kind_of
from carrack.network.plan import BRIDGE, IPVLAN, MACVLAN, NetworkPlan, Subnet

OWN, GATEWAYS = Addresses("10.9.0.2", "fd00::2"), Addresses("10.9.0.1", "fd00::1")


def kind(driver: str, *, internal: bool = False, **options: str) -> Kind:
    return kind_of(NetworkPlan("ab" * 32, "lan", driver, (Subnet("10.9.0.0/24", "10.9.0.1"),), internal, options))


def test_a_bridge() -> None:
    found = kind(BRIDGE)
    assert (found.wire.what, found.bridge is not None, found.own_mac) == ("bridge br-abababababab", True, True)
    assert found.way_out(OWN, GATEWAYS) == GATEWAYS
    assert kind(BRIDGE, internal=True).way_out(OWN, GATEWAYS) == Addresses()


def test_interfaces_on_a_parent() -> None:
    found = kind(MACVLAN, parent="eth0")
    assert (found.wire.what, found.bridge, found.own_mac, found.mtu) == ("parent interface eth0", None, True, 0)
    assert found.way_out(OWN, GATEWAYS) == GATEWAYS
    assert kind(MACVLAN).way_out(OWN, GATEWAYS) == Addresses(), "a parent that leads nowhere"
    assert not kind(IPVLAN, parent="eth0").own_mac
    assert kind(IPVLAN, parent="eth0", ipvlan_mode="l3").way_out(OWN, GATEWAYS) == Addresses("0.0.0.0", "::")
    assert kind(IPVLAN, parent="eth0", ipvlan_mode="l3").way_out(Addresses("10.9.0.2"), Addresses()) == Addresses(
        "0.0.0.0"
    )


def test_a_driver_that_there_is_not() -> None:
    with pytest.raises(NotFound, match="could not find plugin weave"):
        kind("weave")
