"""What the resolver is told of containers: who has which names on which network, and what each of them sees.

The names of a container are its own, its aliases, its short id and its host's name; those that links give are seen by
one container only, and so is ``host.docker.internal``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from carrack.engine.containers import endpoints, links, networking
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError
from carrack.model.container import Document
from carrack.network.names.view import HOST_NAMES, View

if TYPE_CHECKING:
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.networks.network import Network
    from carrack.network.names.client import Resolver


class Naming:
    """The names of all running containers. ``gateway`` is the host's address on the default network.

    A container is known as NAME.NETWORK, too. On the default network names are told unless Docker's strictness is
    wanted; a container that is on no network with names has no resolver.
    """

    def __init__(
        self,
        resolver: Resolver,
        store: ContainerStore,
        gateway: str,
        given: ContainerDefaults | None = None,
    ) -> None:
        self._resolver = resolver
        self._store = store
        self._given = given or ContainerDefaults()
        self._gateways: Sequence[str] = self._given.gateways or (gateway,)
        self._known: set[str] = set()  # ids of containers whose questions are answered
        self._linked: set[str] = set()  # and of those that have links on networks of the user's own

    def knows(self, c: Container) -> bool:
        """Whether a running container's questions are answered."""
        return c.id in self._known

    def wanted(self, c: Container) -> bool:
        """Whether a container's questions are to be answered."""
        return answered(c, self._given)

    def attach(self, c: Container, fds: Sequence[int]) -> None:
        """Answer on these sockets of a container that is connected; without any, on those that its shim holds."""
        for name in c.endpoints:
            self._tell(c, name)
        if answered(c, self._given):
            self._resolver.attach(c.id, fds, self.view(c))
            self._known.add(c.id)
        if any(wanted["Links"] for wanted in c.wanted.values()):
            self._linked.add(c.id)
        self._review(c)

    def joined(self, c: Container, network: str) -> None:
        """A running container was connected to a network, or is called otherwise there."""
        self._tell(c, network)
        if c.wanted[network]["Links"]:
            self._linked.add(c.id)
        self._resolver.change(c.id, self.view(c))
        self._review(c)

    def renamed(self, c: Container) -> None:
        """A container is called otherwise."""
        if c.id in self._known:
            for network in c.endpoints:
                self._tell(c, network)

    def left(self, c: Container, network_id: str) -> None:
        """A running container was disconnected from a network."""
        self._resolver.gone(network_id, c.id)
        self._resolver.change(c.id, self.view(c))
        self._review(c)

    def detach(self, c: Container, network_ids: Sequence[str]) -> None:
        """A container has ended, that was on these networks."""
        for identity in network_ids:
            self._resolver.gone(identity, c.id)
        self._resolver.detach(c.id)
        self._known.discard(c.id)
        self._linked.discard(c.id)
        self._review(c)

    def _tell(self, c: Container, name: str) -> None:
        endpoint = c.endpoints[name]
        addresses = [a for a in (endpoint["IPAddress"], endpoint["GlobalIPv6Address"]) if a]
        if addresses and has_names(name, self._given):
            self._resolver.endpoint(endpoint["NetworkID"], c.id, names(c, name), addresses, name)

    def _review(self, changed: Container) -> None:
        """Whose links may lead to a container that has come, gone or moved sees it so."""
        for identity in self._linked:
            if identity != changed.id:
                c = self._store.find(identity)
                self._resolver.change(identity, self.view(c))

    def view(self, c: Container) -> View:
        """What a container sees by its present endpoints."""
        connected = [n for n in networking.order(c.wanted) if c.endpoints.get(n, {}).get("EndpointID")]
        outside = any(_leads_out(c.endpoints[name]) for name in connected)
        # of a daemon without a default network, the host is where the container goes out
        host = tuple(filter(None, self._gateways)) or tuple(filter(None, (_gateway(c, name) for name in connected)))[:1]
        found: dict[str, tuple[str, ...]] = dict.fromkeys(HOST_NAMES, host) if outside else {}
        for name in connected:
            found.update(self._links(c, name))
        servers = tuple(c.host_config["Dns"] or self._given.dns)
        ids = tuple(c.endpoints[name]["NetworkID"] for name in connected)
        return View(ids, servers, bool(servers), outside, found)

    def _links(self, c: Container, network: str) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for text in c.wanted[network]["Links"] or ():
            target, alias = links.parse(text)
            try:
                endpoint = self._store.find(target).endpoints.get(network, {})
            except CarrackError:
                continue
            addresses = endpoint.get("IPAddress"), endpoint.get("GlobalIPv6Address")
            if any(addresses):
                found[alias] = tuple(address for address in addresses if address)
        return found


def _gateway(c: Container, network: str) -> str:
    return str(c.endpoints[network]["Gateway"] or c.endpoints[network]["IPv6Gateway"])


def shown(c: Container, network: Network) -> Document:
    """A container's endpoint before it has addresses; names are shown on networks of the user's own."""
    told = names(c, network.name) if endpoints.user_defined(network.name) else None
    return endpoints.shown(c.wanted[network.name], network_id=network.id, names=told)


def has_names(network: str, given: ContainerDefaults) -> bool:
    """Whether containers on a network find each other by name."""
    return given.bridge_names or endpoints.user_defined(network)


def answered(c: Container, given: ContainerDefaults) -> bool:
    """Whether a container asks the resolver, rather than the host's servers."""
    return c.wants_cable and any(has_names(name, given) for name in c.wanted)


def called(c: Container, name: str) -> dict[str, Document]:
    """A container's endpoints as they are shown when it is called so."""
    return {
        network: one if one["DNSNames"] is None else {**one, "DNSNames": names(c, network, name)}
        for network, one in c.endpoints.items()
    }


def names(c: Container, network: str, name: str = "") -> list[str]:
    """By which names a container (if it is called so) is known on a network."""
    return endpoints.dns_names(name or c.name, c.id, c.config["Hostname"], c.wanted[network]["Aliases"])


def _leads_out(endpoint: Mapping[str, object]) -> bool:
    return bool(endpoint["Gateway"] or endpoint["IPv6Gateway"])
