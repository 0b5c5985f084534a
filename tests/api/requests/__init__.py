"""The scenarios, by name: each is recorded into a file of its own."""

from __future__ import annotations

from collections.abc import Callable

from tests.api.requests import (
    containers,
    errors,
    execs,
    files,
    http,
    images,
    more,
    mounts,
    networks,
    streams,
    system,
    types,
    user_networks,
    volumes,
)
from tests.api.steps import Scenario

SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "system": system.steps,
    "http": http.steps,
    "http-bodies": http.bodies,
    "http-connections": http.connections,
    "types": types.steps,
    "containers": containers.steps,
    "containers-rich": containers.rich,
    "containers-verbs": containers.verbs,
    "containers-fields": more.fields,
    "containers-noted": more.noted,
    "containers-health": more.health,
    "containers-parameters": more.parameters,
    "commits": more.commits,
    "errors": errors.steps,
    "exec": execs.steps,
    "files": files.steps,
    "streams": streams.steps,
    "images": images.steps,
    "volumes": volumes.steps,
    "mounts": mounts.steps,
    "networks": networks.steps,
    "networks-created": user_networks.created,
    "networks-refused": user_networks.refused,
    "networks-listed": user_networks.listed,
    "networks-connected": user_networks.connected,
}
