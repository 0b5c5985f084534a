"""What the daemon's own options say about every container that does not say otherwise. Pure data.

Some count when a container is made and stand in its record from then on (``shm_size``, ``ipc_mode``,
``cgroupns_mode``, ``log_driver``, ``log_options``), the others whenever one starts: so Docker has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from carrack.engine import defaults
from carrack.engine.privileges import USUAL, Security
from carrack.linux.selinux import Contexts
from carrack.model.container import Document


@dataclass(frozen=True, slots=True)
class ContainerDefaults:
    """``ulimits`` by name, as in a host config; ``gateways`` are what ``host-gateway`` stands for (none: the bridge's
    own address); ``seccomp_source``: the word or
    the file that the filter comes from. ``bridge_names``: whether containers on the default bridge find each other by
    name, which they do not with Docker. ``storage_size`` is what a container may write, in bytes (0: no limit).
    ``selinux``: the labels that containers get theirs from, None where they get none."""

    shm_size: int = defaults.SHM_SIZE
    ipc_mode: str = "private"
    cgroupns_mode: str = ""
    ulimits: Mapping[str, Document] = field(default_factory=dict)
    init: bool = False
    security: Security = USUAL
    selinux: Contexts | None = None
    seccomp_source: str = "builtin"
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    bridge_names: bool = True
    gateways: tuple[str, ...] = ()
    storage_size: int = 0
    log_driver: str = "json-file"
    log_options: Mapping[str, str] = field(default_factory=dict)
