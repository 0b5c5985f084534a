"""cgroup version 2: one tree, controllers handed down level by level, device rules as a BPF program.

Conversions of what the spec says in version 1's terms are runc's: cpu shares 2…262144 onto cpu.weight 1…10000, a
memory limit with swap onto swap alone, blkio weights 10…1000 onto io weights 1…10000. A process cannot be in a
cgroup that hands controllers down, so only the parents have subtree_control written.
"""

from __future__ import annotations

import errno
import os
import time

from carrack.errors import Conflict, InvalidArgument, NotSupported
from carrack.runtime.cgroups import device_filter, files, stats
from carrack.runtime.cgroups.hierarchy import check_path
from carrack.runtime.cgroups.v1 import rdma_line, refuse_leaf_weights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import BpfKernel
    from carrack.oci.runtime_spec import CPU, BlockIO, DeviceRule, LinuxResources, Memory
    from carrack.runtime.cgroups.stats import CgroupStats, CpuStats

_BPF_F_ALLOW_MULTI = 2
_FREEZE_ATTEMPTS = 400


class UnifiedHierarchy:
    """The tree mounted at mount_point; kernel is needed for device rules only (default: the running one)."""

    version = 2

    def __init__(self, mount_point: str, kernel: BpfKernel | None = None) -> None:
        self._mount_point = mount_point
        self._kernel = kernel

    def create(self, path: str) -> UnifiedCgroup:
        """Make it and its parents; every parent hands down the controllers it has itself."""
        path = check_path(path)
        directory = self._mount_point
        made: list[str] = []
        try:
            for part in path.split("/")[1:]:
                _hand_down(directory)
                directory = f"{directory}/{part}"
                try:
                    os.mkdir(directory, 0o755)
                    made.append(directory)
                except FileExistsError:
                    pass
        except OSError:
            for each in reversed(made):
                os.rmdir(each)
            raise
        return UnifiedCgroup(self._mount_point, path, self._kernel)

    def open(self, path: str) -> UnifiedCgroup:
        """An existing cgroup."""
        return UnifiedCgroup(self._mount_point, check_path(path), self._kernel)


def _hand_down(directory: str) -> None:
    """Enable each available controller for the children; one that refuses (threads, real-time tasks) is left out."""
    available = set(files.read(directory, "cgroup.controllers").split())
    enabled = set(files.read(directory, "cgroup.subtree_control").split())
    for controller in sorted(available - enabled):
        try:
            files.write(directory, "cgroup.subtree_control", f"+{controller}")
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP):
                raise


