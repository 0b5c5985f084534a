"""Whether this host passes packets on, and that it does so for containers only when it was us who switched it on.

The order is one of failing closed: forwarding is switched on only behind the rules, with a guard (`rules`) where it was
off before. IPv6 is switched on for the first network that has it.
"""

import logging
import os
from collections.abc import Sequence

from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.network import sysctl
from carrack.network.bridge import BridgeSettings
from carrack.network.firewall import Firewall
from carrack.network.others import forwarding, guarded

_LOG = logging.getLogger(__name__)
_SWITCHES = {IPV4: sysctl.IP_FORWARD, IPV6: sysctl.IP6_FORWARD}
_NAMES = {IPV4: "IP", IPV6: "IPv6"}


class Forwarding:
    """The host's switches, and the loading of the firewall that must stand before them. For one thread at a time."""

    def __init__(self, firewall: Firewall, sys_root: str = sysctl.PROC_SYS) -> None:
        self._firewall = firewall
        self._sys_root = sys_root
        self._listening: list[str] = []

    def start(self, bridges: Sequence[BridgeSettings]) -> None:
        """Load the firewall and switch on what the bridges need. OSError and Internal when the kernel refuses."""
        nftables, stance = self._firewall.nftables, self._firewall.stance
        guard = stance.forward and stance.guard
        guards = [guard and (self._is_off(family) or guarded(nftables, family)) for family in self._families]
        self._firewall.install(bridges, guard=guards[0], guard6=guards[-1])
        self._switch_on(IPV4)
        self.open(bridges)

    def open(self, bridges: Sequence[BridgeSettings]) -> None:
        """Switch on what more bridges need."""
        if IPV6 in self._families and any(bridge.address6 for bridge in bridges):
            self._listening += _keep_listening(self._sys_root, self._is_off(IPV6))
            self._switch_on(IPV6)

    @property
    def _families(self) -> tuple[Family, ...]:
        return self._firewall.rule_set.families

    def _is_off(self, family: Family) -> bool:
        return sysctl.read(self._sys_root, _SWITCHES[family]) == "0"

    def _switch_on(self, family: Family) -> None:
        if self._firewall.stance.forward:
            sysctl.ensure(self._sys_root, _SWITCHES[family], "1")

    def mend(self) -> list[str]:
        """Switch on what somebody has switched off; what was wrong, in words."""
        damages = []
        for family in self._families if self._firewall.stance.forward else ():
            wanted = family is IPV4 or any(bridge.address6 for bridge in self._firewall.rule_set.bridges)
            if wanted and self._is_off(family):
                damages.append(f"containers were cut off ({_NAMES[family]} forwarding was switched off)")
                unguarded = family not in self._firewall.rule_set.guard
                if unguarded and self._firewall.stance.guard:  # somebody wants this host to be no router
                    guards = {f: True if f is family else None for f in (IPV4, IPV6)}
                    bridges = self._firewall.rule_set.bridges
                    self._firewall.install(bridges, guard=guards[IPV4], guard6=guards[IPV6])
                self._switch_on(family)
        return damages

    def stop(self) -> None:
        """Switch off what was off before us, unless somebody else seems to need it by now."""
        for family in self._families:
            if family not in self._firewall.rule_set.guard or self._is_off(family):
                continue
            if others := forwarding(self._firewall.nftables, self._firewall.table, family):
                names = ", ".join(sorted(others))
                _LOG.warning("%s forwarding stays on: nftables chains %s may need it", _NAMES[family], names)
            else:
                sysctl.ensure(self._sys_root, _SWITCHES[family], "0")
        for interface in self._listening:
            if sysctl.read(self._sys_root, sysctl.accept_ra(interface)) == "2":
                sysctl.ensure(self._sys_root, sysctl.accept_ra(interface), "1")
        self._listening = []


def _keep_listening(root: str, off: bool) -> list[str]:
    """Interfaces that go on taking their addresses and routes from routers, which a host that forwards would not."""
    if not off:
        return []
    changed = []
    for interface in sorted(os.listdir(os.path.join(root, "net/ipv6/conf"))):
        if interface in ("all", "default", "lo") or sysctl.read(root, sysctl.disable_ipv6(interface)) == "1":
            continue
        if sysctl.read(root, sysctl.accept_ra(interface)) == "1":
            sysctl.ensure(root, sysctl.accept_ra(interface), "2")
            changed.append(interface)
    if changed:
        _LOG.info("interfaces %s keep taking router advertisements while IPv6 is forwarded", ", ".join(changed))
    return changed
