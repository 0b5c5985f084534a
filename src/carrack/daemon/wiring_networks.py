"""The part of the wiring that joins containers to networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.containers.changing import Changes
from carrack.engine.containers.connect import Connector
from carrack.engine.containers.linking import Links
from carrack.engine.containers.live import LiveNetworks
from carrack.engine.containers.live_ports import LivePorts
from carrack.engine.containers.name_files import NameFiles
from carrack.engine.containers.naming import Naming
from carrack.engine.containers.networking import known

if TYPE_CHECKING:
    from carrack.engine.containers.container_defaults import ContainerDefaults
    from carrack.engine.containers.paths import Paths
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.events import Events
    from carrack.engine.networks.store import Networks
    from carrack.engine.userns import Remap
    from carrack.network.fabric import Fabric
    from carrack.network.names.client import Resolver


@dataclass(frozen=True, slots=True)
class Joining:
    """``connector`` serves containers that start and end, ``live`` and ``ports`` those that run."""

    naming: Naming
    connector: Connector
    links: Links
    live: LiveNetworks
    ports: LivePorts

    def changes(self, store: ContainerStore, events: Events, abilities: frozenset[str]) -> Changes:
        """What changes containers that exist."""
        return Changes(store, self.naming, self.connector, self.ports, self.links, events, abilities)


def join(
    fabric: Fabric,
    networks: Networks,
    resolver: Resolver,
    store: ContainerStore,
    events: Events,
    paths: Paths,
    given: ContainerDefaults,
    remap: Remap | None,
) -> Joining:
    """The services between containers and networks, which are loaded; nothing runs yet."""
    bridge = known(networks.find, "bridge")
    gateway = bridge.subnets[0].gateway if bridge is not None and bridge.subnets else ""
    naming, links = Naming(resolver, store, gateway, given), Links(store)
    links.refresh()
    connector = Connector(fabric, networks, naming, links, NameFiles(paths, gateway, given, remap), store, events)
    live = LiveNetworks(store, networks, fabric, connector, naming, events)
    return Joining(naming, connector, links, live, LivePorts(fabric))
