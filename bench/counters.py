"""What the kernel counts: processor time of the host and of processes, and the memory that processes really take."""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_ENGINES = re.compile(r"^(dockerd|containerd|containerd-shim.*|docker-proxy)$")


def host_cpu() -> Callable[[], float]:
    """A reader of the seconds that all processors have worked since boot, by the finest counter of this host: the
    root cgroup's, in nanoseconds on v1 (cgroup-v1/cpuacct.rst) and microseconds on v2, else proc_stat(5)'s ticks."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpuacct" in options.split(","):
            file = Path(where, "cpuacct.usage")
            return lambda: int(file.read_bytes()) / 1e9
    for unified in (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/unified/cpu.stat")):
        if unified.exists():
            return lambda: int(unified.read_bytes().split(maxsplit=2)[1]) / 1e6
    return _proc_stat


def _proc_stat() -> float:
    with open("/proc/stat", encoding="ascii") as file:
        words = [int(word) for word in file.readline().split()[1:9]]
    user, nice, system, _idle, _wait, interrupts, soft, _stolen = words
    return (user + nice + system + interrupts + soft) / _TICK


def process_cpu(pids: Iterable[int]) -> float:
    """Seconds that these processes have worked (in steps of a tick); those that are gone count as 0."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def daemon_pid(host: str) -> int:
    """The process that listens on a unix socket (SO_PEERCRED, unix(7))."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(host.removeprefix("unix://"))
        return int(struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def engine_pids(host: str, containers: Iterable[int]) -> list[int]:
    """Every process of the engine behind a socket, without those of its ``containers`` (their first processes).

    Docker's are known by their names within the daemon's mount namespace; ours are the daemon's descendants.
    """
    daemon = daemon_pid(host)
    parents, names = _processes()
    if _ENGINES.match(names.get(daemon, "")):
        namespace = _namespace(daemon)
        return [pid for pid, name in names.items() if _ENGINES.match(name) and _namespace(pid) == namespace]
    return sorted(_descendants(daemon, parents) - {p for c in containers for p in _descendants(c, parents)})


def _processes() -> tuple[dict[int, int], dict[int, str]]:
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            head, _, tail = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        parents[int(entry)] = int(tail.split()[1])
        names[int(entry)] = os.path.basename(words[0].decode(errors="replace")) or head.partition("(")[2]
    return parents, names


def _descendants(root: int, parents: dict[int, int]) -> set[int]:
    found, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def pss(pids: Iterable[int]) -> int:
    """KiB of memory of these processes, shared pages divided among those that share them (smaps_rollup, proc(5))."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        total += int(text.partition("\nPss:")[2].split(maxsplit=1)[0])
    return total


def available() -> int:
    """KiB of MemAvailable (proc_meminfo(5))."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(text.partition("MemAvailable:")[2].split(maxsplit=1)[0])
