"""Gives what keeps the disk in order its services: the account of the data root, the garbage collection by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from carrack.api.routes import disk
from carrack.engine.system.janitor import Janitor
from carrack.engine.system.owners import Accountant

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from carrack.api.app import Route
    from carrack.daemon.config import Config
    from carrack.daemon.wiring import Services


def routes(services: Services, config: Config) -> list[Route]:
    """The routes about the disk of services that are built."""
    return disk.routes(services.images.keeper, accountant(services, config))


def accountant(services: Services, config: Config) -> Accountant:
    """What tells who has the bytes of the data root."""
    return Accountant(
        Path(config.data_root),
        services.images,
        services.store,
        lambda: [volume.name for volume in services.volumes.recorded],
        services.snapshotter.name,
    )


def janitor(services: Services, config: Config) -> Coroutine[Any, Any, None]:
    """What collects garbage by the rules of the configuration, until it is cancelled."""
    services.images.keeper.rules = config.gc
    return Janitor(services.images.keeper).run()
