import pytest

from carrack.errors import InvalidArgument
from carrack.network.plan import IPVLAN, MACVLAN, NetworkPlan, Subnet
from carrack.network.sublink_options import SublinkSettings, routed, settings_of


def plan(driver: str = MACVLAN, *, internal: bool = False, **options: str) -> NetworkPlan:
    return NetworkPlan("ab" * 32, "lan", driver, (Subnet("10.9.0.0/24", "10.9.0.1"),), internal, options)


def test_a_parent_of_the_hosts() -> None:
    assert settings_of(plan(parent="eth0")) == SublinkSettings(MACVLAN, "eth0", "bridge")
    assert settings_of(plan(parent="eth0", macvlan_mode="vepa")).mode == "vepa"
    found = settings_of(plan(IPVLAN, parent="eth0", ipvlan_mode="l3s", ipvlan_flag="private"))
    assert (found.mode, found.flag, routed(found)) == ("l3s", "private", True)
    assert not routed(settings_of(plan(IPVLAN, parent="eth0")))


def test_a_vlan_and_none_at_all() -> None:
    found = settings_of(plan(parent="br.eth0.10"))
    assert (found.parent, found.base, found.vlan) == ("br.eth0.10", "br.eth0", 10)
    assert settings_of(plan(parent="eth0.up")).vlan == 0
    assert settings_of(plan()).parent == "dm-abababababab"
    assert settings_of(plan(IPVLAN, internal=True, parent="eth0")).parent == "di-abababababab"
    assert settings_of(plan()).hollow


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (plan(parent="lo"), "loopback interface is not a valid macvlan parent link"),
        (plan(parent="much-too-long-a-name"), "invalid parent"),
        (plan(parent="eth0.4095"), "vlan id must be between 1-4094, received: 4095"),
        (plan(parent="eth0", macvlan_mode="foo"), "requested macvlan mode 'foo' is not valid"),
        (plan(IPVLAN, parent="eth0", ipvlan_mode="foo"), "requested ipvlan mode 'foo' is not valid"),
        (plan(IPVLAN, parent="eth0", ipvlan_flag="foo"), "requested ipvlan flag 'foo' is not valid"),
    ],
)
def test_what_is_wrong_is_told_in_dockers_words(made: NetworkPlan, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        settings_of(made)
