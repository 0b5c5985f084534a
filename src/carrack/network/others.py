"""Other firewalls on this host: what they say of forwarding, and how containers get through beside Docker's.

What ours accepts another may still drop; nothing that an admin closed is ever opened here. Docker is a case of its own:
when it switches forwarding on it sets the policy of ``filter FORWARD`` to drop, which no admin has chosen, and which
(with br_netfilter) holds even for packets within one bridge. Our bridges are excepted from that policy, and from
nothing else, by rules at the very end of that chain: whatever Docker's rules, or the admin's in DOCKER-USER, say before
them holds. Where ufw rules, it is the admin's policy, and is left alone.
"""

import errno
import logging
from collections.abc import Iterable

from carrack.linux import nft_expressions as nft
from carrack.linux.nft_expressions import DROP, IPV4, Family
from carrack.linux.nft_messages import FORWARD, add_rule, delete_rule
from carrack.linux.nftables import Nftables
from carrack.network.rules import GUARD

_LOG = logging.getLogger(__name__)
_TABLE, _CHAIN = "filter", "FORWARD"
_DOCKER, _UFW = "DOCKER-USER", "ufw-"


def forwarding(kernel: Nftables, table: str, family: Family = IPV4) -> dict[str, int]:
    """What others than ``table`` (other daemons too) say of forwarding: ``table chain`` → policy of the base chain."""
    found = {}
    for (other, name), (_, hook, _, policy) in kernel.base_chains(family).items():
        if hook == FORWARD and other != table:
            found[f"{other} {name}"] = policy
    return found


def guarded(kernel: Nftables, family: Family = IPV4) -> bool:
    """Whether a table of ours, an earlier daemon's or a neighbour's, guards the host's forwarding already."""
    chain = (GUARD.kind, GUARD.hook, GUARD.priority, GUARD.policy)
    return any(name == GUARD.name and how == chain for (_, name), how in kernel.base_chains(family).items())


class Beside:
    """The exceptions that bridges need beside Docker. For one thread at a time. ``table`` tells our rules apart."""

    def __init__(self, kernel: Nftables, table: str, families: tuple[Family, ...]) -> None:
        self._kernel = kernel
        self._mark = f"containers of {table}:"
        self._families = families

    def ensure(self, bridges: Iterable[str]) -> str:
        """Except these bridges, and no others, from Docker's policy; what was missing, in words for the log.

        OSError when the kernel refuses.
        """
        names = list(bridges)
        done = [family.name for family in self._families if self._ensure(family, names)]
        if not done:
            return ""
        where = " and ".join(f"{family} {_TABLE} {_CHAIN}" for family in done)
        return (
            f"Docker's policy drops what is forwarded: rules at the end of nftables chain {where}, behind all of "
            f"DOCKER-USER, except {', '.join(names)} from it"
        )

    def _ensure(self, family: Family, names: list[str]) -> bool:
        wanted = self._wanted(names) if self._applies(family) else {}
        present = self._present(family)
        new = {comment: rule for comment, rule in wanted.items() if comment not in present}
        stale = [handle for comment, handle in present.items() if comment not in wanted]
        messages = [delete_rule(_TABLE, _CHAIN, handle, family) for handle in stale]
        messages += [add_rule(_TABLE, _CHAIN, rule, comment, family) for comment, rule in new.items()]
        self._kernel.commit(messages)
        return bool(new)

    def _applies(self, family: Family) -> bool:
        chain = self._kernel.base_chain(_TABLE, _CHAIN, family)
        if chain is None or chain[1] != FORWARD or chain[3] != DROP:
            return False
        names = {name for table, name in self._kernel.chains(family) if table == _TABLE}
        return _DOCKER in names and not any(name.startswith(_UFW) for name in names)

    def _wanted(self, names: list[str]) -> dict[str, bytes]:
        """Rules as iptables writes them, or it could not list its own chain any more."""
        found = {}
        for name in names:
            for key, way in ((nft.META_IIFNAME, "from"), (nft.META_OIFNAME, "to")):
                match = nft.meta(key) + nft.compare(name.encode() + b"\0") + nft.counter()
                found[f"{self._mark} {way} {name}"] = match + nft.verdict(nft.ACCEPT)
        return found

    def _present(self, family: Family) -> dict[str, int]:
        rules = self._kernel.listing(_TABLE, family)
        return {
            rule.comment: rule.handle for rule in rules if rule.chain == _CHAIN and rule.comment.startswith(self._mark)
        }

    def remove(self) -> None:
        """Take all our exceptions back; where another program was faster there is nothing to do."""
        for family in self._families:
            messages = [delete_rule(_TABLE, _CHAIN, handle, family) for handle in self._present(family).values()]
            try:
                self._kernel.commit(messages)
            except OSError as e:
                if e.errno != errno.ENOENT:
                    raise
                _LOG.debug("rules beside Docker's were removed by another program")
