"""All networks of the daemon as the kernel holds them, and who is on which: everything the fabric's thread does.

The order is one of failing closed: forwarding and 127.0.0.1's routing are switched on only behind the rules, and a
container is on a bridge only when the bridge's rules stand.
"""

import logging
import secrets
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from carrack.errors import CarrackError, Conflict, Internal, NotFound, Unavailable
from carrack.linux import rtnetlink
from carrack.linux.nft_expressions import DROP, IPV6
from carrack.model.ports import PublishedPort
from carrack.network import gateways, graves, option_names, survivors, sysctl
from carrack.network.announcing import announce
from carrack.network.bindings import PLAIN, Way
from carrack.network.endpoint import ParkedVeth, unplug
from carrack.network.firewall import Firewall
from carrack.network.forwarding import Forwarding
from carrack.network.ipam import Addresses
from carrack.network.kernel import Kernel
from carrack.network.marks import network_of
from carrack.network.members import Member, Members, Ways, document
from carrack.network.net import Net
from carrack.network.others import Beside, forwarding
from carrack.network.plan import EndpointPlan, Existing, NetworkPlan
from carrack.network.ports import PortAllocator
from carrack.network.publishing import Published, Publisher
from carrack.network.relaying import Row
from carrack.network.rules import GUARD
from carrack.network.sandbox import Sandbox, open_sandbox

_LOG = logging.getLogger(__name__)

Document = dict[str, Any]


