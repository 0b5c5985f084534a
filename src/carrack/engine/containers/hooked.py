"""A container with hooks (those of CDI devices) has a bundle for them, in its run directory while it runs.

Hooks are told the state on their standard input; the vendors' read ``config.json`` of its bundle besides, and work on
the root file system that it names, before the container's root is changed. Source: OCI runtime spec, config.md "POSIX-
platform Hooks".
"""

from __future__ import annotations

import json
import os
from typing import Any

from carrack.engine.containers.record import Container
from carrack.engine.runtimes import OWN
from carrack.oci.runtime_spec import OCI_VERSION, Spec


def prepare(spec: Spec, c: Container, directory: str) -> None:
    """Write the bundle of a container that is about to start, if it has hooks (blocking)."""
    if not spec.get("hooks") or c.host_config["Runtime"] != OWN:
        return
    root = os.path.join(directory, "rootfs")
    os.makedirs(root, mode=0o700, exist_ok=True)
    written = {**spec, "root": {**spec["root"], "path": root}}
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(written, file)


def plan(spec: Spec, c: Container, directory: str) -> dict[str, Any]:
    """What the runtime has to know for the hooks: where they find the root, and the state they are told."""
    if not spec.get("hooks") or c.host_config["Runtime"] != OWN:
        return {}  # another runtime has a bundle of its own
    state: dict[str, object] = {"ociVersion": OCI_VERSION, "id": c.id, "bundle": directory}
    if spec.get("annotations"):
        state["annotations"] = spec["annotations"]
    if spec["linux"].get("uidMappings"):
        return {"state": state}  # its root may not come to our directories, and finds the root on top of its own /
    return {"root_path": os.path.join(directory, "rootfs"), "state": state}
