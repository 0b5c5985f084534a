from carrack.linux.nft_expressions import IPV4, IPV6
from carrack.network.bridge import BridgeSettings
from carrack.network.mappings import PortMapping
from carrack.network.rules import PLAIN_CHAINS, RuleSet, shapes

BRIDGE = BridgeSettings("br0", "172.30.0.1/24", address6="fd00:30::1/64")


def test_comments_are_unique_within_a_chain() -> None:
    table = RuleSet("t", (BRIDGE, BridgeSettings("br1", "172.31.0.1/24")), guard=(IPV4, IPV6), relay=4000)
    for family in (IPV4, IPV6):
        names = [(rule.chain, rule.comment) for rule in table.rules(family)]
        assert len(names) == len(set(names))
        assert {chain for chain, _ in names} == {chain.name for chain in table.chains(family)} | set(PLAIN_CHAINS)


def test_rules_are_the_same_for_any_number_of_bridges() -> None:
    many = tuple(BridgeSettings(f"br{n}", f"172.30.{n}.1/24") for n in range(50))
    for family in (IPV4, IPV6):
        assert RuleSet("t", many).rules(family) == RuleSet("t", ()).rules(family)


def test_replacement_begins_by_clearing_the_table_in_the_same_transaction() -> None:
    messages = RuleSet("t", (BRIDGE,)).replacement([PortMapping("tcp", "0.0.0.0", 80, "172.30.0.2", 80)])
    words = [message.what for message in messages]
    for family in ("ip", "ip6"):
        first = words.index(f"add nftables table {family} t")
        assert words[first + 1 : first + 3] == [f"delete nftables table {family} t", f"add nftables table {family} t"]
    assert words[-1] == "add nftables elements to t published"


def test_a_host_without_ipv6_has_one_table() -> None:
    alone = RuleSet("t", (BRIDGE,), families=(IPV4,))
    ports = [PortMapping("tcp", "::", 80, "172.30.0.2", 80)]
    assert all(message.body[0] == IPV4.number for message in alone.replacement(ports))


def test_every_set_that_is_filled_is_declared() -> None:
    table = RuleSet("t", (BRIDGE,))
    ports = [
        PortMapping("tcp", "::", 80, "172.30.0.2", 80, allow=("fd00::/8",)),
        PortMapping("tcp", "0.0.0.0", 80, "172.30.0.2", 80, allow=("10.0.0.0/8",), direct=True),
    ]
    for family, name in table.entries(ports):
        assert name in shapes(family)


def test_the_relay_is_asked_first_and_only_of_ipv6() -> None:
    table = RuleSet("t", (), relay=4000)
    ports = [rule.comment for rule in table.rules(IPV6) if rule.chain == "ports"]
    assert ports[:2] == ["tcp relayed by port 4000", "udp relayed by port 4000"]
    assert not any("relayed" in rule.comment for rule in table.rules(IPV4))


def test_an_accepted_mark_goes_before_all_that_drops() -> None:
    table = RuleSet("t", (BRIDGE,), mark=(16, 240))
    for family in (IPV4, IPV6):
        for chain in ("inner", "forward"):
            assert next(r for r in table.rules(family) if r.chain == chain).comment == "of the accepted mark"
    assert not any("mark" in rule.comment for rule in RuleSet("t", (BRIDGE,)).rules(IPV4))
