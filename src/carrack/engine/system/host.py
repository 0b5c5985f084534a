"""Facts about the host, read from its kernel files: release, memory, processors, which limits the cgroups can set.

Every path hangs below a root argument, so that a recorded tree can stand in for the host.
"""

from __future__ import annotations

import os
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Which resource limits this kernel can enforce, under the Engine API's names in /info."""

    cgroup_version: int
    memory: bool
    swap: bool
    cpu_quota: bool
    cpu_shares: bool
    cpuset: bool
    pids: bool
    oom_kill_disable: bool

    def warnings(self) -> list[str]:
        """dockerd's warnings for what is missing."""
        missing = {
            "No memory limit support": self.memory,
            "No swap limit support": self.swap,
            "No cpu cfs quota support": self.cpu_quota,
            "No cpu shares support": self.cpu_shares,
            "No cpuset support": self.cpuset,
            "No pids limit support": self.pids,
        }
        return [f"WARNING: {text}" for text, there in missing.items() if not there]


class Host:
    """The machine below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def hostname(self) -> str:
        """The host's name at this moment."""
        return self._read("proc/sys/kernel/hostname") or platform.node()

    def kernel_version(self) -> str:
        """The kernel's release, e.g. "6.12.0-amd64"."""
        return self._read("proc/sys/kernel/osrelease")

    def machine(self) -> str:
        """The hardware's name as the kernel has it, e.g. "x86_64"."""
        return platform.machine()

    def operating_system(self) -> tuple[str, str]:
        """(pretty name, version id) of the distribution (os-release(5))."""
        fields: dict[str, str] = {}
        for path in ("etc/os-release", "usr/lib/os-release"):
            for line in self._read(path).splitlines():
                name, equals, value = line.partition("=")
                if equals and not name.startswith("#"):
                    fields.setdefault(name.strip(), _unquote(value))
            if fields:
                break
        name = fields.get("PRETTY_NAME") or fields.get("NAME") or "Linux"
        if (self._root / ".dockerenv").exists():
            name += " (containerized)"
        return name, fields.get("VERSION_ID", "")

    def memory_total(self) -> int:
        """Bytes of memory; 0 when the kernel does not say."""
        for line in self._read("proc/meminfo").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
        return 0

    def processors(self) -> int:
        """Processors this daemon may run on."""
        return len(os.sched_getaffinity(0))

    def ip_forwarding(self) -> bool:
        """Whether IPv4 packets are forwarded."""
        return self._read("proc/sys/net/ipv4/ip_forward") == "1"

    def open_files(self) -> int:
        """Open descriptors of this process."""
        return len(os.listdir("/proc/self/fd")) - 1

    def limits(self) -> Limits:
        """What the cgroup hierarchies can limit."""
        base = self._root / "sys/fs/cgroup"
        if (base / "cgroup.controllers").exists():
            return self._unified(set(self._read("sys/fs/cgroup/cgroup.controllers").split()))
        memory, cpu = base / "memory", base / "cpu"
        return Limits(
            cgroup_version=1,
            memory=(memory / "memory.limit_in_bytes").exists(),
            swap=(memory / "memory.memsw.limit_in_bytes").exists(),
            cpu_quota=(cpu / "cpu.cfs_quota_us").exists(),
            cpu_shares=(cpu / "cpu.shares").exists(),
            cpuset=(base / "cpuset/cpuset.cpus").exists(),
            pids=(base / "pids").is_dir(),
            oom_kill_disable=(memory / "memory.oom_control").exists(),
        )

    def _unified(self, controllers: set[str]) -> Limits:
        return Limits(
            cgroup_version=2,
            memory="memory" in controllers,
            swap="memory" in controllers and (self._root / "proc/swaps").exists(),
            cpu_quota="cpu" in controllers,
            cpu_shares="cpu" in controllers,
            cpuset="cpuset" in controllers,
            pids="pids" in controllers,
            oom_kill_disable=False,  # gone with cgroup v2
        )

    def _read(self, path: str) -> str:
        try:
            return (self._root / path).read_text(errors="replace").strip()
        except OSError:
            return ""


def _unquote(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        return value.strip()
    return words[0] if words else ""


def init_binary(root: Path = Path("/")) -> str | None:
    """The distribution's static init for ``--init``: of the tini or the catatonit package; None without one."""
    for name in ("usr/bin/tini-static", "usr/bin/catatonit", "usr/libexec/podman/catatonit", "usr/bin/docker-init"):
        if os.access(root / name, os.X_OK):
            return str(root / name)
    return None
