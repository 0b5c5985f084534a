"""`stats`: the figures of a running container in the Docker API's shape.

The cgroup's come from its files, the network's from the program's own /proc/PID/net/dev. What all processors of the
host have spent, idle time included, is the time since it was booted, once for each of them: as the sum in proc_stat(5),
but in nanoseconds and not in hundredths of a second, so that a short while is enough to tell a container's share.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any

from carrack.engine.containers.record import Container
from carrack.errors import Conflict, NotFound
from carrack.model import times
from carrack.model.container import Document

WINDOW = 0.1
"""Seconds between the two looks at a container whose figures are asked for once: a period of the kernel's quotas, so
that a container at its limit shows that; dockerd takes one or two seconds."""

_LOW_LEVEL = ("rx_bytes", "rx_packets", "rx_errors", "rx_dropped")


async def once(c: Container) -> Document:
    """The figures of now beside those of a moment ago, so that the client can tell rates."""
    if c.shim is None or not _runs(c):
        return stopped(c)
    try:
        first = {"cpu_stats": _processor(await c.shim.cpu()), "read": times.rfc3339(times.now())}
    except NotFound:  # it has ended just now
        return stopped(c)
    await asyncio.sleep(WINDOW)
    return await sample(c, first)


async def sample(c: Container, before: Document | None) -> Document:
    """One document; ``before`` is the one of a moment ago, for clients that show rates."""
    if c.shim is None or not _runs(c):
        return stopped(c)
    try:
        figures = await c.shim.stats()
    except NotFound:  # it has ended just now
        return stopped(c)
    none = {"cpu_usage": _ZERO_CPU, "throttling_data": _ZERO_THROTTLING}
    return {
        "name": "/" + c.name,
        "id": c.id,
        "read": times.rfc3339(times.now()),
        "preread": before["read"] if before else times.ZERO,
        "pids_stats": _pids(figures["pids"], figures["version"]),
        "blkio_stats": _block(figures["block"], [] if figures["version"] == 1 else None),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _processor(figures["cpu"]),
        "precpu_stats": before["cpu_stats"] if before else none,
        "memory_stats": _memory(figures["memory"], figures["version"]),
        "networks": _networks(c.state.pid),
    }


def _runs(c: Container) -> bool:
    return c.state.status in ("running", "paused")


def stopped(c: Container) -> Document:
    """The document of a container that does not run: all zero."""
    none = {"cpu_usage": _ZERO_CPU, "throttling_data": _ZERO_THROTTLING}
    return {
        "name": "/" + c.name, "id": c.id, "read": times.ZERO, "preread": times.ZERO, "pids_stats": {},
        "blkio_stats": _block({}, None), "num_procs": 0, "storage_stats": {},
        "cpu_stats": none, "precpu_stats": none, "memory_stats": {},
    }  # fmt: skip


_ZERO_CPU = {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}
_ZERO_THROTTLING = {"periods": 0, "throttled_periods": 0, "throttled_time": 0}


def _processor(figures: Mapping[str, Any]) -> Document:
    usage: Document = {"total_usage": figures.get("usage_ns", 0)}
    if "per_cpu_ns" in figures:
        usage["percpu_usage"] = figures["per_cpu_ns"]
    usage["usage_in_kernelmode"] = figures.get("system_ns", 0)
    usage["usage_in_usermode"] = figures.get("user_ns", 0)
    processors = os.cpu_count() or 1
    throttling = {
        "periods": figures.get("periods", 0),
        "throttled_periods": figures.get("throttled_periods", 0),
        "throttled_time": figures.get("throttled_ns", 0),
    }
    return {
        "cpu_usage": usage,
        "system_cpu_usage": time.monotonic_ns() * processors,
        "online_cpus": processors,
        "throttling_data": throttling,
    }


def _memory(figures: Mapping[str, Any], version: int) -> Document:
    limit = figures.get("limit") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    result: Document = {"usage": figures.get("usage", 0)}
    if version == 1:
        result["max_usage"] = figures.get("max_usage", 0)
    result["stats"] = figures.get("stats", {})
    if version == 1 and figures.get("failures"):
        result["failcnt"] = figures["failures"]
    return {**result, "limit": limit}


def _pids(figures: Mapping[str, Any], version: int) -> Document:
    """Version 1 says nothing of a limit that is not set, version 2 says the largest number: so Docker shows them."""
    result = {"current": figures.get("current", 0)}
    if limit := figures.get("limit") or (2**64 - 1 if version == 2 else 0):
        result["limit"] = limit
    return result


def _block(figures: Mapping[str, Any], none: list[Any] | None) -> Document:
    words = "io_service_bytes io_serviced io_queue io_service_time io_wait_time io_merged io_time sectors"
    result: Document = {f"{word}_recursive": none for word in words.split()}
    for ours, theirs in (("service_bytes", "io_service_bytes_recursive"), ("serviced", "io_serviced_recursive")):
        if figures.get(ours):
            result[theirs] = figures[ours]
    return result


def _networks(pid: int) -> Document:
    """Per interface but the loopback, out of proc_pid_net_dev(5): 8 figures received, then 8 sent."""
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            lines = file.readlines()[2:]
    except OSError:
        return {}
    result = {}
    for line in lines:
        name, _, rest = line.partition(":")
        values = [int(word) for word in rest.split()]
        if name.strip() == "lo":
            continue
        received, sent = values[0:4], values[8:12]
        result[name.strip()] = {
            **dict(zip(_LOW_LEVEL, received, strict=True)),
            **dict(zip((word.replace("rx", "tx") for word in _LOW_LEVEL), sent, strict=True)),
        }
    return result


def top(c: Container, pids: list[int], listing: str) -> Document:
    """The `top` document: those lines of a ``ps`` listing that belong to the container. Raises Conflict without PID."""
    lines = listing.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise Conflict("Couldn't find PID field in ps output")
    column = titles.index("PID")
    wanted = {str(pid) for pid in pids}
    rows = []
    for line in lines[1:]:
        words = line.split(maxsplit=len(titles) - 1)
        if len(words) > column and words[column] in wanted:
            rows.append(words)
    return {"Processes": rows, "Titles": titles}
