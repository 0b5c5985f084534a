import pytest
from tests.fakes.nftables import FakeNftables

from carrack.linux import nft_messages as nft
from carrack.linux.nft_expressions import ACCEPT, DROP, IPV4, IPV6
from carrack.network.bridge import BridgeSettings
from carrack.network.firewall import Firewall
from carrack.network.others import Beside, forwarding, guarded

BOTH = (IPV4, IPV6)


def docker(kernel: FakeNftables, *more: str, policy: int = DROP) -> None:
    """What dockerd leaves in the table of iptables."""
    for family in BOTH:
        kernel.commit(
            [
                nft.add_table("filter", family),
                nft.add_chain("filter", "FORWARD", "filter", nft.FORWARD, 0, policy=policy, family=family),
                *(nft.add_plain_chain("filter", name, family) for name in ("DOCKER-USER", *more)),
                nft.add_rule("filter", "FORWARD", b"", "their own", family),
            ]
        )


def comments(kernel: FakeNftables) -> list[str]:
    return [comment for _, comment in kernel.rules("filter")]


def test_a_neighbours_guard_is_seen() -> None:
    kernel = FakeNftables()
    assert not guarded(kernel)
    Firewall(kernel, "other").install([BridgeSettings("br1", "172.31.0.1/24")], guard=True)
    assert guarded(kernel)
    assert not guarded(kernel, IPV6)
    assert forwarding(kernel, "t") == {"other forward": 1, "other guard": 0}
    assert forwarding(kernel, "other") == {}


def test_bridges_are_excepted_from_dockers_policy_behind_all_its_rules() -> None:
    kernel = FakeNftables()
    docker(kernel)
    beside = Beside(kernel, "t", BOTH)
    words = beside.ensure(["br0"])
    assert "ip filter FORWARD and ip6 filter FORWARD" in words
    assert comments(kernel) == ["their own", "containers of t: from br0", "containers of t: to br0"]
    assert beside.ensure(["br0"]) == "", "nothing to say again"
    beside.ensure(["br1"])
    assert comments(kernel) == ["their own", "containers of t: from br1", "containers of t: to br1"]
    beside.remove()
    beside.remove()
    assert comments(kernel) == ["their own"]


def test_two_daemons_keep_their_own_rules() -> None:
    kernel = FakeNftables()
    docker(kernel)
    first, second = Beside(kernel, "t", BOTH), Beside(kernel, "t2", BOTH)
    first.ensure(["br0"])
    second.ensure(["br1"])
    first.remove()
    assert comments(kernel) == ["their own", "containers of t2: from br1", "containers of t2: to br1"]


@pytest.mark.parametrize("case", ["no docker", "ufw", "accept"])
def test_what_an_admin_closed_stays_closed(case: str) -> None:
    kernel = FakeNftables()
    if case != "no docker":
        docker(kernel, *(["ufw-user-forward"] if case == "ufw" else []), policy=ACCEPT if case == "accept" else DROP)
    assert Beside(kernel, "t", BOTH).ensure(["br0"]) == ""
    assert "containers of t: to br0" not in comments(kernel)
