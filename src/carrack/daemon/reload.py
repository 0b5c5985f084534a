"""What SIGHUP changes: the options that need no restart are read again from the configuration file.

As with dockerd these are few; all others keep the value the daemon was started with.
"""

from __future__ import annotations

import dataclasses
import json
import logging

from carrack.daemon import config as configuration
from carrack.daemon.config import Config
from carrack.errors import InvalidArgument

log = logging.getLogger(__name__)

RELOADABLE = ("debug", "labels", "live_restore", "log_level", "shutdown_timeout")


def reload(current: Config) -> Config:
    """`current` with its reloadable options as they now stand in file and flags; unchanged when these are bad."""
    try:
        fresh = configuration.load(current.arguments, {}).config
    except InvalidArgument as error:
        log.error("the configuration is not reloaded: %s", error)
        return current
    changed = dataclasses.replace(current, **{name: getattr(fresh, name) for name in RELOADABLE})
    log.info("configuration reloaded: %s", ", ".join(f"{name}={getattr(changed, name)}" for name in RELOADABLE))
    return changed


def attributes(config: Config) -> dict[str, str]:
    """What the event "daemon reload" tells: the reloadable options under their keys, each as JSON."""
    return {name.replace("_", "-"): json.dumps(getattr(config, name)) for name in RELOADABLE}
