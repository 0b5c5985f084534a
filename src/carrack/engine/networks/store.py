"""All networks of this daemon: found, listed, made and removed.

What is on record and what the kernel has are kept in step so that a kill at any point leaves a network or none: a
network is recorded before the fabric makes it (the next start makes what is missing) and taken off the record after
the fabric has removed it (the next start removes nothing it does not know, but makes it anew).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from carrack.engine.networks import filters as filtering
from carrack.engine.networks import wanted as wanting
from carrack.engine.networks.allot import Room
from carrack.engine.networks.document import Attached, document
from carrack.engine.networks.filters import Filters
from carrack.engine.networks.network import Network, decode, encode
from carrack.engine.networks.pools import EVERYWHERE, Pool, Taken
from carrack.engine.networks.wanted import Usual, Wanted
from carrack.engine.whole import whole
from carrack.errors import CarrackError, Conflict, Forbidden, InvalidArgument, NotFound
from carrack.model import times
from carrack.model.container import Document
from carrack.network.option_names import BRIDGE_NAME
from carrack.network.plan import NetworkPlan

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

# What is on every interface.
_NOBODYS = ("fe80:", "ff")


class Kernel(Protocol):
    """What networks need of the fabric; it is all or nothing in each."""

    async def create(self, plan: NetworkPlan) -> None:
        """Make the network. Conflict when an interface of its name is something else."""

    async def remove(self, network_id: str) -> None:
        """Remove it; Conflict while endpoints are on it."""

    async def routes(self) -> list[tuple[str, str]]:
        """(destination, interface) of the host."""


class Networks:
    """``attached`` tells which running containers are on a network, by its id; ``pools`` are where subnets come from.

    Life: `load` once, with the predefined networks as the daemon's options have them.
    """

    def __init__(
        self,
        records: Records,
        fabric: Kernel,
        attached: Callable[[str], Mapping[str, Attached]],
        events: Events,
        *,
        pools: Sequence[Pool],
        usual: Usual | None = None,
    ) -> None:
        self._records = records
        self._fabric = fabric
        self._attached = attached
        self._events = events
        self._pools = tuple(pools)
        self._usual = usual or {}
        self._networks: dict[str, Network] = {}
        self._turn = asyncio.Lock()

    def load(self, predefined: Sequence[Network], on_record: Iterable[Network]) -> None:
        """Take up what is on record, as `recorded` has read it."""
        self._networks = {network.id: network for network in predefined}
        found = [network for network in on_record if not network.predefined]
        self._networks.update((network.id, network) for network in sorted(found, key=lambda n: n.created))

    def plans(self) -> list[NetworkPlan]:
        """What the fabric is to make at the daemon's start."""
        return [n.plan for n in self._networks.values() if n.subnets and not n.config_only]

    def find(self, term: str) -> Network:
        """The network by id, name, or the beginning of an id. NotFound; InvalidArgument when several match."""
        found = self._find(term)
        if len(found) > 1:
            raise InvalidArgument(f"network {term} is ambiguous ({len(found)} matches found based on ID prefix)")
        if not found:
            raise NotFound(f"network {term} not found")
        return found[0]

    def _find(self, term: str) -> list[Network]:
        if term in self._networks:
            return [self._networks[term]]
        named = [network for network in self._networks.values() if network.name == term]
        return named or [network for network in self._networks.values() if term and network.id.startswith(term)]

    def inspect(self, term: str) -> Document:
        """The document of one network, with its containers."""
        found = self._find(term)
        if len(found) > 1:
            raise InvalidArgument(f"{len(found)} matches found based on ID prefix: network {term} is ambiguous")
        network = found[0] if found else self.find(term)
        return document(network, self._attached(network.id))

    def select(self, filters: Filters) -> list[Document]:
        """The documents that match Docker's filters (all keys must match), without containers. InvalidArgument."""
        test = filtering.listing(filters, lambda network: bool(self._attached(network.id)))
        return [document(network, {}) for network in self._networks.values() if test(network)]

    async def create(self, body: Document) -> tuple[Network, str]:
        """Make the network that a create request, with all its fields, asks for; and a warning, or nothing.

        Errors as dockerd's; whatever they are, nothing of the network is left.
        """
        async with self._turn:
            others = list(self._networks.values())
            wanted = wanting.read(body, secrets.token_hex(32), times.now(), others, self._usual)
            network = wanting.allotted(wanted, await self._room(wanted), others)
            await whole(self._make(network))
        return network, wanting.warning(wanted)

    async def _room(self, wanted: Wanted) -> Room:
        """What is taken; an interface that is to be the network's own bridge may have its subnet already."""
        own = ("lo", wanted.network.options.get(BRIDGE_NAME, ""))
        routes = [
            Taken(block, f"this host, which has a route there by {interface}")
            for block, interface in await self._fabric.routes()
            if interface not in own and block not in EVERYWHERE and not block.startswith(_NOBODYS)
        ]
        return Room(self._pools, taken(self._networks.values()), routes)

    async def _make(self, network: Network) -> None:
        row = (network.id, encode(network))
        await self._records.write(lambda db: db.execute("INSERT INTO network (id, document) VALUES (?, ?)", row))
        if network.subnets:
            try:
                await self._fabric.create(network.plan)
            except BaseException:
                await self._forget(network)
                raise
        self._networks[network.id] = network
        self._tell("create", network)

    async def _forget(self, network: Network) -> None:
        await self._records.write(lambda db: db.execute("DELETE FROM network WHERE id = ?", (network.id,)), spare=True)

    async def remove(self, term: str) -> None:
        """Remove a network. NotFound; Forbidden for a predefined one and for one that is in use."""
        network = self.find(term)
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        async with self._turn:
            await whole(self._remove(self.find(network.id)))

    async def _remove(self, network: Network) -> None:
        if network.config_only and any(other.config_from == network.name for other in self._networks.values()):
            raise Forbidden(f'error while removing network: configuration network "{network.name}" is in use')
        self._refuse_used(network)
        if network.subnets:
            try:
                await self._fabric.remove(network.id)
            except Conflict as error:
                self._refuse_used(network)
                raise Forbidden(f"error while removing network: {error}") from error
        await self._forget(network)
        del self._networks[network.id]
        if not network.config_only:  # of whose end dockerd tells nothing
            self._tell("destroy", network)

    def _refuse_used(self, network: Network) -> None:
        users = [
            f'name:"{one.name}" id:"{one.endpoint.get("EndpointID", "")[:12]}"'
            for one in self._attached(network.id).values()
        ]
        if users:
            listed = ", ".join(users)
            raise Forbidden(f"error while removing network: network {network.name} has active endpoints ({listed})")

    async def prune(self, filters: Filters) -> list[str]:
        """Remove all networks of users that nobody uses and that match; returns their names. InvalidArgument."""
        test = filtering.pruning(filters)
        removed = []
        for network in list(self._networks.values()):
            if network.predefined or network.config_only or self._attached(network.id) or not test(network):
                continue
            try:
                await self.remove(network.id)
            except NotFound:  # somebody else was faster
                continue
            except CarrackError as error:
                log.warning("network %s could not be pruned: %s", network.name, error)
            else:
                removed.append(network.name)
        self._events.publish("network", "prune", "", {"reclaimed": "0"})
        return removed

    def _tell(self, action: str, network: Network) -> None:
        self._events.publish("network", action, network.id, {"name": network.name, "type": network.driver})


def taken(networks: Iterable[Network]) -> list[Taken]:
    """The subnets that networks have."""
    return [Taken(s.subnet, f"network {n.name} ({n.id[:12]})") for n in networks for s in n.subnets]


def recorded(records: Records) -> list[Network]:
    """All networks on record."""
    found = []
    for identity, text in records.read("SELECT id, document FROM network"):
        try:
            found.append(decode(text))
        except (ValueError, TypeError) as error:
            log.error("network %s has an unreadable record (%s); it is left alone", identity, error)
    return found
