from hypothesis import given
from hypothesis import strategies as st

from carrack.network import rules
from carrack.network.bridge import BridgeSettings
from carrack.network.rules import PortMapping, RuleSet, coalesce

BRIDGE = BridgeSettings("br0", "172.30.0.1/24")


def mapping(host: int, container: int, count: int = 1, ip: str = "0.0.0.0") -> PortMapping:
    return PortMapping("tcp", ip, host, "172.30.0.2", container, count)


def test_equal_runs_become_one_and_shifted_ones_do_not() -> None:
    equal = [mapping(port, port) for port in range(10000, 10010)]
    assert coalesce(reversed(equal)) == [mapping(10000, 10000, 10)]
    shifted = [mapping(port + 1, port) for port in range(10000, 10010)]
    assert coalesce(shifted) == shifted


def test_a_hole_or_another_address_ends_a_run() -> None:
    found = coalesce([mapping(1, 1), mapping(2, 2), mapping(4, 4), mapping(5, 5, ip="127.0.0.1")])
    assert found == [mapping(1, 1, 2), mapping(4, 4), mapping(5, 5, ip="127.0.0.1")]


@given(st.sets(st.tuples(st.integers(1, 60), st.booleans())))
def test_coalescing_loses_and_invents_nothing(ports: set[tuple[int, bool]]) -> None:
    wanted = {mapping(port, port if equal else port + 7) for port, equal in ports}
    wanted = {m for m in wanted if m.host_port == m.container_port or mapping(m.host_port, m.host_port) not in wanted}
    expanded = {mapping(m.host_port + n, m.container_port + n) for m in coalesce(wanted) for n in range(m.count)}
    assert expanded == wanted


def test_which_map_a_mapping_belongs_to() -> None:
    found = rules.elements([mapping(80, 8080), mapping(81, 81, ip="127.0.0.1"), mapping(90, 90, 5)])
    assert {name: len(entries) for name, entries in found.items()} == {
        "published": 1,
        "published_on": 1,
        "published_ranges": 1,
    }
    assert found["published"][0].key == b"\6\0\0\0\0\x50\0\0"
    assert found["published"][0].data == b"\xac\x1e\0\2\x1f\x90\0\0"
    assert found["published_ranges"][0].key == b"\6\0\0\0" + bytes(4) + b"\0\x5a\0\0"
    assert found["published_ranges"][0].key_end == b"\6\0\0\0\xff\xff\xff\xff\0\x5e\0\0"


def test_comments_are_unique_within_a_chain() -> None:
    table = RuleSet("t", (BRIDGE, BridgeSettings("br1", "172.31.0.1/24")), guard=True)
    names = [(rule.chain, rule.comment) for rule in table.rules()]
    assert len(names) == len(set(names))
    assert {chain for chain, _ in names} == {chain.name for chain in table.chains()}


def test_replacement_begins_by_clearing_the_table_in_the_same_transaction() -> None:
    words = [message.what for message in RuleSet("t", (BRIDGE,)).replacement([mapping(80, 80)])]
    assert words[:3] == ["add nftables table t", "delete nftables table t", "add nftables table t"]
    assert words[-1] == "add nftables elements to t published"


def test_settings_shape_the_rules() -> None:
    plain = {rule.comment: rule.expressions for rule in RuleSet("t", (BRIDGE,)).rules()}
    other = BridgeSettings("br0", "172.30.0.1/24", isolated=True, masquerade=False)
    strict = {rule.comment: rule.expressions for rule in RuleSet("t", (other,)).rules()}
    assert plain["within br0"] != strict["within br0"]
    assert set(plain) - set(strict) == {"out of br0"}
