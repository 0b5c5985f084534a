"""What `metrics-addr` serves: dockerd's metrics under their names, and those of each container with its labels.

The containers' have cAdvisor's names, which dashboards know. All is read when it is asked for, and nothing between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from carrack import __version__
from carrack.engine import health
from carrack.engine.containers import stats
from carrack.engine.containers.record import Container
from carrack.engine.meter import Meter
from carrack.engine.system.info import Counts, SystemInfo
from carrack.errors import CarrackError
from carrack.model.exposition import Labels, Page, label_names

Document = dict[str, Any]

_NS = 1e9

PATIENCE = 5.0
"""Seconds a container's figures are waited for; one that does not give them is left out of this answer."""

_FAMILIES = {
    "container": ("engine_daemon_container_actions_seconds", "process each container action", "action"),
    "network": ("engine_daemon_network_actions_seconds", "process each network action", "action"),
    "image": ("engine_daemon_image_actions_seconds", "process each image action", "action"),
    "host": ("engine_daemon_host_info_functions_seconds", "call functions gathering info about the host", "function"),
}


_NAMES = {
    "asked": ("counter", "Questions that containers have asked the resolver"),
    "malformed": ("counter", "Packets to the resolver that are no questions, which are dropped"),
    "unsent": ("counter", "Answers of the resolver that a container did not take"),
    "forwarded": ("counter", "Questions that other name servers were asked"),
    "failed": ("counter", "Questions that no other name server could answer"),
    "full": ("counter", "Questions refused because too many were under way"),
    "kept": ("counter", "Questions refused because their container has no way to the outside"),
    "strange": ("counter", "Packets of other name servers that answer something else, which are dropped"),
    "defects": ("counter", "Packets that brought a defect of the resolver to light, which are dropped"),
    "waiting": ("gauge", "Questions to other name servers that are under way"),
    "sandboxes": ("gauge", "Containers whose questions are answered"),
}
"""What the resolver counts: its word, and ours."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures come from. ``events`` gives how many there were and who listens; ``checks`` how many health
    checks were run and failed, ``log_troubles`` what a container's log has lost, ``names`` what the resolver counts."""

    counts: Callable[[], Awaitable[Counts]]
    containers: Callable[[], Iterable[Container]]
    events: Callable[[], tuple[int, int]]
    checks: Callable[[], tuple[int, int]]
    log_troubles: Callable[[Container], Document | None]
    names: Callable[[], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class _Reading:
    labels: Labels
    container: Container
    figures: Document


class Metrics:
    """Answers scrapes."""

    def __init__(self, meter: Meter, info: SystemInfo, sources: Sources) -> None:
        self._meter = meter
        self._info = info
        self._sources = sources

    async def text(self) -> str:
        """The page as it stands now."""
        page = Page()
        await self._engine(page)
        readings = await self._read()
        containers = [(_labels(c), c) for c in self._sources.containers()]
        await self._names(page)
        _lives(page, containers)
        self._logs(page, containers)
        for name, kind, told, samples in _FIGURES:
            page.add(name, kind, told, [s for r in readings for s in samples(r)])
        return page.text()

    async def _engine(self, page: Page) -> None:
        for family, (name, what, label) in _FAMILIES.items():
            if histograms := self._meter.families.get(family):
                told = f"The number of seconds it takes to {what}"
                page.histogram(name, told, [({label: action}, h) for action, h in sorted(histograms.items())])
        for histogram in self._meter.families.get("health", {}).values():
            told = "The number of seconds it takes to prepare to run health checks"
            page.histogram("engine_daemon_health_check_start_duration_seconds", told, [({}, histogram)])
        counts = await self._sources.counts()
        states = {"paused": counts.paused, "running": counts.running, "stopped": counts.stopped}
        page.add("engine_daemon_container_states_containers", "gauge", "The count of containers in various states",
                 [({"state": state}, count) for state, count in states.items()])  # fmt: skip
        document = await self._info.info()
        page.add("engine_daemon_engine_cpus_cpus", "gauge",
                 "The number of cpus that the host system of the engine has", [({}, document["NCPU"])])  # fmt: skip
        page.add("engine_daemon_engine_info", "gauge",
                 "The information related to the engine and the OS it is running on",
                 [(_facts(document), 1)])  # fmt: skip
        page.add("engine_daemon_engine_memory_bytes", "gauge",
                 "The number of bytes of memory that the host system of the engine has",
                 [({}, document["MemTotal"])])  # fmt: skip
        happened, listeners = self._sources.events()
        page.add("engine_daemon_events_subscribers_total", "gauge",
                 "The number of current subscribers to events", [({}, listeners)])  # fmt: skip
        page.add("engine_daemon_events_total", "counter", "The number of events logged", [({}, happened)])
        checks, failed = self._sources.checks()
        page.add("engine_daemon_health_checks_failed_total", "counter",
                 "The total number of failed health checks", [({}, failed)])  # fmt: skip
        page.add("engine_daemon_health_checks_total", "counter",
                 "The total number of health checks", [({}, checks)])  # fmt: skip

    async def _names(self, page: Page) -> None:
        """Nothing while no resolver runs."""
        counts = await self._sources.names()
        for name, (kind, told) in _NAMES.items():
            if name in counts:
                suffix = "_total" if kind == "counter" else ""
                page.add(f"names_{name}{suffix}", kind, told, [({}, counts[name])])

    def _logs(self, page: Page, containers: list[tuple[Labels, Container]]) -> None:
        troubles = [(labels, found) for labels, c in containers if (found := self._sources.log_troubles(c))]
        page.add("container_log_dropped_messages_total", "counter", "Messages dropped for want of room",
                 [(labels, found["Dropped"]) for labels, found in troubles])  # fmt: skip
        page.add("container_log_lost_messages_total", "counter", "Messages that the logging driver gave up",
                 [(labels, found["Lost"]) for labels, found in troubles])  # fmt: skip

    async def _read(self) -> list[_Reading]:
        running = [c for c in self._sources.containers() if c.state.status in ("running", "paused")]
        figures = await asyncio.gather(*(_sample(c) for c in running))
        return [_Reading(_labels(c), c, f) for c, f in zip(running, figures, strict=True) if f is not None]


async def _sample(c: Container) -> Document | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await stats.sample(c, None)
    except (TimeoutError, CarrackError, OSError):
        return None  # it is ending, or its shim does not answer


def _facts(info: Document) -> Labels:
    return {
        "architecture": info["Architecture"], "commit": "", "daemon_id": info["ID"], "graphdriver": info["Driver"],
        "kernel": info["KernelVersion"], "os": info["OperatingSystem"], "os_type": info["OSType"],
        "os_version": info["OSVersion"], "version": __version__,
    }  # fmt: skip


def _labels(c: Container) -> Labels:
    labels = c.config["Labels"] or {}
    own = {made: labels[name] for name, made in label_names(labels, "container_label_").items()}
    return {"id": c.id, "image": c.image, "name": c.name, **own}


def _lives(page: Page, containers: list[tuple[Labels, Container]]) -> None:
    """What is told of containers that do not run, too."""
    page.add("container_state", "gauge", "1 for the state that the container is in",
             [({**labels, "state": c.state.status}, 1) for labels, c in containers])  # fmt: skip
    page.add("container_start_time_seconds", "gauge", "When the container was last started, in seconds since 1970",
             [(labels, c.state.started_at / 1e9) for labels, c in containers if c.state.started_at])  # fmt: skip
    page.add("container_restart_count", "gauge", "How often its restart policy has started the container again",
             [(labels, c.restart_count) for labels, c in containers])  # fmt: skip
    page.add("container_oom_killed", "gauge", "Whether the last run was ended for want of memory",
             [(labels, int(c.state.oom_killed)) for labels, c in containers])  # fmt: skip
    page.add("container_health", "gauge", "1 for the health that the container has",
             [({**labels, "status": c.state.health["Status"]}, 1)
              for labels, c in containers if c.state.health and c.state.health["Status"] != health.NONE])  # fmt: skip


Samples = Callable[[_Reading], Iterator[tuple[Labels, float]]]


def _one(*path: str, scale: float = 1) -> Samples:
    """The figure at a path of the document, where there is one."""

    def samples(reading: _Reading) -> Iterator[tuple[Labels, float]]:
        value: Any = reading.figures
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            yield reading.labels, value / scale

    return samples


def _memory(*names: str) -> Samples:
    """The first of some figures of memory.stat; the hierarchy's (version 1) go before the cgroup's own."""

    def samples(reading: _Reading) -> Iterator[tuple[Labels, float]]:
        figures = reading.figures["memory_stats"].get("stats", {})
        for name in names:
            if name in figures:
                yield reading.labels, figures[name]
                return

    return samples


def _working_set(reading: _Reading) -> Iterator[tuple[Labels, float]]:
    memory = reading.figures["memory_stats"]
    figures = memory.get("stats", {})
    idle = figures.get("total_inactive_file", figures.get("inactive_file", 0))
    yield reading.labels, max(0, memory.get("usage", 0) - idle)


def _network(key: str) -> Samples:
    def samples(reading: _Reading) -> Iterator[tuple[Labels, float]]:
        for interface, figures in reading.figures["networks"].items():
            yield {**reading.labels, "interface": interface}, figures[key]

    return samples


def _block(key: str, operation: str) -> Samples:
    def samples(reading: _Reading) -> Iterator[tuple[Labels, float]]:
        for entry in reading.figures["blkio_stats"].get(key) or ():
            if entry["op"].lower() == operation:
                yield {**reading.labels, "device": f"{entry['major']}:{entry['minor']}"}, entry["value"]

    return samples


def _bytes(operation: str) -> Samples:
    return _block("io_service_bytes_recursive", operation)


def _operations(operation: str) -> Samples:
    return _block("io_serviced_recursive", operation)


def _cpu(name: str) -> Samples:
    return _one("cpu_stats", "cpu_usage", name, scale=_NS)


def _throttling(name: str, scale: float = 1) -> Samples:
    return _one("cpu_stats", "throttling_data", name, scale=scale)


_FIGURES: tuple[tuple[str, str, str, Samples], ...] = (
    ("container_cpu_usage_seconds_total", "counter", "Processor time", _cpu("total_usage")),
    ("container_cpu_user_seconds_total", "counter", "Processor time in programs", _cpu("usage_in_usermode")),
    ("container_cpu_system_seconds_total", "counter", "Processor time in the kernel", _cpu("usage_in_kernelmode")),
    ("container_cpu_cfs_periods_total", "counter", "Periods of the processor quota", _throttling("periods")),
    ("container_cpu_cfs_throttled_periods_total", "counter", "Periods cut short", _throttling("throttled_periods")),
    ("container_cpu_cfs_throttled_seconds_total", "counter", "Time cut off", _throttling("throttled_time", _NS)),
    ("container_memory_usage_bytes", "gauge", "Memory, caches included", _one("memory_stats", "usage")),
    ("container_memory_max_usage_bytes", "gauge", "The most memory there ever was", _one("memory_stats", "max_usage")),
    ("container_memory_working_set_bytes", "gauge", "Memory without files that are not in use", _working_set),
    ("container_memory_cache", "gauge", "Memory that holds files", _memory("total_cache", "cache", "file")),
    ("container_memory_rss", "gauge", "Memory of the programs' own", _memory("total_rss", "rss", "anon")),
    ("container_memory_failcnt", "counter", "How often the limit was reached", _one("memory_stats", "failcnt")),
    ("container_spec_memory_limit_bytes", "gauge", "The limit, or the host's memory", _one("memory_stats", "limit")),
    ("container_processes", "gauge", "Processes and threads", _one("pids_stats", "current")),
    ("container_network_receive_bytes_total", "counter", "Bytes received", _network("rx_bytes")),
    ("container_network_receive_packets_total", "counter", "Packets received", _network("rx_packets")),
    ("container_network_receive_errors_total", "counter", "Errors while receiving", _network("rx_errors")),
    ("container_network_receive_packets_dropped_total", "counter", "Packets lost", _network("rx_dropped")),
    ("container_network_transmit_bytes_total", "counter", "Bytes sent", _network("tx_bytes")),
    ("container_network_transmit_packets_total", "counter", "Packets sent", _network("tx_packets")),
    ("container_network_transmit_errors_total", "counter", "Errors while sending", _network("tx_errors")),
    ("container_network_transmit_packets_dropped_total", "counter", "Packets lost", _network("tx_dropped")),
    ("container_fs_reads_bytes_total", "counter", "Bytes read from block devices", _bytes("read")),
    ("container_fs_writes_bytes_total", "counter", "Bytes written to block devices", _bytes("write")),
    ("container_fs_reads_total", "counter", "Reads of block devices", _operations("read")),
    ("container_fs_writes_total", "counter", "Writes to block devices", _operations("write")),
)  # fmt: skip
