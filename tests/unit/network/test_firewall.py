import errno
from collections.abc import Sequence

import pytest
from tests.fakes.nftables import FakeNftables
from tests.suites.nftables import check_nftables

from carrack.errors import Conflict, Internal, NotSupported, Unavailable
from carrack.linux.netlink import Message
from carrack.linux.nft_expressions import IPV4, IPV6
from carrack.network.bridge import BridgeSettings
from carrack.network.firewall import Firewall
from carrack.network.mappings import PortMapping

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
    firewall.publish("c1", [mapping(8080)])
    firewall.install([BRIDGE], guard=True)
    assert firewall.rule_set.guard == (IPV4,)
    assert len(kernel.elements("t", "published")) == 1


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


def test_publishing_again_changes_only_what_differs(kernel: FakeNftables, firewall: Firewall) -> None:
    firewall.publish("c1", [mapping(8080), mapping(8081)])
    count = kernel.commits
    firewall.publish("c1", [mapping(8081), mapping(8082)])
    assert kernel.commits == count + 1
    assert {key[4:6] for key, _, _ in kernel.elements("t", "published")} == {b"\x1f\x91", b"\x1f\x92"}
    with pytest.raises(Conflict):
        firewall.publish("c2", [mapping(8082, "172.30.0.3")])
    firewall.verify()


def test_a_bridge_comes_and_goes_in_one_transaction_without_reloading(kernel: FakeNftables, firewall: Firewall) -> None:
    handles = [rule.handle for rule in kernel.listing("t")]
    firewall.include(BridgeSettings("br1", "172.31.0.1/24"))
    firewall.verify()
    assert len(kernel.elements("t", "bridges")) == 2
    firewall.exclude("br1")
    firewall.exclude("br1")
    firewall.verify()
    assert len(kernel.elements("t", "bridges")) == 1
    assert [rule.handle for rule in kernel.listing("t")] == handles


def test_a_bridge_that_is_not_found_afterwards_is_an_error(kernel: FakeNftables, firewall: Firewall) -> None:
    kernel.lacks = lambda table, name, elements, family=IPV4: list(elements)  # type: ignore[method-assign]
    with pytest.raises(Internal, match="vanished"):
        firewall.include(BridgeSettings("br1", "172.31.0.1/24"))


def test_a_port_not_found_afterwards_is_not_published(firewall: Firewall, kernel: FakeNftables) -> None:
    kernel.lacks = lambda table, name, elements, family=IPV4: list(elements)  # type: ignore[method-assign]
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
            table.rules = [rule for rule in table.rules if rule.comment != "routed around a bridge"]
        case _:
            table.maps["published"].clear()
    with pytest.raises(Internal, match="lacks"):
        firewall.verify()
    assert firewall.restore()
    firewall.verify()
    assert not firewall.restore()
    assert len(kernel.elements("t", "published")) == 1


def test_tables_that_were_just_taken_are_loaded_before_a_change(kernel: FakeNftables, firewall: Firewall) -> None:
    firewall.publish("c1", [mapping(8080)])
    kernel.tables.clear()
    firewall.publish("c2", [mapping(8081, "172.30.0.3")])
    firewall.verify()
    kernel.tables6.clear()
    firewall.include(BridgeSettings("br1", "172.31.0.1/24", address6="fd00:31::1/64"))
    firewall.verify()


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
    [(key, end, _)] = kernel.elements("t", "published_ranges")
    assert (key[8:10], end[8:10]) == (b"\x23\x28", b"\x23\x2b")


def test_uninstall_twice(kernel: FakeNftables, firewall: Firewall) -> None:
    firewall.uninstall()
    firewall.uninstall()
    assert kernel.tables == {}


class WithoutSix(FakeNftables):
    """A kernel whose nf_tables has no IPv6."""

    def commit(self, messages: Sequence[Message]) -> None:
        if any(message.body[0] == IPV6.number for message in messages):
            raise OSError(errno.EOPNOTSUPP, "no")
        super().commit(messages)


def test_a_kernel_that_cannot_filter_ipv6_serves_ipv4(caplog: pytest.LogCaptureFixture) -> None:
    kernel = WithoutSix()
    firewall = Firewall(kernel, "t")
    firewall.install([BRIDGE], guard=True, guard6=True)
    assert "cannot filter IPv6" in caplog.text
    firewall.publish("c1", [mapping(8080)])
    firewall.verify()
    with pytest.raises(NotSupported, match="bridge br1 cannot have fd00::1/64"):
        firewall.include(BridgeSettings("br1", "172.31.0.1/24", address6="fd00::1/64"))
    with pytest.raises(OSError, match="no"):
        Firewall(kernel, "u").install([BridgeSettings("br1", "172.31.0.1/24", address6="fd00::1/64")])
