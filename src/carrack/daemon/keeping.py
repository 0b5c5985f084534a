"""Gives what keeps the disk in order its services: the account of the data root, its check, and garbage collection.

What is seldom asked for is imported when it is: the start of a daemon is dear.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.api.routes import disk
from carrack.engine.build.tending import tend as tend
from carrack.engine.system.janitor import Janitor
from carrack.storage.content import ContentStore

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from carrack.api.app import Route
    from carrack.daemon.config import Config
    from carrack.daemon.wiring import Services
    from carrack.engine.system.fsck import Fsck
    from carrack.engine.system.owners import Accountant


def routes(services: Services, config: Config) -> list[Route]:
    """The routes about the disk of services that are built."""
    return disk.routes(
        services.images.keeper, cache(partial(accountant, services, config)), cache(partial(fsck, services, config))
    )


def accountant(services: Services, config: Config) -> Accountant:
    """What tells who has the bytes of the data root."""
    from carrack.engine.system.owners import Accountant

    return Accountant(
        Path(config.data_root),
        services.images,
        services.store,
        lambda: [volume.name for volume in services.volumes.recorded],
        lambda: [entry.layers for entry in services.build_cache],
        services.snapshotter.name,
    )


def fsck(services: Services, config: Config) -> Fsck:
    """What compares the data root with the records."""
    from carrack.engine.images.checks import ImageChecks
    from carrack.engine.system.fsck import Fsck
    from carrack.storage.judges import JudgeSettings, judging

    images, content = services.images, ContentStore(config.data_root)
    settings = JudgeSettings(services.snapshotter.name, Path(config.data_root) / "layers", Path(config.data_root))
    return Fsck(
        Path(config.data_root),
        services.records,
        images.store,
        ImageChecks(images.store, images.layers, content, services.snapshotter, partial(judging, settings)),
        content,
        services.store,
        services.snapshotter,
        lambda: [volume.name for volume in services.volumes.recorded],
    )


def janitor(services: Services) -> Coroutine[Any, Any, None]:
    """What collects garbage by the rules of the configuration, until it is cancelled."""
    return Janitor(services.images.keeper).run()
