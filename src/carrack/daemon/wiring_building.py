"""The part of the wiring that makes builds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.engine.build.attesting import Attester
from carrack.engine.build.bases import ImageBases
from carrack.engine.build.cachemounts import CacheMounts
from carrack.engine.build.caching.exporting import CacheExporter
from carrack.engine.build.caching.forms import Forms
from carrack.engine.build.caching.importing import Importer
from carrack.engine.build.caching.service import Caching
from carrack.engine.build.contexts import Contexts
from carrack.engine.build.executing import ContainerRunner
from carrack.engine.build.export import Exporter
from carrack.engine.build.fetching import Fetches
from carrack.engine.build.history import History
from carrack.engine.build.layouts import Layouts
from carrack.engine.build.mounting import Mounts
from carrack.engine.build.prune import BuildCache
from carrack.engine.build.scanning import Scanners
from carrack.engine.build.scratch import Scratch
from carrack.engine.build.service import Builder
from carrack.engine.build.sharing import Shared
from carrack.engine.build.working import Tools, Worker
from carrack.engine.containers.transient import Transients
from carrack.linux.syscalls import LINUX
from carrack.oci.platform import of_machine
from carrack.storage.content import ContentStore
from carrack.storage.usage import room

if TYPE_CHECKING:
    from carrack.daemon.config import Config
    from carrack.daemon.wiring import Services
    from carrack.engine.build.rules import Rules
    from carrack.engine.containers.attach import Attachments
    from carrack.engine.containers.start import Starter
    from carrack.engine.images.service import Images


def builder(
    services: Services,
    root: ContentStore,
    attachments: Attachments,
    starter: Starter,
    config: Config,
) -> Builder:
    """The builder of a daemon whose containers stand."""
    images = services.images
    transients = Transients(
        services.containers.creator, starter, attachments, services.joining.connector, services.snapshotter,
        services.paths, services.store.transient, services.jobs,
    )  # fmt: skip
    tools = Tools(
        images.layers, root, services.snapshotter, LINUX, services.build_cache, ContainerRunner(transients), Shared()
    )
    places = Scratch(Path(services.paths.run_root) / "build", services.snapshotter)
    places.sweep()
    kept = CacheMounts(Path(services.paths.data_root) / "build" / "mounts")
    mounts = Mounts(tools, kept, places)
    fetches = Fetches(root, root.root / "build" / "git", config.registry.proxies)
    fetches.sweep()
    cache = _cache(services, kept, root, config.builder_gc)
    history = History(services.records, root.root / "build" / "history", services.jobs.start)
    history.load()
    bases = ImageBases(images.store, images.layers, images.puller)
    return Builder(
        tools,
        bases,
        mounts,
        fetches,
        Exporter(images.store, Worker(tools), images.saver, images.pusher, of_machine(os.uname().machine)),
        cache,
        history,
        Attester(Scanners(Worker(tools), tools.runner, places, images.layers), bases),
        config.entitlements,
        _caching(images, tools),
        Layouts(images.layers, root, images.puller.transfers, of_machine(os.uname().machine)),
    )


def _cache(services: Services, kept: CacheMounts, root: ContentStore, rules: Rules) -> BuildCache:
    contexts = Contexts(Path(services.paths.data_root) / "build" / "contexts")
    contexts.sweep()
    images = services.images.store
    return BuildCache(services.build_cache, kept, contexts, images, services.events, lambda: room(root.root), rules)


def _caching(images: Images, tools: Tools) -> Caching:
    forms = Forms(tools.layers, tools.content, images.pusher.packer)
    importer = Importer(tools, images.client, images.puller.transfers)
    return Caching(importer, CacheExporter(tools.layers, forms, images.pusher))
