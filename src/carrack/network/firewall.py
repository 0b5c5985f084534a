"""The firewall of the container networks as the kernel holds it: loaded whole, read back, put back when it was taken.

Everything fails closed: a port counts as published only after it was found in the kernel, and a table that is not as
it should be is an error, never a warning.
"""

import errno
from collections.abc import Iterable

from carrack.errors import Conflict, Internal, Unavailable
from carrack.linux.nftables import FORWARD, Nftables, delete_table
from carrack.network.bridge import BridgeSettings
from carrack.network.rules import GUARD, PortMapping, RuleSet, addition, coalesce, elements, removal


class Firewall:
    """Owner of one nftables table. For one thread at a time; the caller closes ``nftables``."""

    def __init__(self, nftables: Nftables, table: str = "carrack") -> None:
        self._nftables = nftables
        self.rule_set = RuleSet(table, ())
        self._published: dict[str, tuple[PortMapping, ...]] = {}

    @property
    def table(self) -> str:
        """The table's name (family ip)."""
        return self.rule_set.table

    def guarded(self) -> bool:
        """Whether a table of ours, an earlier daemon's or a neighbour's, guards the host's forwarding already."""
        chain = (GUARD.kind, GUARD.hook, GUARD.priority, GUARD.policy)
        return any(name == GUARD.name and how == chain for (_, name), how in self._nftables.base_chains().items())

    def others_forwarding(self) -> dict[str, int]:
        """What other programs (or daemons) say of forwarding: ``table chain`` → policy of their base chain."""
        found = {}
        for (table, name), (_, hook, _, policy) in self._nftables.base_chains().items():
            if hook == FORWARD and table != self.table:
                found[f"{table} {name}"] = policy
        return found

    def install(self, bridges: Iterable[BridgeSettings], *, guard: bool = False) -> None:
        """Put the table for these bridges into the kernel, with the ports published so far, and read it back.

        OSError with the kernel's reason, Internal when what is read back differs; the former table stays on OSError.
        """
        wanted = RuleSet(self.table, tuple(bridges), guard)
        self._nftables.commit(wanted.replacement(self._mappings()))
        self.rule_set = wanted
        self.verify()

    def include(self, bridge: BridgeSettings) -> None:
        """Add the rules of one more bridge; as `install`."""
        self.install((*self.rule_set.bridges, bridge), guard=self.rule_set.guard)

    def exclude(self, name: str) -> None:
        """Take the rules of a bridge away; one that has none is no error."""
        left = tuple(bridge for bridge in self.rule_set.bridges if bridge.name != name)
        if left != self.rule_set.bridges:
            self.install(left, guard=self.rule_set.guard)

    def verify(self) -> None:
        """Compare the kernel's table with what it should be; Internal names the first difference."""
        if missing := self.missing():
            raise Internal(f"firewall: nftables table {self.table} lacks {missing}: another program changed it")

    def missing(self) -> str:
        """What the kernel's table lacks or has otherwise, in words; empty when all is in place."""
        chains = self._nftables.base_chains()
        for chain in self.rule_set.chains():
            if chains.get((self.table, chain.name)) != (chain.kind, chain.hook, chain.priority, chain.policy):
                return f"chain {chain.name}"
        wanted: dict[str, list[str]] = {}
        for rule in self.rule_set.rules():
            wanted.setdefault(rule.chain, []).append(rule.comment)
        present: dict[str, list[str]] = {}
        for name, comment in self._nftables.rules(self.table):
            present.setdefault(name, []).append(comment)
        for name, comments in wanted.items():
            if present.get(name) != comments:
                return f"rules of chain {name}"
        return self._missing_ports(self._mappings())

    def _missing_ports(self, mappings: Iterable[PortMapping]) -> str:
        for name, wanted in elements(mappings).items():
            if lacking := self._nftables.lacks(self.table, name, wanted):
                return f"{len(lacking)} published ports in map {name}"
        return ""

    def restore(self) -> bool:
        """Put the table back when it is not as it should be; True when that was needed."""
        try:
            if not self.missing():
                return False
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.EINTR):
                raise
        self.install(self.rule_set.bridges, guard=self.rule_set.guard)
        return True

    def publish(self, key: str, mappings: Iterable[PortMapping]) -> tuple[PortMapping, ...]:
        """Open the ports of one container in one transaction, and see that they are there; returns them coalesced.

        Conflict when another container has one of them, Unavailable when they cannot be found afterwards (nothing
        stays open then). ``key`` is what `withdraw` takes; publishing twice under one key is a Conflict.
        """
        if key in self._published:
            raise Conflict(f"ports of {key} are published already: withdraw them first")
        wanted = tuple(coalesce(mappings))
        if not wanted:
            return ()
        try:
            self._nftables.commit(addition(self.table, wanted))
        except OSError as e:
            if e.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise Conflict(f"a port of {key} leads to another container already: {e.strerror or e}") from e
            raise
        self._published[key] = wanted
        if missing := self._missing_ports(wanted):
            self.withdraw(key)
            raise Unavailable(f"firewall: {missing} of {key} vanished as soon as they were added: not published")
        return wanted

    def withdraw(self, key: str) -> tuple[PortMapping, ...]:
        """Close the ports of one container and return them; none published is no error.

        On any doubt the whole table is reloaded.
        """
        wanted = self._published.pop(key, ())
        if not wanted:
            return ()
        try:
            self._nftables.commit(removal(self.table, wanted))
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise
            self.install(self.rule_set.bridges, guard=self.rule_set.guard)
        return wanted

    def adopt(self, key: str, mappings: Iterable[PortMapping]) -> None:
        """Take ports of a surviving container into account; the next `install` publishes them."""
        self._published[key] = tuple(coalesce(mappings))

    def uninstall(self) -> None:
        """Delete the table; one that is gone already is no error."""
        try:
            self._nftables.commit([delete_table(self.table)])
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise

    def _mappings(self) -> list[PortMapping]:
        return [mapping for mappings in self._published.values() for mapping in mappings]
