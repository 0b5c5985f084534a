from carrack.network.ipam import Addresses
from carrack.network.members import Member, Members, document
from carrack.network.net import Net
from carrack.network.plan import BRIDGE, NetworkPlan, Subnet


def net(name: str) -> Net:
    subnets = (Subnet("10.9.0.0/24", "10.9.0.1"), Subnet("fd00:9::/64", "fd00:9::1"))
    return Net(NetworkPlan(name * 64, name, BRIDGE, subnets))


def member(name: str, *, priority: int = 0, four: str = "10.9.0.1", six: str = "") -> Member:
    return Member(net(name), Addresses("10.9.0.2", ""), priority, "e" * 64, "eth0", Addresses(four, six))


def ways(*found: Member) -> tuple[str, str]:
    members = Members()
    for one in found:
        members.add("c1", one)
    four, six = members.ways("c1")
    return four.net.plan.name if four else "", six.net.plan.name if six else ""


def test_a_container_leaves_by_priority_then_both_families_then_name() -> None:
    assert ways() == ("", "")
    assert ways(member("b"), member("a")) == ("a", "")
    assert ways(member("a"), member("b", six="fd00::1")) == ("b", "b")
    assert ways(member("a", six="fd00::1"), member("b", priority=1)) == ("b", "a")
    assert ways(member("a", four=""), member("b")) == ("b", "")


def test_who_is_where() -> None:
    members = Members()
    one, two = member("a"), member("b")
    members.add("c1", one)
    members.add("c1", two)
    members.add("c2", one)
    assert members.on("a" * 64) == ["c1", "c2"]
    assert members.of("c1") == [one, two]
    assert members.get("c1", "b" * 64) is two
    assert members.pop("c1", "a" * 64) is one
    assert members.pop("c1", "a" * 64) is None
    assert members.pop("c1", "b" * 64) is two
    assert members.of("c1") == []
    assert members.get("c9", "a" * 64) is None


def test_the_document_has_dockers_fields() -> None:
    one = Member(net("a"), Addresses("10.9.0.2", "fd00:9::2"), 0, "e" * 64, gateways=Addresses("10.9.0.1", "fd00:9::1"))
    assert document(one, "02:42:0a:09:00:02") == {
        "NetworkID": "a" * 64,
        "EndpointID": "e" * 64,
        "MacAddress": "02:42:0a:09:00:02",
        "Gateway": "10.9.0.1",
        "IPAddress": "10.9.0.2",
        "IPPrefixLen": 24,
        "IPv6Gateway": "fd00:9::1",
        "GlobalIPv6Address": "fd00:9::2",
        "GlobalIPv6PrefixLen": 64,
    }