class Nets:
    """Made by `Nets.open`; in the end `close`, or `remove_all` before it. For one thread at a time."""

    def __init__(
        self, kernel: Kernel, sys_root: str = sysctl.PROC_SYS, relay: Callable[[list[Row]], None] | None = None
    ) -> None:
        self.kernel = kernel
        self._sys_root = sys_root
        self._nets: dict[str, Net] = {}
        self.members = Members()
        self.publisher = Publisher(kernel.firewall, kernel.conntrack, PortAllocator(sys_root), relay)
        self._forwarding = Forwarding(kernel.firewall, sys_root)
        rule_set = kernel.firewall.rule_set
        self._beside = Beside(kernel.nftables, rule_set.table, rule_set.families)

    def start(self, plans: Sequence[NetworkPlan], existing: Mapping[str, Existing]) -> None:
        """Make all bridges and load the firewall, with the ports of containers that survived the last daemon.

        Conflict when a bridge's name is taken, OSError and Internal when the kernel refuses.
        """
        for plan in plans:
            self._lay(plan)
        self._sweep()
        self._take_in(existing)
        self._forwarding.start([net.settings for net in self._nets.values() if net.settings])
        for net in self._nets.values():
            net.wire.open()
        if not self._except():
            _warn_of_others(self.kernel.firewall)

    def _except(self) -> bool:
        """Get our bridges past Docker's policy, if it is here; True when it is."""
        words = self._beside.ensure(bridge.name for bridge in self.kernel.firewall.rule_set.bridges)
        if words:
            _LOG.warning("%s", words)
        return bool(words)

    def reassert(self) -> bool:
        """Put the firewall back where somebody has changed it; True when that was needed."""
        changed = self.kernel.firewall.restore()
        self._except()
        return changed

    def indices(self, but: str = "") -> list[int]:
        """The interfaces that the networks stand on, without that of one network."""
        followed = [net.wire.followed for network_id, net in list(self._nets.items()) if network_id != but]
        return [index for index in followed if index]

    def _lay(self, plan: NetworkPlan) -> None:
        """Without the default bridge there is no daemon; another network that cannot be laid is tried when needed."""
        try:
            net = self._nets[plan.id] = Net(plan, self._sys_root, self.kernel.firewall.table)
            net.wire.lay(self.kernel.host)
        except (CarrackError, OSError) as e:
            if plan.options.get(option_names.DEFAULT_BRIDGE) == "true":
                raise
            _LOG.error("network %s cannot be used: %s", plan.name, e)

    def _sweep(self) -> None:
        """Remove interfaces that a crash left of networks which were never recorded, or are no more."""
        left = [link for link in rtnetlink.links(self.kernel.host) if self._is_left(link)]
        for link in left:
            _LOG.info("interface %s of a network that is no more is removed", link.name)
            graves.retire(self.kernel.host, link)
        if left:
            graves.delete(self.kernel.host)

    def _is_left(self, link: rtnetlink.Link) -> bool:
        network_id = network_of(link.alias, self.kernel.firewall.table)
        return bool(network_id) and (network_id not in self._nets or link.name.startswith("gone"))

    def create(self, plan: NetworkPlan) -> None:
        """Make one network; all of it or nothing. Conflict when its bridge's name is taken."""
        net = Net(plan, self._sys_root, self.kernel.firewall.table)
        net.wire.check([other.wire for other in self._nets.values()])
        with ExitStack() as undo:
            undo.callback(self._delete, net)
            net.wire.lay(self.kernel.host)
            if net.settings is not None:
                self.kernel.firewall.include(net.settings)
                undo.callback(self.kernel.firewall.exclude, net.settings.name)
                self._except()
                self._forwarding.open([net.settings])
            net.wire.open()
            undo.pop_all()
        self._nets[plan.id] = net

    def _delete(self, *nets: Net) -> None:
        for net in nets:
            net.wire.retire(self.kernel.host)
        graves.delete(self.kernel.host)

    def remove(self, network_id: str) -> None:
        """Take a network away, but for what `graves` deletes. Conflict while containers are on it; one that is gone
        already is no error."""
        net = self._nets.get(network_id)
        if net is None:
            return
        if users := self.members.on(network_id):
            raise Conflict(f"network {net.plan.name} has active endpoints: {', '.join(users)}")
        net.wire.retire(self.kernel.host)
        if net.settings is not None:
            self.kernel.firewall.exclude(net.settings.name)
            self._except()
        del self._nets[network_id]

    def routes(self) -> list[tuple[str, str]]:
        """(destination, interface name) of the host's routes of both families."""
        host = self.kernel.host
        found = rtnetlink.routes(host) + rtnetlink.routes(host, 6)
        names = {index: _name(index) for index in {index for _, index in found}}  # there may be thousands without one
        return [(destination, names[index]) for destination, index in found]

    def connect(
        self, sandbox: Sandbox, container_id: str, network_id: str, wanted: EndpointPlan, veth: ParkedVeth | None
    ) -> Document:
        """Give a sandbox an interface on a network, the default routes if it is the best to leave by, and the ports.

        After a failure nothing of the endpoint is left, but a sandbox that only starts should not be used.
        """
        net = self._nets.get(network_id)
        if net is None:
            raise NotFound(f"network {network_id} not found")
        if self.members.get(container_id, network_id):
            raise Internal(f"container {container_id} is connected to {net.plan.name} already")
        before = self.members.ways(container_id)
        with ExitStack() as undo:
            addresses = net.take(wanted)
            undo.callback(net.release, addresses)
            name = wanted.interface or self._free_name(sandbox, container_id, net, veth)
            identity = secrets.token_hex(32)
            member = Member(net, addresses, wanted.priority, identity, name, net.gateways(addresses))
            self.members.add(container_id, member)
            undo.callback(self.members.pop, container_id, network_id)
            inside = net.inside(addresses, name, self._leading(container_id, member), wanted)
            if any(before):
                undo.callback(self._lead, sandbox, before)
            if not net.wire.index:
                net.wire.lay(self.kernel.host)
            net.wire.plug(self.kernel.host, sandbox, container_id, inside, veth)
            announce(sandbox.netns_fd, inside)
            undo.callback(net.wire.pull, self.kernel.host, container_id, addresses, sandbox)
            if (ways := self.members.ways(container_id)) != before:
                self.publisher.move(container_id, self._way(ways))
            undo.pop_all()
        return document(member, inside.mac)

    def _free_name(self, sandbox: Sandbox, container_id: str, net: Net, veth: ParkedVeth | None) -> str:
        """The first that nobody has inside; the parked cable has its own."""
        prefix = net.interface_prefix
        if veth is not None and not self.members.of(container_id):
            return f"{prefix}0"
        with sandbox.netlink() as inner:
            taken = {link.name for link in rtnetlink.links(inner)}
        return next(name for n in range(len(taken) + 1) if (name := f"{prefix}{n}") not in taken)

    def _leading(self, container_id: str, member: Member) -> Addresses:
        """Those of its gateways by which the container leaves."""
        four, six = self.members.ways(container_id)
        gateways = member.gateways
        return Addresses(gateways.four if four is member else "", gateways.six if six is member else "")

    @staticmethod
    def _lead(sandbox: Sandbox, ways: Ways) -> None:
        with sandbox.netlink() as inner:
            gateways.lead(inner, ways)

    def disconnect(self, container_id: str, network_id: str | None, sandbox: Sandbox | None) -> None:
        """Take one endpoint away, or all; one that is not there is no error.

        A cable dies with its sandbox; it is cut here only when the sandbox, which is given then, lives on. That goes by
        its next way out before it loses the old one, so that no crash leaves it without.
        """
        wanted = [m for m in self.members.of(container_id) if network_id in (None, m.net.plan.id)]
        before = self.members.ways(container_id)
        with ExitStack() as each:
            for member in wanted:
                self.members.pop(container_id, member.net.plan.id)
                each.callback(member.net.release, member.addresses)
                each.callback(self._cut_off, tuple(member.addresses))
                each.callback(member.net.wire.pull, self.kernel.host, container_id, member.addresses, sandbox)
            left = self.members.ways(container_id)
            if not self.members.of(container_id):
                each.callback(self.publisher.withdraw, container_id)
            elif left != before:
                each.callback(self.publisher.move, container_id, self._way(left))
            if wanted and sandbox is not None and left != before:
                each.callback(self._lead, sandbox, left)

    def publish(
        self, container_id: str, ports: Sequence[PublishedPort], exposed: Collection[str], name: str = ""
    ) -> Published:
        """Publish on the addresses of the endpoints by which the container leaves."""
        way = self._way(self.members.ways(container_id))
        return self.publisher.publish(container_id, way, ports, exposed, name)

    def republish(
        self, container_id: str, add: Sequence[PublishedPort], remove: Sequence[str], name: str = ""
    ) -> Published:
        """Change the ports of a container that runs."""
        way = self._way(self.members.ways(container_id))
        return self.publisher.republish(container_id, way, add, remove, name)

    def _cut_off(self, addresses: Sequence[str]) -> None:
        for container_id, left in self.kernel.firewall.doors.without(addresses):
            self.kernel.firewall.let_through(container_id, left)

    def _way(self, ways: Ways) -> Way:
        """What published ports lead to: nothing where the container leaves by no bridge of ours."""
        four, six = (way if way is not None and way.net.settings is not None else None for way in ways)
        bridge4 = four.net.settings if four is not None else None
        bridge6 = six.net.settings if six is not None else None
        address6 = six.addresses.six if six is not None else ""
        return Way(
            four.addresses.four if four is not None else "",
            address6,
            bridge4 or PLAIN,
            bridge6 or PLAIN,
            ipv6=bool(address6) or (self.kernel.relays is not None and IPV6 in self.kernel.firewall.rule_set.families),
            relay=self.kernel.firewall.stance.relay,
        )

    def _take_in(self, existing: Mapping[str, Existing]) -> None:
        links = rtnetlink.links(self.kernel.host) if existing else []
        for container_id, past in existing.items():
            strays = []
            for member, cable in survivors.members(self.kernel.host, links, container_id, past, self._nets):
                if member is not None:
                    self.members.add(container_id, member)
                if cable is not None:
                    strays.append(cable) if member is None else member.net.wire.adopt(container_id, cable)
            of_others = survivors.remove_hidden(container_id, past.pid, self.members.of(container_id), self._nets)
            if strays or of_others:
                self._cut(container_id, strays, past.pid)
            if self.members.of(container_id):
                self.publisher.adopt(container_id, self._way(self.members.ways(container_id)), past.ports, past.name)
                self.kernel.firewall.doors.keep(container_id, past.passages)
        for net in self._nets.values():
            net.wire.replug(self.kernel.host)

    def _cut(self, container_id: str, strays: Sequence[rtnetlink.Link], pid: int) -> None:
        """Take away what a crash left of a connect or disconnect, and lead the container by what it has on record."""
        for cable in strays:
            _LOG.warning("container %s loses interface %s, which nobody has on record", container_id, cable.name)
            unplug(self.kernel.host, ParkedVeth(cable.index, cable.name))
        try:
            with open_sandbox(pid) as sandbox:
                self._lead(sandbox, self.members.ways(container_id))
        except Unavailable:
            _LOG.debug("container %s has ended", container_id)

    def mend(self) -> str:
        """Bring bridges, the cables on them and the host's forwarding into shape; what was wrong, in words."""
        kernel, damages = self.kernel, []
        for net in self._nets.values():
            if net.wire.index and (damage := net.wire.restore(kernel.host)):
                damages.append(f"{net.wire.what} was {damage}")
        damages += self._forwarding.mend()
        return " and ".join(damages)

    def remove_all(self) -> None:
        """Remove bridges and rules from the host.

        Forwarding goes off if it was us who needed it, and nobody else seems to by now.
        """
        self._delete(*self._nets.values())
        self._beside.remove()
        self._forwarding.stop()
        self.kernel.firewall.uninstall()


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:  # it went meanwhile, or the route has none
        return ""


def _warn_of_others(firewall: Firewall) -> None:
    """What another firewall drops stays dropped; who wonders why finds it in the log."""
    for family in firewall.rule_set.families:
        for chain, policy in forwarding(firewall.nftables, firewall.table, family).items():
            if policy == DROP and not chain.endswith(f" {GUARD.name}"):
                what = f"{family.name} {chain}"
                _LOG.warning("nftables chain %s drops what it does not accept, container traffic too", what)
