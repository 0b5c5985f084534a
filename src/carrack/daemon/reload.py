"""What SIGHUP changes: the options that need no restart are read again from the configuration file.

As with dockerd these are few; all others keep the value the daemon was started with, and the log says which of them
wait for a restart. A file that is refused changes nothing.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any

from carrack.daemon import config as configuration
from carrack.daemon import registry_options
from carrack.daemon.config import Config
from carrack.engine.runtimes import Runtimes
from carrack.errors import InvalidArgument
from carrack.runtime.cgroups.hierarchy import detect

log = logging.getLogger(__name__)

RELOADABLE = (
    "authorization_plugins",
    "builder_gc",
    "debug",
    "default_runtime",
    "downloads",
    "features",
    "gc",
    "labels",
    "live_restore",
    "log_level",
    "runtimes",
    "shutdown_timeout",
    "uploads",
)
OF_CONTAINERS = ("shm_size", "ipc_mode", "cgroupns_mode", "log_driver", "log_options")
"""Those of `Config.containers`: they count for containers made from then on."""

_PARTS = ("containers", "network", "registry")
_NEVER = ("arguments", "listen_fds", "notify_socket", "proxies", "tracing")


def reload(current: Config) -> Config:
    """`current` with its reloadable options as they now stand in file and flags; unchanged when these are bad."""
    try:
        fresh = configuration.load(current.arguments, {}).config
        Runtimes(fresh.runtimes, fresh.default_runtime)  # refuses a default that there is not
    except InvalidArgument as error:
        log.error("the configuration is not reloaded: %s", error)
        return current
    changed = dataclasses.replace(
        current,
        containers=_taken(current.containers, fresh.containers, OF_CONTAINERS),
        registry=registry_options.taken(current.registry, fresh.registry),
        **{name: getattr(fresh, name) for name in RELOADABLE},
    )
    told = attributes(changed)
    log.info("configuration reloaded: %s", ", ".join(f"{key}={value}" for key, value in told.items()))
    parts = ((getattr(changed, part), getattr(fresh, part)) for part in _PARTS)
    if waiting := [name for one, other in ((changed, fresh), *parts) for name in _differing(one, other)]:
        log.warning("these changes wait until the daemon is started again: %s", ", ".join(waiting))
    return changed


def _taken(current: Any, fresh: Any, names: tuple[str, ...]) -> Any:
    return dataclasses.replace(current, **{name: getattr(fresh, name) for name in names})


def _differing(current: Any, fresh: Any) -> list[str]:
    names = [field.name for field in dataclasses.fields(current) if field.name not in (*_NEVER, *_PARTS)]
    return [name.replace("_", "-") for name in names if getattr(current, name) != getattr(fresh, name)]


def attributes(config: Config) -> dict[str, str]:
    """What the event "daemon reload" tells: the reloadable options under their keys, in dockerd's words."""
    containers = config.containers
    features = " ".join(f"{name}:{json.dumps(value)}" for name, value in sorted(config.features.items()))
    return {
        "debug": json.dumps(config.debug),
        "default-cgroupns-mode": containers.cgroupns_mode or ("private" if detect().version == 2 else "host"),
        "default-ipc-mode": containers.ipc_mode,
        "default-runtime": config.default_runtime,
        "default-shm-size": str(containers.shm_size),
        "features": f"map[{features}]",
        "insecure-registries": json.dumps(list(config.registry.insecure), separators=(",", ":")),
        "labels": json.dumps(list(config.labels), separators=(",", ":")),
        "live-restore": json.dumps(config.live_restore),
        "log-level": config.log_level,
        "max-concurrent-downloads": str(config.downloads),
        "max-concurrent-uploads": str(config.uploads),
        "registry-mirrors": json.dumps(list(config.registry.mirrors), separators=(",", ":")),
        "runtimes": " ".join(f"{name}:{runtime.path}" for name, runtime in sorted(config.runtimes.items())),
        "shutdown-timeout": str(config.shutdown_timeout),
    }