class UnifiedCgroup:
    """One directory; implements hierarchy.Cgroup."""

    def __init__(self, mount_point: str, path: str, kernel: BpfKernel | None) -> None:
        self.path = path
        self._mount_point = mount_point
        self._directory = mount_point + path
        self._kernel = kernel

    def add(self, pid: int, beside: int = 0) -> None:
        """See Cgroup.add."""
        files.write(self._place(beside), "cgroup.procs", pid)

    def clone_fd(self, beside: int = 0) -> int:
        """See Cgroup.clone_fd."""
        return os.open(self._place(beside), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def apply(self, resources: LinuxResources) -> None:
        """See Cgroup.apply; ``unified`` comes last, so that it has the last word."""
        if "devices" in resources:
            self._apply_devices(resources["devices"])
        if resources.get("memory"):
            self._apply_memory(resources["memory"])
        if resources.get("cpu"):
            self._apply_cpu(resources["cpu"])
        limit = resources.get("pids", {}).get("limit")
        if limit is not None:
            self._write("pids.max", str(limit) if limit > 0 else "max")
        if resources.get("blockIO"):
            self._apply_block(resources["blockIO"])
        for page in resources.get("hugepageLimits", ()):
            self._write(f"hugetlb.{page['pageSize']}.max", page["limit"])
        for device, limits in resources.get("rdma", {}).items():
            self._write("rdma.max", rdma_line(device, limits))
        if any(resources.get("network", {}).values()):
            raise InvalidArgument("linux.resources.network: cgroup version 2 has no network class or priority")
        self._apply_unified(resources.get("unified", {}))

    def rename(self, path: str) -> UnifiedCgroup:
        """Version 2 has no rename: an empty one is made anew; one with processes is refused."""
        path = check_path(path)
        if self.processes():
            raise InvalidArgument(f"cgroup {self.path} cannot be renamed to {path} while processes are in it")
        self.remove()
        return UnifiedHierarchy(self._mount_point, self._kernel).create(path)

    def freeze(self) -> None:
        """cgroup.freeze is asynchronous: wait until cgroup.events says so, for up to 2 s."""
        self._write("cgroup.freeze", 1)
        for _ in range(_FREEZE_ATTEMPTS):
            if self.frozen():
                return
            time.sleep(0.005)
        self.thaw()
        raise OSError(errno.EBUSY, "unable to freeze", self._directory)

    def thaw(self) -> None:
        """See Cgroup.thaw."""
        self._write("cgroup.freeze", 0)

    def frozen(self) -> bool:
        """Whether all of it is stopped."""
        return files.read_table(self._directory, "cgroup.events").get("frozen", 0) == 1

    def processes(self) -> list[int]:
        """See CgroupReadings.processes."""
        return files.processes(self._directory)

    def stats(self) -> CgroupStats:
        """See stats.py."""
        return stats.unified(self._directory)

    @property
    def cpu(self) -> CpuStats:
        """See stats.py."""
        return stats.unified_cpu(self._directory)

    def oom_kills(self) -> int:
        """From memory.events."""
        return files.read_table(self._directory, "memory.events").get("oom_kill", 0)

    def kill(self) -> None:
        """cgroup.kill (Linux 5.14) takes the whole tree at once; else one by one."""
        if os.path.exists(f"{self._directory}/cgroup.kill"):
            try:
                self._write("cgroup.kill", 1)
            except FileNotFoundError:
                return
        if files.read_table(self._directory, "cgroup.events").get("frozen"):
            self.thaw()
        files.kill(self.processes)

    def remove(self) -> None:
        """See Cgroup.remove."""
        files.remove(self._directory)

    def _place(self, beside: int) -> str:
        """Where a process can be: what a container has below its own cgroup is its business, elsewhere it is not."""
        if not beside or not files.read(self._directory, "cgroup.subtree_control").strip():
            return self._directory
        path = path_of(beside)
        return self._mount_point + path if path.startswith(self.path + "/") else self._directory

    def _write(self, name: str, value: str | int) -> None:
        path = f"{self._directory}/{name}"
        if not os.path.exists(path) and os.path.isdir(self._directory):
            controller = name.partition(".")[0]
            raise NotSupported(f"the {controller} cgroup controller is not available at {path}: it is not handed down")
        files.write(self._directory, name, value)

    def _apply_devices(self, rules: list[DeviceRule]) -> None:
        """Attach the new program first and detach what was there after: never a moment without."""
        if self._kernel is None:
            from carrack.linux.syscalls import LINUX

            self._kernel = LINUX
        kernel = self._kernel
        loaded = kernel.bpf_load_device(device_filter.program(rules))
        try:
            directory = self.clone_fd()
            try:
                before = kernel.bpf_query_device(directory)
                kernel.bpf_attach_device(directory, loaded, _BPF_F_ALLOW_MULTI)
                for number in before:
                    old = kernel.bpf_program(number)
                    try:
                        kernel.bpf_detach_device(directory, old)
                    finally:
                        os.close(old)
            finally:
                os.close(directory)
        finally:
            os.close(loaded)

    def _apply_memory(self, memory: Memory) -> None:
        limit, swap = memory.get("limit"), memory.get("swap")
        usage = files.read_number(self._directory, "memory.current")
        if memory.get("checkBeforeUpdate") and limit and 0 < limit <= usage:
            raise Conflict(f"rejecting memory limit {limit} <= usage {usage}")
        swap_value = swap_without_memory(swap, limit)
        no_swap_here = swap_value in ("0", "max") and not os.path.exists(f"{self._directory}/memory.swap.max")
        if swap_value is not None and not no_swap_here:
            self._write("memory.swap.max", swap_value)
        if limit:
            self._write("memory.max", _or_max(limit))
        if memory.get("reservation"):
            self._write("memory.low", _or_max(memory["reservation"]))
        for key in ("disableOOMKiller", "kernelTCP"):
            if memory.get(key):
                raise InvalidArgument(f"linux.resources.memory.{key}: cgroup version 2 does not have it")
        swappiness = memory.get("swappiness")
        if swappiness is not None and swappiness not in (2**64 - 1, -1):
            raise InvalidArgument("linux.resources.memory.swappiness: cgroup version 2 does not have it")

    def _apply_cpu(self, cpu: CPU) -> None:
        if cpu.get("realtimeRuntime") or cpu.get("realtimePeriod"):
            raise InvalidArgument("linux.resources.cpu: cgroup version 2 has no real-time limits")
        if cpu.get("shares"):
            self._write("cpu.weight", weight_of_shares(cpu["shares"]))
        if cpu.get("idle") is not None:
            self._write("cpu.idle", cpu["idle"])
        quota, period = cpu.get("quota"), cpu.get("period")
        if quota or period:
            text = str(quota) if quota and quota > 0 else "max"
            self._write("cpu.max", f"{text} {period}" if period else text)
        if cpu.get("burst"):
            self._write("cpu.max.burst", cpu["burst"])
        if cpu.get("cpus"):
            self._write("cpuset.cpus", cpu["cpus"])
        if cpu.get("mems"):
            self._write("cpuset.mems", cpu["mems"])

    def _apply_block(self, block: BlockIO) -> None:
        refuse_leaf_weights(block)
        if block.get("weight"):
            bfq = os.path.exists(f"{self._directory}/io.bfq.weight")
            weight = block["weight"]
            self._write(*(("io.bfq.weight", weight) if bfq else ("io.weight", f"default {io_weight(weight)}")))
        for device in block.get("weightDevice", ()):
            if device.get("weight"):
                line = f"{device['major']}:{device['minor']} {device['weight']}"
                self._write("io.bfq.weight", line)
        for key, word in (
            ("throttleReadBpsDevice", "rbps"),
            ("throttleWriteBpsDevice", "wbps"),
            ("throttleReadIOPSDevice", "riops"),
            ("throttleWriteIOPSDevice", "wiops"),
        ):
            for limit in block.get(key, ()):  # type: ignore[attr-defined]
                self._write("io.max", f"{limit['major']}:{limit['minor']} {word}={limit['rate'] or 'max'}")

    def _apply_unified(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            if "/" in name or not name.partition(".")[2]:
                raise InvalidArgument(f"linux.resources.unified: {name!r} is not the name of a cgroup file")
            for line in value.splitlines() or [""]:
                self._write(name, line)


def path_of(pid: int, proc: str = "/proc") -> str:
    """The version 2 cgroup of a process, as cgroups(7) says; empty when it has ended."""
    try:
        with open(f"{proc}/{pid}/cgroup") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def weight_of_shares(shares: int) -> int:
    """cpu.shares (2…262144, 1024 normal) → cpu.weight (1…10000, 100 normal), linear as runc does it."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def io_weight(weight: int) -> int:
    """blkio weight (10…1000) → io.weight (1…10000)."""
    return 1 + (min(max(weight, 10), 1000) - 10) * 9999 // 990


def swap_without_memory(swap: int | None, limit: int | None) -> str | None:
    """memory.swap.max for a limit on memory plus swap; None to leave it alone. InvalidArgument when smaller."""
    if limit == -1 and not swap:
        return "max"
    if not swap:
        return None
    if swap == -1:
        return "max"
    if not limit or limit < 0:
        raise InvalidArgument("unable to set swap limit without memory limit")
    if swap < limit:
        raise InvalidArgument("memory+swap limit should be >= memory limit")
    return str(swap - limit)


def _or_max(value: int) -> str:
    return "max" if value == -1 else str(value)
