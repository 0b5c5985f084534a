"""Has the services timed as dockerd times its own, and hands their figures to the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.engine.containers import logconfig
from carrack.engine.system.metrics import Metrics, Sources

if TYPE_CHECKING:
    from carrack.daemon.wiring import Services
    from carrack.engine.containers.health import HealthMonitors


def metrics(services: Services, health: HealthMonitors) -> Metrics:
    """The metrics of services that are built and have not started; starts and removals are timed already."""
    meter, images = services.meter, services.images
    meter.timed(services.containers.creator, "container", create="create")
    meter.timed(services.containers.files, "container", changes="changes")
    meter.timed(images.commits, "container", commit="commit")
    meter.timed(services.joining.connector, "network", connect="allocate", disconnect="release")
    meter.timed(services.fabric, "network", connect="connect")
    meter.timed(images.loader, "image", load="load")
    meter.timed(images.importer, "image", load="import")
    meter.timed(images.remover, "image", remove="delete")
    meter.timed(services.info, "host", info="system_info")
    if meter.on:
        health.prepared = meter.histogram("health", "start").observe
    sources = Sources(
        counts=services.counts,
        containers=lambda: services.store,
        events=lambda: (services.events.count, services.events.listeners),
        checks=lambda: (health.checks, health.failed),
        log_troubles=lambda c: logconfig.status(c, services.paths),
        names=lambda: services.resolving.resolver.counts(),
    )
    return Metrics(meter, services.info, sources)
