"""The figures of a cgroup in one shape for both versions: plain numbers, the kernel's names kept where they differ.

A part whose controller is missing is an empty dictionary. The Docker API's shape is made elsewhere from this one.
"""

from __future__ import annotations

from carrack.runtime.cgroups import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypedDict

    class CpuStats(TypedDict, total=False):
        """Nanoseconds; ``per_cpu_ns`` only on version 1."""

        usage_ns: int
        user_ns: int
        system_ns: int
        per_cpu_ns: list[int]
        periods: int
        throttled_periods: int
        throttled_ns: int

    class MemoryStats(TypedDict, total=False):
        """Bytes; a limit of 0 is none; ``stats`` is memory.stat as the kernel gives it."""

        usage: int
        max_usage: int
        limit: int
        failures: int
        stats: dict[str, int]

    class BlockEntry(TypedDict):
        """One device and operation (``read``, ``write``, …)."""

        major: int
        minor: int
        op: str
        value: int

    class BlockStats(TypedDict, total=False):
        """Bytes and operations."""

        service_bytes: list[BlockEntry]
        serviced: list[BlockEntry]

    class PidsStats(TypedDict, total=False):
        """A limit of 0 is none."""

        current: int
        limit: int

    class CgroupStats(TypedDict):
        """``version`` is 1 or 2."""

        version: int
        cpu: CpuStats
        memory: MemoryStats
        block: BlockStats
        pids: PidsStats
        oom_kills: int


#: version 1 reports "no limit" as the largest page-aligned number
_NO_LIMIT = 2**62
_USER_HZ = 100


def first_version(directories: Mapping[str, str]) -> CgroupStats:
    """From the directory of each controller."""
    memory = directories.get("memory")
    return {
        "version": 1,
        "cpu": first_cpu(directories),
        "memory": _first_memory(memory) if memory else {},
        "block": _first_block(directories["blkio"]) if "blkio" in directories else {},
        "pids": _pids(directories["pids"]) if "pids" in directories else {},
        "oom_kills": files.read_table(memory, "memory.oom_control").get("oom_kill", 0) if memory else 0,
    }


def unified(directory: str) -> CgroupStats:
    """From the one directory of version 2."""
    events = files.read_table(directory, "memory.events")
    return {
        "version": 2,
        "cpu": unified_cpu(directory),
        "memory": {
            "usage": files.read_number(directory, "memory.current"),
            "max_usage": files.read_number(directory, "memory.peak"),
            "limit": files.read_number(directory, "memory.max"),
            "failures": events.get("max", 0),
            "stats": files.read_table(directory, "memory.stat"),
        },
        "block": _unified_block(directory),
        "pids": _pids(directory),
        "oom_kills": events.get("oom_kill", 0),
    }


def unified_cpu(directory: str) -> CpuStats:
    """The processor's part of them alone."""
    cpu = files.read_table(directory, "cpu.stat")
    return {
        "usage_ns": cpu.get("usage_usec", 0) * 1000,
        "user_ns": cpu.get("user_usec", 0) * 1000,
        "system_ns": cpu.get("system_usec", 0) * 1000,
        "periods": cpu.get("nr_periods", 0),
        "throttled_periods": cpu.get("nr_throttled", 0),
        "throttled_ns": cpu.get("throttled_usec", 0) * 1000,
    }


def _pids(directory: str) -> PidsStats:
    return {
        "current": files.read_number(directory, "pids.current"),
        "limit": files.read_number(directory, "pids.max"),
    }


def first_cpu(directories: Mapping[str, str]) -> CpuStats:
    """The processor's part of them alone."""
    result: CpuStats = {}
    if "cpuacct" in directories:
        directory = directories["cpuacct"]
        ticks = files.read_table(directory, "cpuacct.stat")
        result["usage_ns"] = files.read_number(directory, "cpuacct.usage")
        result["user_ns"] = ticks.get("user", 0) * (10**9 // _USER_HZ)
        result["system_ns"] = ticks.get("system", 0) * (10**9 // _USER_HZ)
        result["per_cpu_ns"] = [int(word) for word in _text(directory, "cpuacct.usage_percpu").split()]
    if "cpu" in directories:
        table = files.read_table(directories["cpu"], "cpu.stat")
        result["periods"] = table.get("nr_periods", 0)
        result["throttled_periods"] = table.get("nr_throttled", 0)
        result["throttled_ns"] = table.get("throttled_time", 0)
    return result


def _first_memory(directory: str) -> MemoryStats:
    limit = files.read_number(directory, "memory.limit_in_bytes")
    return {
        "usage": files.read_number(directory, "memory.usage_in_bytes"),
        "max_usage": files.read_number(directory, "memory.max_usage_in_bytes"),
        "limit": 0 if limit >= _NO_LIMIT else limit,
        "failures": files.read_number(directory, "memory.failcnt"),
        "stats": files.read_table(directory, "memory.stat"),
    }


def _first_block(directory: str) -> BlockStats:
    """Lines ``8:0 Read 4096``; the recursive files of BFQ where they exist, else those of throttling."""
    result: BlockStats = {"service_bytes": [], "serviced": []}
    for key, name in (("service_bytes", "io_service_bytes"), ("serviced", "io_serviced")):
        entries: list[BlockEntry] = []
        for prefix in ("blkio.bfq.", "blkio.throttle."):
            entries = _first_entries(_text(directory, f"{prefix}{name}_recursive"))
            if entries:
                break
        result[key] = entries  # type: ignore[literal-required]
    return result


def _first_entries(text: str) -> list[BlockEntry]:
    entries: list[BlockEntry] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2].isdigit() and ":" in words[0]:
            major, minor = words[0].split(":")
            entries.append({"major": int(major), "minor": int(minor), "op": words[1].lower(), "value": int(words[2])})
    return entries


def _unified_block(directory: str) -> BlockStats:
    """Lines ``8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6``."""
    result: BlockStats = {"service_bytes": [], "serviced": []}
    meanings = {
        "rbytes": (result["service_bytes"], "read"),
        "wbytes": (result["service_bytes"], "write"),
        "rios": (result["serviced"], "read"),
        "wios": (result["serviced"], "write"),
    }
    for line in _text(directory, "io.stat").splitlines():
        device, _, rest = line.partition(" ")
        major, colon, minor = device.partition(":")
        if not colon or not major.isdigit() or not minor.isdigit():
            continue
        for word in rest.split():
            key, _, value = word.partition("=")
            if key in meanings and value.isdigit():
                entries, op = meanings[key]
                entries.append({"major": int(major), "minor": int(minor), "op": op, "value": int(value)})
    return result


def _text(directory: str, name: str) -> str:
    try:
        return files.read(directory, name)
    except OSError:
        return ""
