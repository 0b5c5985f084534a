from pathlib import Path

import pytest
from tests.fakes.nftables import FakeNftables

from carrack.linux import nft_messages
from carrack.linux.nft_expressions import ACCEPT, IPV4, IPV6
from carrack.network.bridge import BridgeSettings
from carrack.network.firewall import Firewall
from carrack.network.forwarding import Forwarding
from carrack.network.stance import Stance

FOUR = BridgeSettings("br0", "172.30.0.1/24")
SIX = BridgeSettings("br1", "172.31.0.1/24", address6="fd00:31::1/64")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, value in (
        ("ipv4/ip_forward", "0"),
        ("ipv6/conf/all/forwarding", "0"),
        ("ipv6/conf/uplink/accept_ra", "1"),
        ("ipv6/conf/br1/accept_ra", "0"),
    ):
        path = tmp_path / "net" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return tmp_path


def switches(root: Path) -> tuple[str, str, str]:
    names = ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv6/conf/uplink/accept_ra")
    four, six, uplink = ((root / "net" / name).read_text() for name in names)
    return four, six, uplink


def test_what_was_off_is_guarded_and_goes_off_again(root: Path) -> None:
    firewall = Firewall(FakeNftables(), "t")
    forwarding = Forwarding(firewall, str(root))
    forwarding.start([FOUR])
    assert switches(root) == ("1", "0", "1")
    assert firewall.rule_set.guard == (IPV4, IPV6)
    firewall.include(SIX)
    forwarding.open([SIX])
    assert switches(root) == ("1", "1", "2"), "routers are still listened to"
    forwarding.stop()
    assert switches(root) == ("0", "0", "1")


def test_what_was_on_is_not_ours(root: Path) -> None:
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        (root / "net" / name).write_text("1")
    firewall = Firewall(FakeNftables(), "t")
    forwarding = Forwarding(firewall, str(root))
    forwarding.start([SIX])
    assert firewall.rule_set.guard == ()
    forwarding.stop()
    assert switches(root) == ("1", "1", "1")


def test_what_is_switched_off_comes_back_guarded(root: Path) -> None:
    (root / "net/ipv4/ip_forward").write_text("1")
    firewall = Firewall(FakeNftables(), "t")
    forwarding = Forwarding(firewall, str(root))
    forwarding.start([SIX])
    assert forwarding.mend() == []
    (root / "net/ipv4/ip_forward").write_text("0")
    (root / "net/ipv6/conf/all/forwarding").write_text("0")
    assert len(forwarding.mend()) == 2
    assert switches(root)[:2] == ("1", "1")
    assert firewall.rule_set.guard == (IPV4, IPV6)


def test_it_stays_on_where_another_firewall_lives(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    kernel = FakeNftables()
    hook = (nft_messages.FORWARD, 0)
    other = nft_messages.add_chain("filter", "FORWARD", "filter", *hook, policy=ACCEPT)
    kernel.commit([nft_messages.add_table("filter"), other])
    forwarding = Forwarding(Firewall(kernel, "t"), str(root))
    forwarding.start([FOUR])
    forwarding.stop()
    assert switches(root)[0] == "1"
    assert "chains filter FORWARD may need it" in caplog.text


def test_a_daemon_may_be_told_to_leave_forwarding_alone(root: Path) -> None:
    firewall = Firewall(FakeNftables(), "t", stance=Stance(forward=False))
    forwarding = Forwarding(firewall, str(root))
    forwarding.start([SIX])
    assert forwarding.mend() == []
    assert switches(root)[:2] == ("0", "0")
    assert firewall.rule_set.guard == ()
    forwarding.stop()
    assert switches(root)[:2] == ("0", "0")


def test_a_daemon_may_be_told_to_guard_nothing(root: Path) -> None:
    firewall = Firewall(FakeNftables(), "t", stance=Stance(guard=False))
    forwarding = Forwarding(firewall, str(root))
    forwarding.start([SIX])
    assert switches(root)[:2] == ("1", "1")
    (root / "net/ipv4/ip_forward").write_text("0")
    assert len(forwarding.mend()) == 1
    assert firewall.rule_set.guard == ()
