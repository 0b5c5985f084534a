"""The firewall of the container networks as the kernel holds it: loaded whole, read back, put back when it was taken.

Everything fails closed: a port counts as published only after it was found in the kernel, and a table that is not as
it should be is an error, never a warning. A network or a port that comes or goes changes entries of sets, in one
transaction; the tables are loaded whole only at the start and when somebody has meddled with them.
"""

import errno
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from carrack.errors import Conflict, Internal, NotSupported, Unavailable
from carrack.linux.netlink import Message
from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.linux.nft_messages import delete_table
from carrack.linux.nftables import Nftables
from carrack.network.bridge import BridgeSettings
from carrack.network.doors import DoorBook
from carrack.network.mappings import Entries, Passage, PortMapping, changes, coalesce
from carrack.network.rules import PLAIN_CHAINS, RuleSet, addition, removal
from carrack.network.stance import USUAL, Stance

_LOG = logging.getLogger(__name__)
_SAMPLES = 16
#: What a kernel says that lacks IPv6 in nf_tables, or address translation for it
_LACKING = (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


class Firewall:
    """Owner of one nftables table (of the same name in each family). For one thread at a time; the caller closes
    ``nftables``. ``families`` and ``relay`` as of `RuleSet`.
    """

    def __init__(
        self,
        nftables: Nftables,
        table: str = "carrack",
        *,
        stance: Stance = USUAL,
        families: tuple[Family, ...] = (IPV4, IPV6),
        relay: int = 0,
    ) -> None:
        self.nftables = nftables
        self.stance = stance
        self.rule_set = RuleSet(table, (), (), stance.direct_routing, families, relay, stance.mark)
        self._published: dict[str, tuple[PortMapping, ...]] = {}
        self.doors = DoorBook()

    @property
    def table(self) -> str:
        """The table's name."""
        return self.rule_set.table

    def install(
        self, bridges: Iterable[BridgeSettings], *, guard: bool | None = None, guard6: bool | None = None
    ) -> None:
        """Put the tables for these bridges into the kernel, with the ports published so far, and read them back.

        A guard that is not given stays as it is. OSError with the kernel's reason, Internal when what is read back
        differs; the former tables stay on OSError.
        """
        guards = {IPV4: guard, IPV6: guard6}
        kept = self.rule_set.guard
        now = tuple(f for f in self.rule_set.families if (f in kept if guards[f] is None else guards[f]))
        wanted = replace(self.rule_set, bridges=tuple(bridges), guard=now)
        try:
            self.nftables.commit(wanted.replacement(self._mappings(), self.doors.every()))
        except OSError as e:
            if e.errno not in _LACKING or IPV6 not in wanted.families or any(b.address6 for b in wanted.bridges):
                raise
            self._do_without_ipv6(wanted, e)
        else:
            self.rule_set = wanted
        self.verify()

    def _do_without_ipv6(self, wanted: RuleSet, reason: OSError) -> None:
        """A kernel may lack a part that only the table of IPv6 needs; where IPv4 lacks it too, that is an error."""
        four = tuple(family for family in wanted.families if family is not IPV6)
        wanted = replace(wanted, families=four, guard=tuple(f for f in wanted.guard if f in four))
        self.nftables.commit(wanted.replacement(self._mappings(), self.doors.every()))
        _LOG.warning("this kernel cannot filter IPv6: networks have none, ports are published on IPv4 (%s)", reason)
        self.rule_set = wanted

    def include(self, bridge: BridgeSettings) -> None:
        """Serve one more bridge. OSError with the kernel's reason, Internal when it is not found afterwards."""
        if bridge.address6 and IPV6 not in self.rule_set.families:
            raise NotSupported(f"this kernel cannot filter IPv6: bridge {bridge.name} cannot have {bridge.address6}")
        wanted = replace(self.rule_set, bridges=(*self.rule_set.bridges, bridge))
        found = wanted.members(bridge)
        self._commit(addition(self.table, found))
        self.rule_set = wanted
        if missing := self._lacking(found):
            self.exclude(bridge.name)
            raise Internal(f"firewall: {missing} of bridge {bridge.name} vanished as soon as they were added")

    def exclude(self, name: str) -> None:
        """Serve a bridge no longer; one that is not served is no error. On any doubt the tables are loaded anew."""
        going = [bridge for bridge in self.rule_set.bridges if bridge.name == name]
        self.rule_set = replace(
            self.rule_set, bridges=tuple(bridge for bridge in self.rule_set.bridges if bridge.name != name)
        )
        for bridge in going:
            self._swap(self.rule_set.members(bridge), {})

    def verify(self) -> None:
        """Compare the kernel's tables with what they should be; Internal names the first difference."""
        if missing := self.missing():
            raise Internal(f"firewall: nftables table {self.table} lacks {missing}: another program changed it")

    def missing(self) -> str:
        """What the kernel's tables lack or have otherwise, in words; empty when all is in place."""
        for family in self.rule_set.families:
            if missing := self._missing_rules(family):
                return f"{missing} (family {family.name})"
        return self._lacking(self.rule_set.entries(self._mappings(), self.doors.every()))

    def _missing_rules(self, family: Family) -> str:
        for chain in self.rule_set.chains(family):
            wanted_place = (chain.kind, chain.hook, chain.priority, chain.policy)
            if self.nftables.base_chain(self.table, chain.name, family) != wanted_place:
                return f"chain {chain.name}"
        wanted: dict[str, list[str]] = {name: [] for name in PLAIN_CHAINS}
        for rule in self.rule_set.rules(family):
            wanted.setdefault(rule.chain, []).append(rule.comment)
        present: dict[str, list[str]] = {}
        for name, comment in self.nftables.rules(self.table, family):
            present.setdefault(name, []).append(comment)
        for name, comments in wanted.items():
            if present.get(name) != comments:
                return f"rules of chain {name}"
        return ""

    def _lacking(self, wanted: Entries) -> str:
        for (family, name), elements in wanted.items():
            if lacking := self.nftables.lacks(self.table, name, elements, family):
                return f"{len(lacking)} entries of {name} (family {family.name})"
        return ""

    def restore(self) -> bool:
        """Put the tables back when they are not as they should be; True when that was needed."""
        try:
            if not self.missing():
                return False
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.EINTR):
                raise
        self.install(self.rule_set.bridges)
        return True

    def publish(self, key: str, mappings: Iterable[PortMapping]) -> tuple[PortMapping, ...]:
        """Open the ports of one container in one transaction, and see that they are there; returns them coalesced.

        What was published under ``key`` before and is not wanted any more is closed by the same transaction. Conflict
        when another container has a port, Unavailable when they cannot be found afterwards; then all is as before.
        """
        before, wanted = self._published.get(key, ()), tuple(coalesce(mappings))
        gone, come = changes(self.rule_set.ports(before), self.rule_set.ports(wanted))
        try:
            self._commit(removal(self.table, gone) + addition(self.table, come))
        except OSError as e:
            if e.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise Conflict(f"a port of {key} leads to another container already: {e.strerror or e}") from e
            raise
        self._published[key] = wanted
        if missing := self._lacking(_samples(come)):
            self._published[key] = before
            self._swap(come, gone)
            raise Unavailable(f"firewall: {missing} of {key} vanished as soon as they were added: not published")
        return wanted

    def withdraw(self, key: str) -> tuple[PortMapping, ...]:
        """Close the ports of one container and return them; none published is no error.

        On any doubt the tables are loaded anew.
        """
        wanted = self._published.pop(key, ())
        self._swap(self.rule_set.ports(wanted), {})
        return wanted

    def published(self, key: str) -> tuple[PortMapping, ...]:
        """The ports of one container."""
        return self._published.get(key, ())

    def let_through(self, key: str, passages: Iterable[Passage]) -> None:
        """Open these passages of one container and close others that it had. Unavailable when they cannot be found."""
        before = self.doors.of(key)
        wanted = self.doors.keep(key, passages)
        gone, come = changes(self.rule_set.passages(before), self.rule_set.passages(wanted))
        try:
            self._swap(gone, come)
            missing = self._lacking(come)
        except BaseException:
            self.doors.keep(key, before)
            raise
        if missing:
            self.doors.keep(key, before)
            self._swap(come, gone)
            raise Unavailable(f"firewall: {missing} of {key} vanished as soon as they were added: not linked")

    def _commit(self, messages: Sequence[Message]) -> None:
        """Once more with tables loaded anew, when another program has just taken them away."""
        try:
            self.nftables.commit(messages)
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise
            self.install(self.rule_set.bridges)
            self.nftables.commit(messages)

    def _swap(self, gone: Entries, come: Entries) -> None:
        try:
            self.nftables.commit(removal(self.table, gone) + addition(self.table, come))
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise
            self.install(self.rule_set.bridges)

    def adopt(self, key: str, mappings: Iterable[PortMapping]) -> None:
        """Take ports of a surviving container into account; the next `install` publishes them."""
        self._published[key] = tuple(coalesce(mappings))

    def uninstall(self) -> None:
        """Delete the tables; what is gone already is no error."""
        for family in self.rule_set.families:
            try:
                self.nftables.commit([delete_table(self.table, family)])
            except OSError as e:
                if e.errno != errno.ENOENT:
                    raise

    def _mappings(self) -> list[PortMapping]:
        return [mapping for mappings in self._published.values() for mapping in mappings]


def _samples(found: Entries) -> Entries:
    """Some of many entries: they came by one transaction, which is there whole or not at all."""
    return {where: elements[:: max(1, len(elements) // _SAMPLES)] for where, elements in found.items()}
