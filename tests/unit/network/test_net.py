import pytest

from carrack.errors import Forbidden, InvalidArgument
from carrack.network.endpoint import Endpoint
from carrack.network.ipam import Addresses
from carrack.network.net import Net
from carrack.network.plan import BRIDGE, EndpointPlan, NetworkPlan, Subnet

FOUR, SIX = Subnet("10.9.0.0/29", "10.9.0.1", reserved={"printer": "10.9.0.2"}), Subnet("fd00:9::/64", "fd00:9::1")


def net(*subnets: Subnet, internal: bool = False, **options: str) -> Net:
    named = {f"com.docker.network.bridge.{key}": value for key, value in options.items()}
    return Net(NetworkPlan("a" * 64, "web", BRIDGE, subnets or (FOUR, SIX), internal, named))


def test_both_families_or_none() -> None:
    one = net()
    first = one.take(EndpointPlan())
    assert first == Addresses("10.9.0.3", "fd00:9::2")
    with pytest.raises(Forbidden, match="fd00:9::2"):
        one.take(EndpointPlan(address="10.9.0.4", address6="fd00:9::2"))
    assert one.take(EndpointPlan(address="10.9.0.4")).four == "10.9.0.4", "it was given back"
    one.release(first)
    assert one.take(EndpointPlan(address="10.9.0.3", address6="fd00:9::2")) == first
    assert net(FOUR).take(EndpointPlan()) == Addresses("10.9.0.3", "")
    assert net(SIX).take(EndpointPlan()) == Addresses("", "fd00:9::2")


def test_an_address_of_a_family_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="network web has no IPv6"):
        net(FOUR).take(EndpointPlan(address6="fd00:9::5"))


@pytest.mark.parametrize("mac", ["nonsense", "03:42:ac:11:00:02"])
def test_bad_mac_addresses_are_refused(mac: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid MAC address"):
        net().take(EndpointPlan(mac=mac))


def test_who_leads_outside() -> None:
    both = Addresses("10.9.0.3", "fd00:9::2")
    assert net().gateways(both) == Addresses("10.9.0.1", "fd00:9::1")
    assert net(FOUR).gateways(Addresses("10.9.0.3", "")) == Addresses("10.9.0.1", "")
    assert net(internal=True).gateways(both) == Addresses("", "")


def test_a_gateway_reserved_under_dockers_name_leads_instead_of_the_bridge() -> None:
    four = Subnet("10.9.0.0/29", "10.9.0.1", reserved={"DefaultGatewayIPv4": "10.9.0.4"})
    six = Subnet("fd00:9::/64", "fd00:9::1", reserved={"DefaultGatewayIPv6": "fd00:9::9"})
    assert net(four, six).gateways(Addresses("10.9.0.3", "fd00:9::2")) == Addresses("10.9.0.4", "fd00:9::9")
    assert net(four, six, internal=True).gateways(Addresses("10.9.0.3", "fd00:9::2")) == Addresses("", "")


def test_which_addresses_are_its_own() -> None:
    assert net().holds("10.9.0.7")
    assert net().holds("fd00:9::ffff")
    assert not net(FOUR).holds("fd00:9::ffff")


def test_the_inside_has_all_that_was_wanted() -> None:
    wanted = EndpointPlan(
        mac="02:00:00:00:00:01",
        link_local=("169.254.1.1", "fe80::9"),
        sysctls=(("net.ipv4.conf.IFNAME.forwarding", "1"),),
    )
    found = net().inside(Addresses("10.9.0.3", "fd00:9::2"), "eth1", Addresses("", "fd00:9::1"), wanted)
    assert found == Endpoint(
        ("10.9.0.3/29", "fd00:9::2/64", "169.254.1.1/16", "fe80::9/64"),
        ("fd00:9::1",),
        "02:00:00:00:00:01",
        1500,
        "eth1",
        switches=(("net/ipv4/conf/IFNAME/forwarding", "1"),),
    )
    assert found.named_switches("eth0") == [
        ("net/ipv6/conf/eth0/disable_ipv6", "0"),
        ("net/ipv6/conf/eth0/accept_ra", "0"),
        ("net/ipv4/conf/eth0/forwarding", "1"),
    ]
    plain = net(FOUR).inside(Addresses("10.9.0.3", ""), "eth0", Addresses("10.9.0.1", ""), EndpointPlan())
    assert (plain.mac, plain.named_switches("eth0")) == ("02:42:0a:09:00:03", [])


@pytest.mark.parametrize(
    "name",
    [
        "net.ipv4.ip_forward",
        "kernel.IFNAME.x.IFNAME.y",
        "net.ipv4.conf.eth0.forwarding",
        "net.ipv4.conf.IFNAME.a/b",
        "net.ipv4.conf.IFNAME../../x",
    ],
)
def test_switches_that_are_not_the_interfaces_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid sysctl"):
        net().inside(Addresses("10.9.0.3", ""), "eth0", Addresses("", ""), EndpointPlan(sysctls=((name, "1"),)))


def test_a_small_interface_has_no_ipv6_to_be_switched() -> None:
    small = NetworkPlan("a" * 64, "web", BRIDGE, (FOUR,), options={"com.docker.network.driver.mtu": "1279"})
    nowhere = Addresses("", "")
    assert not Net(small).inside(Addresses("10.9.0.3", ""), "eth0", nowhere, EndpointPlan()).kernel_has_ipv6
