"""A container's published ports as one thing: host ports reserved, led to its addresses, kept while these change.

For one thread at a time: that of the fabric.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from carrack.errors import NotFound
from carrack.linux.conntrack import Conntrack
from carrack.linux.portfds import Place
from carrack.model.ports import PublishedPort
from carrack.network import bindings, flows, relaying
from carrack.network.bindings import Binding, PortsDocument, Way
from carrack.network.firewall import Firewall
from carrack.network.holder import Holder
from carrack.network.mappings import PortMapping
from carrack.network.ports import PortAllocator

#: As many ports of a range are looked up at once and bound afterwards
_LONG = 64


@dataclass(frozen=True, slots=True)
class Published:
    """``ports`` as NetworkSettings.Ports has it; ``fds``, few for any number of ports, reserve them for the caller.

    ``later``: some ports are not bound yet; `Publisher.bind` does it. ``gone``: where sockets are to be closed now, for
    others to have the ports.
    """

    ports: PortsDocument
    fds: list[int]
    later: bool = False
    gone: tuple[Place, ...] = ()


@dataclass(slots=True)
class _Ports:
    """What one container has published: ``claimed`` is not bound yet, ``fds`` hold what was bound since."""

    name: str
    way: Way
    exposed: tuple[str, ...] = ()
    bindings: list[Binding] = field(default_factory=list)
    claimed: list[Binding] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)


class Publisher:
    """Life: per container `publish` (or `adopt`), any number of `republish` and `move`, in the end `withdraw`.

    ``relay`` is told, after each change, of all ports that the relay serves (`relaying`); without it there are none.
    """

    def __init__(
        self,
        firewall: Firewall,
        conntrack: Conntrack,
        ports: PortAllocator,
        relay: Callable[[list[relaying.Row]], None] | None = None,
    ) -> None:
        self._firewall = firewall
        self._conntrack = conntrack
        self._ports = ports
        self._relay = relay
        self._all: dict[str, _Ports] = {}

    def publish(
        self,
        container_id: str,
        way: Way,
        mappings: Sequence[PublishedPort],
        exposed: Collection[str] = (),
        name: str = "",
    ) -> Published:
        """Reserve the host ports and lead them to the container; all of them or none.

        Ports only exposed are listed without a binding; without an address nothing is published. Conflict when this
        daemon has given a port out, Unavailable when another program has it: both say who, and what is free.
        """
        own = _Ports(name or container_id[:12], way, tuple(exposed))
        with ExitStack() as undo:
            held = Holder()
            undo.callback(held.close)
            own.bindings = self._take(own, mappings, held, undo)
            published = self._firewall.publish(container_id, self._mappings(own.bindings, own.way))
            undo.callback(self._firewall.withdraw, container_id)
            fds = held.take()
            undo.pop_all()
        flows.begin(self._conntrack, published)
        self._all[container_id] = own
        self._tell_relay(own.bindings)
        return Published(bindings.document(own.bindings, exposed), fds, bool(own.claimed))

    def _take(self, own: _Ports, wanted: Sequence[PublishedPort], held: Holder, undo: ExitStack) -> list[Binding]:
        """Reserve what a client wants, undone by ``undo``."""
        found: list[Binding] = []
        if not (own.way.address4 or own.way.address6):
            return found
        for port, count in bindings.runs(wanted):
            number, _, protocol = port.container.partition("/")
            all_places = bindings.places(port.host_ip, own.way, protocol)
            routed = tuple(place for place in all_places if own.way.routed(place))
            if routed:
                found.append(Binding(protocol, routed, 0, int(number), count, port.allow))
            if taken := tuple(place for place in all_places if place not in routed):
                more = self._reserve(own, port, taken, count, held)
                undo.callback(self._release, more)
                found += more
        return found

    def _reserve(
        self, own: _Ports, port: PublishedPort, places: tuple[str, ...], count: int, held: Holder
    ) -> list[Binding]:
        number, _, protocol = port.container.partition("/")
        if count >= _LONG:
            first = int(port.host_port)
            for fd in self._ports.claim(protocol, places, first, count, own.name):
                held.add(fd)
            whole = Binding(protocol, places, first, int(number), count, port.allow)
            own.claimed.append(whole)
            return [whole]
        found: list[Binding] = []
        with ExitStack() as undo:
            undo.callback(lambda: self._release(found))
            for n in range(count):
                wanted = str(int(port.host_port) + n) if count > 1 else port.host_port
                got = self._ports.reserve(protocol, places, wanted, own.name)
                found.append(Binding(protocol, places, got.port, int(number) + n, 1, port.allow))
                for fd in got.fds:
                    held.add(fd)
            undo.pop_all()
        return bindings.joined(found)

    def bind(self, container_id: str) -> list[int]:
        """Bind the ports that were only claimed; returns descriptors, still the publisher's, for a shim to hold too.

        Nothing for a container that has ended. A port that another program has taken meanwhile is left to it: the
        firewall leads what arrives there to the container all the same.
        """
        own = self._all.get(container_id)
        if own is None or not own.claimed:
            return []
        held = Holder()
        claimed, own.claimed = own.claimed, []
        for binding in claimed:
            ports = range(binding.host_port, binding.host_port + binding.count)
            for fd in self._ports.bind_claimed(binding.protocol, binding.addresses, ports):
                held.add(fd)
        own.fds += held.take()
        return list(own.fds)

    def adopt(self, container_id: str, way: Way, ports: Mapping[str, Any], name: str = "") -> None:
        """Take the ports of a surviving container into account; the firewall's next `install` opens them."""
        exposed = tuple(key for key, listed in ports.items() if not listed)
        found = bindings.parse(ports)
        own = _Ports(name or container_id[:12], way, exposed, found)
        own.claimed = [binding for binding in found if binding.host_port]
        for binding in own.claimed:
            self._ports.adopt(binding.protocol, binding.addresses, binding.host_port, binding.count, own.name)
        self._all[container_id] = own
        self._firewall.adopt(container_id, self._mappings(found, own.way))
        self._tell_relay(found)

    def move(self, container_id: str, way: Way) -> None:
        """Lead the ports to other addresses of the container, which has changed its networks."""
        own = self._all.get(container_id)
        if own is None:
            return
        before = self._firewall.published(container_id)
        after = self._firewall.publish(container_id, self._mappings(own.bindings, way))
        own.way = way
        self._redirect(before, after)
        self._tell_relay(own.bindings)

    def republish(
        self,
        container_id: str,
        way: Way,
        add: Sequence[PublishedPort],
        remove: Sequence[str],
        name: str = "",
    ) -> Published:
        """Change the ports of a container that runs; all of it or nothing. ``remove``: ``80/tcp``, ``8080:80/tcp``.

        The document is whole, the descriptors are those of the new ports. NotFound names a port that is not published.
        """
        own = self._all.get(container_id) or _Ports(name or container_id[:12], way)
        stay, gone = self._parted(own.bindings, remove)
        with ExitStack() as undo:
            self._release(gone)  # first: what goes may come back otherwise
            undo.callback(self._retake, own, gone)
            held = Holder()
            undo.callback(held.close)
            come = self._take(own, add, held, undo)
            now = bindings.joined([*stay, *come])
            before = self._firewall.published(container_id)
            after = self._firewall.publish(container_id, self._mappings(now, way))
            fds = held.take()
            undo.pop_all()
        own.bindings, own.way = now, way
        self._all[container_id] = own
        self._redirect(before, after)
        self._tell_relay([*gone, *come])
        self._rebind(own, gone)
        places = tuple((b.protocol, b.addresses, b.host_port + n) for b in gone if b.host_port for n in range(b.count))
        return Published(bindings.document(now, own.exposed), fds, bool(own.claimed), places)

    def _rebind(self, own: _Ports, gone: Sequence[Binding]) -> None:
        """Close our own sockets where ports have gone; of what stays all is bound again, later."""
        if gone and own.fds:
            for fd in own.fds:
                os.close(fd)
            own.fds = []
            own.claimed = [binding for binding in own.bindings if binding.host_port]

    @staticmethod
    def _parted(found: Sequence[Binding], remove: Sequence[str]) -> tuple[list[Binding], list[Binding]]:
        stay, gone = list(found), []
        for word in remove:
            stay, go = bindings.without(stay, word)
            if not go:
                raise NotFound(f"port {word} is not published")
            gone += go
        return stay, gone

    def _retake(self, own: _Ports, gone: Sequence[Binding]) -> None:
        for binding in gone:
            if binding.host_port:
                self._ports.adopt(binding.protocol, binding.addresses, binding.host_port, binding.count, own.name)

    def withdraw(self, container_id: str) -> None:
        """Close all ports of a container; none published is no error."""
        own = self._all.pop(container_id, None)
        if own is None:
            return
        with ExitStack() as each:
            each.callback(self._tell_relay, own.bindings)
            each.callback(self._release, own.bindings)
            for fd in own.fds:
                each.callback(os.close, fd)
            each.callback(self._close, container_id)

    def _close(self, container_id: str) -> None:
        flows.end(self._conntrack, self._firewall.withdraw(container_id))

    def _redirect(self, before: Iterable[PortMapping], after: Iterable[PortMapping]) -> None:
        flows.end(self._conntrack, set(before) - set(after))
        flows.begin(self._conntrack, set(after) - set(before))

    def _release(self, found: Iterable[Binding]) -> None:
        for binding in found:
            if binding.host_port:
                self._ports.release(binding.protocol, binding.addresses, binding.host_port, binding.count)

    def _mappings(self, found: Iterable[Binding], way: Way) -> list[PortMapping]:
        return bindings.mappings(found, way, direct_routing=self._firewall.rule_set.direct_routing)

    def _tell_relay(self, changed: Iterable[Binding]) -> None:
        if self._relay is not None and any(":" in address for binding in changed for address in binding.addresses):
            self._relay([row for own in self._all.values() for row in relaying.rows(own.bindings, own.way)])
