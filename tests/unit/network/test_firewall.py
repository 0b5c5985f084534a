import errno

import pytest
from tests.fakes.nftables import FakeNftables
from tests.suites.nftables import check_nftables

from carrack.errors import Conflict, Internal, Unavailable
from carrack.network.bridge import BridgeSettings
from carrack.network.firewall import Firewall
from carrack.network.rules import PortMapping

BRIDGE = BridgeSettings("br0", "172.30.0.1/24")


def mapping(host: int, address: str = "172.30.0.2", count: int = 1) -> PortMapping:
    return PortMapping("tcp", "0.0.0.0", host, address, host if count > 1 else 80, count)


@pytest.fixture
def kernel() -> FakeNftables:
    return FakeNftables()


@pytest.fixture
def firewall(kernel: FakeNftables) -> Firewall:
    found = Firewall(kernel, "t")
    found.install([BRIDGE])
    return found


def test_the_fake_keeps_the_contract() -> None:
    check_nftables(FakeNftables())


def test_install_is_one_transaction_and_repeats(kernel: FakeNftables, firewall: Firewall) -> None:
    assert kernel.commits == 1
    assert not firewall.guarded()
    firewall.publish("c1", [mapping(8080)])
    firewall.install([BRIDGE], guard=True)
    assert firewall.guarded()
    assert len(kernel.elements("t", "published")) == 1


def test_a_neighbours_guard_is_seen(kernel: FakeNftables, firewall: Firewall) -> None:
    assert firewall.others_forwarding() == {}
    neighbour = Firewall(kernel, "other")
    neighbour.install([BridgeSettings("br1", "172.31.0.1/24")], guard=True)
    assert firewall.guarded()
    assert firewall.others_forwarding() == {"other forward": 1, "other guard": 0}


def test_withdrawn_ports_are_gone(kernel: FakeNftables, firewall: Firewall) -> None:
    firewall.publish("c1", [mapping(8080), mapping(9000, count=10)])
    firewall.publish("c2", [mapping(8081, "172.30.0.3")])
    firewall.withdraw("c1")
    firewall.withdraw("c1")
    firewall.publish("c3", [])
    assert len(kernel.elements("t", "published")) == 1
    assert kernel.elements("t", "published_ranges") == {}


def test_one_port_leads_to_one_container(kernel: FakeNftables, firewall: Firewall) -> None:
    firewall.publish("c1", [mapping(8080)])
    with pytest.raises(Conflict, match="leads to another container"):
        firewall.publish("c2", [mapping(8081, "172.30.0.3"), mapping(8080, "172.30.0.3")])
    assert len(kernel.elements("t", "published")) == 1
    with pytest.raises(Conflict, match="published already"):
        firewall.publish("c1", [mapping(1)])


def test_a_port_not_found_afterwards_is_not_published(firewall: Firewall, kernel: FakeNftables) -> None:
    kernel.lacks = lambda table, name, elements: list(elements)  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="not published"):
        firewall.publish("c1", [mapping(8080)])
    assert kernel.elements("t", "published") == {}


def test_refused_load_changes_nothing(kernel: FakeNftables, firewall: Firewall) -> None:
    kernel.refuse = errno.EPERM
    with pytest.raises(PermissionError):
        firewall.install([BRIDGE, BridgeSettings("br1", "172.31.0.1/24")])
    assert len(firewall.rule_set.bridges) == 1
    firewall.verify()


@pytest.mark.parametrize("theft", ["table", "chain", "rule", "element"])
def test_what_was_taken_is_noticed_and_put_back(kernel: FakeNftables, firewall: Firewall, theft: str) -> None:
    firewall.publish("c1", [mapping(8080)])
    table = kernel.tables["t"]
    match theft:
        case "table":
            kernel.tables.clear()
        case "chain":
            del table.chains["raw"]
        case "rule":
            table.rules.remove(("raw", "routed around br0"))
        case _:
            table.maps["published"].clear()
    with pytest.raises(Internal, match="lacks"):
        firewall.verify()
    assert firewall.restore()
    firewall.verify()
    assert not firewall.restore()
    assert len(kernel.elements("t", "published")) == 1


def test_withdrawal_survives_a_flush(kernel: FakeNftables, firewall: Firewall) -> None:
    firewall.publish("c1", [mapping(8080)])
    firewall.publish("c2", [mapping(8081, "172.30.0.3")])
    kernel.tables.clear()
    firewall.withdraw("c1")
    assert len(kernel.elements("t", "published")) == 1


def test_adopted_ports_come_with_the_next_load(kernel: FakeNftables) -> None:
    firewall = Firewall(kernel, "t")
    firewall.adopt("c1", [mapping(9000 + n, count=2) for n in (0, 2)])
    firewall.install([BRIDGE])
    [(key, end)] = kernel.elements("t", "published_ranges")
    assert (key[8:10], end[8:10]) == (b"\x23\x28", b"\x23\x2b")


def test_uninstall_twice(kernel: FakeNftables, firewall: Firewall) -> None:
    firewall.uninstall()
    firewall.uninstall()
    assert kernel.tables == {}
