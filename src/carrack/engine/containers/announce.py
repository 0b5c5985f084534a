"""Events that belong to a container's start and end, and are of another kind than its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container
    from carrack.engine.events import Events
    from carrack.engine.networks.network import Network


def tell_network(events: Events, action: str, c: Container, network: Network) -> None:
    """``connect`` or ``disconnect`` of one network."""
    events.publish("network", action, network.id, {"container": c.id, "name": network.name, "type": network.driver})


def tell_mounts(events: Events, c: Container, action: str) -> None:
    """``mount`` or ``unmount`` of each volume, with the attributes that Docker's events have."""
    for point in c.mounts:
        if point["Type"] != "volume":
            continue
        attributes = {"container": c.id, "driver": point.get("Driver", "local")}
        if action == "mount":
            attributes["destination"] = point["Destination"]
            attributes["propagation"] = point["Propagation"]
            attributes["read/write"] = str(point["RW"]).lower()
        events.publish("volume", action, point["Name"], attributes)
