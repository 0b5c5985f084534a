"""A container's published ports as one thing: host ports reserved, led to its addresses, kept while these change.

For one thread at a time: that of the fabric.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from carrack.errors import NotFound
from carrack.linux.conntrack import Conntrack
from carrack.model.ports import PublishedPort
from carrack.network import flows
from carrack.network.firewall import Firewall
from carrack.network.holder import Holder
from carrack.network.ports import PortAllocator, Reservation
from carrack.network.rules import PortMapping

PortsDocument = dict[str, list[dict[str, Any]] | None]


@dataclass(frozen=True, slots=True)
class Published:
    """``ports`` as NetworkSettings.Ports has it; ``fds``, few for any number of ports, reserve them for the caller."""

    ports: PortsDocument
    fds: list[int]


@dataclass(slots=True)
class _Ports:
    """What one container has published."""

    document: PortsDocument
    mappings: list[PortMapping] = field(default_factory=list)


class Publisher:
    """Life: per container `publish` (or `adopt`), any number of `republish` and `move`, in the end `withdraw`."""

    def __init__(self, firewall: Firewall, conntrack: Conntrack, ports: PortAllocator) -> None:
        self._firewall = firewall
        self._conntrack = conntrack
        self._ports = ports
        self._all: dict[str, _Ports] = {}

    def publish(
        self,
        container_id: str,
        address4: str,
        address6: str,
        mappings: Sequence[PublishedPort],
        exposed: Collection[str] = (),
    ) -> Published:
        """Reserve the host ports and lead them to the container; all of them or none.

        Ports only exposed are listed without a binding. Conflict when this daemon has given one of them out,
        Unavailable when another program has it.
        """
        own = _Ports(dict.fromkeys(exposed))
        with ExitStack() as undo:
            held = Holder()
            undo.callback(held.close)
            for port in mappings:
                self._reserve(own, port, address4, held, undo)
            published = self._firewall.publish(container_id, own.mappings)
            undo.callback(self._firewall.withdraw, container_id)
            fds = held.take()
            undo.pop_all()
        flows.begin(self._conntrack, published)
        self._all[container_id] = own
        return Published(own.document, fds)

    def _reserve(self, own: _Ports, port: PublishedPort, address: str, held: Holder, undo: ExitStack) -> None:
        number, _, protocol = port.container.partition("/")
        got = self._ports.reserve(protocol, port.host_ip, port.host_port)
        undo.callback(self._ports.release, got.protocol, got.host_ip, got.port)
        held.add(got.fd)
        own.mappings.append(PortMapping(protocol, got.host_ip, got.port, address, int(number)))
        own.document[port.container] = [*(own.document.get(port.container) or ()), _binding(got)]

    def adopt(self, container_id: str, address4: str, address6: str, ports: Mapping[str, Any]) -> None:
        """Take the ports of a surviving container into account; the firewall's next `install` opens them."""
        own = _Ports({container: list(places) if places else None for container, places in ports.items()})
        for container, places in ports.items():
            number, _, protocol = container.partition("/")
            for place in places or ():
                host_ip, port = place["HostIp"], int(place["HostPort"])
                self._ports.adopt(protocol, host_ip, port)
                own.mappings.append(PortMapping(protocol, host_ip, port, address4, int(number)))
        self._firewall.adopt(container_id, own.mappings)
        self._all[container_id] = own

    def move(self, container_id: str, address4: str, address6: str) -> None:
        """Lead the ports to other addresses of the container, which has changed its networks."""
        own = self._all.get(container_id)
        if own is None:
            return
        flows.end(self._conntrack, self._firewall.withdraw(container_id))
        own.mappings = [replace(mapping, address=address4) for mapping in own.mappings]
        flows.begin(self._conntrack, self._firewall.publish(container_id, own.mappings))

    def republish(
        self,
        container_id: str,
        address4: str,
        address6: str,
        add: Sequence[PublishedPort],
        remove: Sequence[str],
    ) -> Published:
        """Change the ports of a container that runs; all of it or nothing. ``remove``: ``80/tcp``, ``8080:80/tcp``.

        The document is whole, the descriptors are those of the new ports. NotFound names a port that is not published.
        """
        old = self._all.get(container_id) or _Ports({})
        own = _Ports(dict(old.document), list(old.mappings))
        gone = [self._forget(own, word) for word in remove]
        with ExitStack() as undo:
            held = Holder()
            undo.callback(held.close)
            for port in add:
                self._reserve(own, port, address4, held, undo)
            closed = self._firewall.withdraw(container_id)
            undo.callback(self._firewall.publish, container_id, old.mappings)
            published = self._firewall.publish(container_id, own.mappings)
            fds = held.take()
            undo.pop_all()
        flows.end(self._conntrack, set(closed) - set(published))
        flows.begin(self._conntrack, set(published) - set(closed))
        for mapping in (mapping for found in gone for mapping in found):
            self._ports.release(mapping.protocol, mapping.host_ip, mapping.host_port)
        self._all[container_id] = own
        return Published(own.document, fds)

    @staticmethod
    def _forget(own: _Ports, word: str) -> list[PortMapping]:
        host, _, container = word.rpartition(":")
        number, _, protocol = container.partition("/")
        found = [
            mapping
            for mapping in own.mappings
            if (mapping.container_port, mapping.protocol) == (int(number), protocol or "tcp")
            and host in ("", str(mapping.host_port))
        ]
        if not found:
            raise NotFound(f"port {word} is not published")
        own.mappings = [mapping for mapping in own.mappings if mapping not in found]
        key = f"{number}/{protocol or 'tcp'}"
        ports = {str(mapping.host_port) for mapping in found}
        left = [place for place in own.document.get(key) or () if place["HostPort"] not in ports]
        own.document[key] = left or None
        return found

    def withdraw(self, container_id: str) -> None:
        """Close all ports of a container; none published is no error."""
        own = self._all.pop(container_id, None)
        if own is None:
            return
        with ExitStack() as each:
            for mapping in own.mappings:
                each.callback(self._ports.release, mapping.protocol, mapping.host_ip, mapping.host_port)
            each.callback(self._close, container_id)

    def _close(self, container_id: str) -> None:
        flows.end(self._conntrack, self._firewall.withdraw(container_id))


def _binding(reservation: Reservation) -> dict[str, str]:
    return {"HostIp": reservation.host_ip, "HostPort": str(reservation.port)}
