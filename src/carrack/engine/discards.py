"""Limits that this kernel cannot set are dropped with a warning, as Docker's users expect; nothing else is.

The texts and their order are dockerd's (its sysinfo checks), because tools look for them.
"""

from __future__ import annotations

from typing import Any

from carrack.errors import InvalidArgument
from carrack.model.container import Document

# ability, fields, what they fall back to, what the kernel does not support, what is discarded
_TABLE: tuple[tuple[str, tuple[str, ...], Any, str, str], ...] = (
    ("memory", ("Memory", "MemorySwap"), 0, "memory limit capabilities", "Limitation"),
    ("swappiness", ("MemorySwappiness",), None, "memory swappiness capabilities", "Memory swappiness"),
    ("reservation", ("MemoryReservation",), 0, "memory soft limit capabilities", "Limitation"),
    ("oom-kill", ("OomKillDisable",), False, "OomKillDisable", "OomKillDisable"),
    ("pids", ("PidsLimit",), None, "PIDs limit capabilities", "PIDs limit"),
    ("shares", ("CpuShares",), 0, "CPU shares", "Shares"),
    ("quota", ("CpuPeriod", "CpuQuota"), 0, "CPU CFS scheduler", "CPU period/quota"),
    ("cpuset", ("CpusetCpus", "CpusetMems"), "", "cpuset", "Cpuset"),
    ("weight", ("BlkioWeight",), 0, "Block I/O weight", "Weight"),
    ("weight-device", ("BlkioWeightDevice",), [], "Block I/O weight_device", "Weight-device"),
    ("read-bps", ("BlkioDeviceReadBps",), [], "BPS Block I/O read limit", "Block I/O BPS read limit"),
    ("write-bps", ("BlkioDeviceWriteBps",), [], "BPS Block I/O write limit", "Block I/O BPS write limit"),
    ("read-iops", ("BlkioDeviceReadIOps",), [], "IOPS Block read limit", "Block I/O IOPS read limit"),
    ("write-iops", ("BlkioDeviceWriteIOps",), [], "IOPS Block write limit", "Block I/O IOPS write limit"),
)
_MAYBE = "or the cgroup is not mounted"
#: what has no cgroup of its own to be mounted
_PLAIN = ("oom-kill", "quota")


def discard(host: Document, abilities: frozenset[str]) -> list[str]:
    """Drop in place what the kernel cannot do; returns the warnings.

    Raises InvalidArgument for what Docker does not drop: processors and real time.
    """
    if host["NanoCpus"] and "quota" not in abilities:
        raise InvalidArgument(f"NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler {_MAYBE}")
    if (host["CpuRealtimePeriod"] or host["CpuRealtimeRuntime"]) and "realtime" not in abilities:
        raise InvalidArgument("kernel does not support CPU real-time scheduler")
    warnings = _swap(host, abilities)
    for ability, fields, nothing, what, discarded in _TABLE:
        if ability in abilities:
            continue
        asked = [name for name in fields if host[name] not in (None, nothing, -1)]
        if asked:
            maybe = "" if ability in _PLAIN else f" {_MAYBE}"
            warnings.append(f"Your kernel does not support {what}{maybe}. {discarded} discarded.")
        for name in asked:
            host[name] = nothing
    if host["OomKillDisable"] and not host["Memory"]:
        told = "but no memory limit is set, this can result in the system running out of resources."
        warnings.append(f"OOM killer is disabled for the container, {told}")
    return warnings


def _swap(host: Document, abilities: frozenset[str]) -> list[str]:
    if "memory" not in abilities or "swap" in abilities or not host["Memory"] or host["MemorySwap"] == -1:
        return []
    host["MemorySwap"] = -1
    return [f"Your kernel does not support swap limit capabilities {_MAYBE}. Memory limited without swap."]


_DISKS = {
    "weight": ("io.weight support", ""),
    "weight-device": ("io.weight (per device) support", ""),
    "read-bps": ("io.max (rbps) support", "blkio throttle.read_bps_device support"),
    "write-bps": ("io.max (wbps) support", "blkio throttle.write_bps_device support"),
    "read-iops": ("io.max (riops) support", "blkio throttle.read_iops_device support"),
    "write-iops": ("io.max (wiops) support", "blkio throttle.write_iops_device support"),
}


def lacking(abilities: frozenset[str], version: int) -> list[str]:
    """What `docker info` warns of: limits of disks that the kernel lacks, and on cgroup version 1 the OOM switch."""
    told = [words[version == 1] for ability, words in _DISKS.items() if ability not in abilities]
    if version == 1 and "oom-kill" not in abilities:
        told.insert(0, "oom kill disable support")
    return [f"WARNING: No {word}" for word in told if word]
