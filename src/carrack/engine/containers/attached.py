"""Which running containers are on a network: what networks are told of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.engine.networks.document import Attached

if TYPE_CHECKING:
    from carrack.engine.containers.store import ContainerStore


def on_network(store: ContainerStore, network_id: str) -> dict[str, Attached]:
    """Those of one network by container id."""
    return {
        c.id: Attached(c.name, endpoint)
        for c in store
        if c.state.status in ("running", "paused")
        for endpoint in c.endpoints.values()
        if endpoint.get("NetworkID") == network_id
    }
