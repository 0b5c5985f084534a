"""What every nf_tables must do, the kernel's and the fake: transactions are whole, and reading back tells the truth."""

import errno
import struct

import pytest

from carrack.linux import nft_messages as nftables
from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.linux.nft_messages import Element
from carrack.linux.nftables import Nftables
from carrack.network.bridge import BridgeSettings
from carrack.network.rules import RuleSet

TABLE = "crk-test"
BRIDGE = BridgeSettings("crkbr0", "10.232.0.1/24", address6="fd00:232::1/64", trusted_interfaces=("eth0",))
RULES = RuleSet(TABLE, (BRIDGE,), guard=(IPV4,), relay=4444)


def element(port: int, target: int) -> Element:
    return Element([b"\6", struct.pack(">H", port)], [b"\x0a\xe8\0\2", struct.pack(">H", target)])


def has_table(kernel: Nftables, family: Family = IPV4) -> bool:
    return any(table == TABLE for table, _ in kernel.chains(family))


def check_nftables(kernel: Nftables) -> None:
    """Run all of it against an empty rule set."""
    check_replacement(kernel)
    check_elements(kernel)
    check_transactions(kernel)
    kernel.commit([nftables.delete_table(TABLE), nftables.delete_table(TABLE, IPV6)])
    assert not has_table(kernel)
    assert kernel.base_chains() == {}
    with pytest.raises(FileNotFoundError):
        kernel.commit([nftables.delete_table(TABLE)])


def check_replacement(kernel: Nftables) -> None:
    assert not has_table(kernel)
    for _ in range(2):
        kernel.commit(RULES.replacement([]))
        for family in (IPV4, IPV6):
            check_table(kernel, family)


def check_table(kernel: Nftables, family: Family) -> None:
    assert has_table(kernel, family)
    chains = RULES.chains(family)
    assert kernel.base_chains(family) == {(TABLE, c.name): (c.kind, c.hook, c.priority, c.policy) for c in chains}
    raw = chains[0]
    assert kernel.base_chain(TABLE, raw.name, family) == (raw.kind, raw.hook, raw.priority, raw.policy)
    assert kernel.base_chain(TABLE, "inner", family) is None
    assert kernel.base_chain(TABLE, "none", family) is None
    rules = RULES.rules(family)
    for chain in {rule.chain for rule in rules}:
        wanted = [(rule.chain, rule.comment) for rule in rules if rule.chain == chain]
        assert [rule for rule in kernel.rules(TABLE, family) if rule[0] == chain] == wanted
        assert (TABLE, chain) in kernel.chains(family)
    for (of, name), elements in RULES.entries().items():
        if of is family:
            assert kernel.lacks(TABLE, name, elements, family) == []
            assert len(kernel.elements(TABLE, name, family)) == len(elements)


def check_elements(kernel: Nftables) -> None:
    wanted = [element(port, port + 1) for port in range(1, 1001)]
    kernel.commit(nftables.add_elements(TABLE, "published", wanted))
    assert kernel.lacks(TABLE, "published", wanted) == []
    other = element(5, 7777)
    assert kernel.lacks(TABLE, "published", [other, wanted[0]]) == [other]
    assert len(kernel.elements(TABLE, "published")) == 1000
    with pytest.raises(FileExistsError):
        kernel.commit(nftables.add_elements(TABLE, "published", [other]))
    kernel.commit(nftables.delete_elements(TABLE, "published", wanted[1:]))
    assert kernel.lacks(TABLE, "published", wanted[:3]) == wanted[1:3]


def check_transactions(kernel: Nftables) -> None:
    new, held = element(2000, 1), element(1, 2)
    batch = nftables.add_elements(TABLE, "published", [new])
    batch += nftables.delete_elements(TABLE, "published", [element(3000, 1)])
    with pytest.raises(OSError, match="delete nftables elements") as refused:
        kernel.commit(batch)
    assert refused.value.errno == errno.ENOENT
    assert kernel.lacks(TABLE, "published", [new, held]) == [new]
    kernel.commit([])
