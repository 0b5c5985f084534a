"""cgroup version 1: one path in each of several trees, one per controller or group of controllers.

Things worth knowing: a new cpuset is empty and takes no process until cpus and mems are written, so each missing
level copies its parent's; the device controller starts with "all" and narrows by deny and allow; a memory limit and
the limit with swap must be written in the order that never makes the second smaller than the first; freezing is
complete only when the state reads FROZEN. Words and orders as runc's fs manager.
"""

from __future__ import annotations

import errno
import os
import time

from carrack.errors import InvalidArgument, NotSupported
from carrack.runtime.cgroups import files, stats
from carrack.runtime.cgroups.device_filter import first_version_lines
from carrack.runtime.cgroups.hierarchy import check_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.oci.runtime_spec import CPU, BlockIO, LinuxResources, Memory
    from carrack.runtime.cgroups.stats import CgroupStats, CpuStats

_FREEZE_ATTEMPTS = 200


class FirstHierarchy:
    """All version 1 trees: controller (or ``name=…``) → mount point; joined controllers share one."""

    version = 1

    def __init__(self, trees: Mapping[str, str]) -> None:
        self._trees = dict(trees)

    def create(self, path: str) -> FirstCgroup:
        """Make the directory in every tree, with its missing parents; undone in all if it fails in one."""
        path = check_path(path)
        made: list[str] = []
        try:
            for mount_point in dict.fromkeys(self._trees.values()):
                self._create_in(mount_point, path, made)
        except OSError:
            for directory in reversed(made):
                os.rmdir(directory)
            raise
        return FirstCgroup(self._trees, path)

    def open(self, path: str) -> FirstCgroup:
        """An existing cgroup."""
        return FirstCgroup(self._trees, check_path(path))

    def _create_in(self, mount_point: str, path: str, made: list[str]) -> None:
        directory = mount_point
        for part in path.split("/")[1:]:
            parent, directory = directory, f"{directory}/{part}"
            try:
                os.mkdir(directory, 0o755)
            except FileExistsError:
                pass
            else:
                made.append(directory)
            if mount_point == self._trees.get("cpuset"):
                _inherit_cpuset(parent, directory)


def _inherit_cpuset(parent: str, directory: str) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not files.read(directory, name).strip():
            files.write(directory, name, files.read(parent, name).strip())


class FirstCgroup:
    """One path in all trees; implements hierarchy.Cgroup."""

    def __init__(self, trees: Mapping[str, str], path: str) -> None:
        self.path = path
        self._trees = dict(trees)
        self._directories = {name: mount_point + path for name, mount_point in trees.items()}

    def add(self, pid: int, beside: int = 0) -> None:
        """One write per tree; the first may wait for a grace period of the kernel (some milliseconds)."""
        for directory in self._unique():
            files.write(directory, "cgroup.procs", pid)

    def clone_fd(self, beside: int = 0) -> int:
        """Version 1 cannot clone into a cgroup."""
        return -1

    def apply(self, resources: LinuxResources) -> None:
        """See Cgroup.apply."""
        if resources.get("unified"):
            raise InvalidArgument("linux.resources.unified: only cgroup version 2 has it, this machine runs version 1")
        if "devices" in resources:
            directory = self._needed("devices", "devices")
            for name, line in first_version_lines(resources["devices"]):
                files.write(directory, name, line)
        if resources.get("memory"):
            self._apply_memory(resources["memory"])
        if resources.get("cpu"):
            self._apply_cpu(resources["cpu"])
        if resources.get("pids", {}).get("limit") is not None:
            limit = resources["pids"]["limit"]
            files.write(self._needed("pids", "pids"), "pids.max", limit if limit > 0 else "max")
        if resources.get("blockIO"):
            self._apply_block(resources["blockIO"])
        self._apply_rest(resources)

    def rename(self, path: str) -> FirstCgroup:
        """Within the same parent, in all trees; works with processes inside."""
        path = check_path(path)
        if path.rpartition("/")[0] != self.path.rpartition("/")[0]:
            raise InvalidArgument(f"a cgroup keeps its parent when renamed: {self.path} cannot become {path}")
        done: list[tuple[str, str]] = []
        renamed = FirstCgroup(self._trees, path)
        try:
            for old, new in zip(self._unique(), renamed._unique(), strict=True):
                os.rename(old, new)
                done.append((old, new))
        except OSError:
            for old, new in reversed(done):
                os.rename(new, old)
            raise
        return renamed

    def freeze(self) -> None:
        """Writes FROZEN until it is so: a process that forks meanwhile may need another round."""
        directory = self._needed("freezer", "pausing")
        for _ in range(_FREEZE_ATTEMPTS):
            files.write(directory, "freezer.state", "FROZEN")
            if files.read(directory, "freezer.state").strip() == "FROZEN":
                return
            time.sleep(0.005)
        self.thaw()
        raise OSError(errno.EBUSY, "unable to freeze", directory)

    def thaw(self) -> None:
        """See Cgroup.thaw."""
        files.write(self._needed("freezer", "pausing"), "freezer.state", "THAWED")

    def frozen(self) -> bool:
        """Whether all of it is stopped."""
        return self._freezer_state() == "FROZEN"

    def _is_thawed(self) -> bool:
        return self._freezer_state() == "THAWED"

    def _freezer_state(self) -> str:
        """THAWED, FREEZING or FROZEN; a cgroup that is gone, or has no freezer, holds nothing back."""
        directory = self._directories.get("freezer")
        try:
            return files.read(directory, "freezer.state").strip() if directory is not None else "THAWED"
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return "THAWED"
            raise

    def processes(self) -> list[int]:
        """From the tree that has it, all of which hold the same processes."""
        for name in ("freezer", "pids", "devices", "memory"):
            if name in self._directories:
                return files.processes(self._directories[name])
        return files.processes(next(iter(self._directories.values())))

    def stats(self) -> CgroupStats:
        """See stats.py."""
        return stats.first_version(self._directories)

    @property
    def cpu(self) -> CpuStats:
        """See stats.py."""
        return stats.first_cpu(self._directories)

    def oom_kills(self) -> int:
        """From memory.oom_control."""
        directory = self._directories.get("memory")
        return files.read_table(directory, "memory.oom_control").get("oom_kill", 0) if directory else 0

    def kill(self) -> None:
        """A frozen process does not die before it is thawed, nor one that came while the others were being frozen."""

        def thawed() -> list[int]:
            if not self._is_thawed():
                self.thaw()
            return self.processes()

        files.kill(thawed)

    def remove(self) -> None:
        """In every tree, whatever happened in another; the first failure is raised at the end."""
        failure: OSError | None = None
        for directory in self._unique():
            try:
                files.remove(directory)
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _unique(self) -> list[str]:
        return list(dict.fromkeys(self._directories.values()))

    def _needed(self, controller: str, what: str) -> str:
        if controller not in self._directories:
            raise NotSupported(f"{what}: the {controller} cgroup controller is not available on this machine")
        return self._directories[controller]

    def _apply_memory(self, memory: Memory) -> None:
        directory = self._needed("memory", "memory limits")
        limit, swap = memory.get("limit"), memory.get("swap")
        if limit == -1 and swap is None:
            swap = -1 if os.path.exists(f"{directory}/memory.memsw.limit_in_bytes") else None
        self._write_limits(directory, limit or None, swap or None)
        if memory.get("reservation"):
            files.write(directory, "memory.soft_limit_in_bytes", memory["reservation"])
        if memory.get("kernelTCP"):
            files.write(directory, "memory.kmem.tcp.limit_in_bytes", memory["kernelTCP"])
        if memory.get("disableOOMKiller"):
            files.write(directory, "memory.oom_control", 1)
        swappiness = memory.get("swappiness")
        if swappiness is not None and 0 <= swappiness <= 100:
            files.write(directory, "memory.swappiness", swappiness)
        elif swappiness is not None and swappiness != 2**64 - 1:
            raise InvalidArgument(f"linux.resources.memory.swappiness: {swappiness} is not in 0-100")

    def _write_limits(self, directory: str, limit: int | None, swap: int | None) -> None:
        """memory.limit must never exceed memory.memsw.limit: when growing, the latter goes first."""
        writes: list[tuple[str, int]] = []
        if limit is not None:
            writes.append(("memory.limit_in_bytes", limit))
        if swap is not None:
            writes.append(("memory.memsw.limit_in_bytes", swap))
        if limit is not None and swap is not None:
            current = files.read_number(directory, "memory.limit_in_bytes", 2**63)
            if swap == -1 or swap > current:
                writes.reverse()
        for name, value in writes:
            try:
                files.write(directory, name, value)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                usage = files.read_number(directory, "memory.usage_in_bytes")
                text = f"unable to set memory limit to {value} (current usage: {usage})"
                raise OSError(errno.EBUSY, text, f"{directory}/{name}") from None

    def _apply_cpu(self, cpu: CPU) -> None:
        if any(cpu.get(key) for key in ("shares", "quota", "period", "burst", "realtimeRuntime", "realtimePeriod")):
            directory = self._needed("cpu", "cpu limits")
            self._write_cpu(directory, cpu)
        if cpu.get("idle") is not None:
            files.write(self._needed("cpu", "cpu limits"), "cpu.idle", cpu["idle"])
        for key, name in (("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")):
            value = cpu.get(key)
            if value:
                files.write(self._needed("cpuset", "cpusets"), name, str(value))

    def _write_cpu(self, directory: str, cpu: CPU) -> None:
        shares = cpu.get("shares")
        if shares:
            files.write(directory, "cpu.shares", shares)
            found = files.read_number(directory, "cpu.shares")
            if not 2 <= shares <= 262144 and found != shares:
                bound = "minimum" if shares < found else "maximum"
                raise InvalidArgument(f"the {bound} allowed cpu-shares is {found}")
        order = (
            ("period", "cpu.cfs_period_us"),
            ("quota", "cpu.cfs_quota_us"),
            ("burst", "cpu.cfs_burst_us"),
            ("realtimePeriod", "cpu.rt_period_us"),
            ("realtimeRuntime", "cpu.rt_runtime_us"),
        )
        late: tuple[str, int] | None = None
        for key, name in order:
            value = cpu.get(key)
            if not isinstance(value, int) or not value:
                continue
            try:
                files.write(directory, name, value)
            except OSError as error:
                # a period may be invalid with the old quota (a parent's limit): then the quota goes first
                if key != "period" or error.errno != errno.EINVAL or not cpu.get("quota"):
                    raise
                late = (name, value)
        if late is not None:
            files.write(directory, *late)

    def _apply_block(self, block: BlockIO) -> None:
        directory = self._needed("blkio", "block I/O limits")
        refuse_leaf_weights(block)
        if block.get("weight"):
            files.write(directory, _weight_file(directory), block["weight"])
        for device in block.get("weightDevice", ()):
            if device.get("weight"):
                line = f"{device['major']}:{device['minor']} {device['weight']}"
                files.write(directory, _weight_file(directory) + "_device", line)
        for key, name in (
            ("throttleReadBpsDevice", "read_bps_device"),
            ("throttleWriteBpsDevice", "write_bps_device"),
            ("throttleReadIOPSDevice", "read_iops_device"),
            ("throttleWriteIOPSDevice", "write_iops_device"),
        ):
            for limit in block.get(key, ()):  # type: ignore[attr-defined]
                line = f"{limit['major']}:{limit['minor']} {limit['rate']}"
                files.write(directory, f"blkio.throttle.{name}", line)

    def _apply_rest(self, resources: LinuxResources) -> None:
        for page in resources.get("hugepageLimits", ()):
            directory = self._needed("hugetlb", "huge page limits")
            files.write(directory, f"hugetlb.{page['pageSize']}.limit_in_bytes", page["limit"])
        for device, limits in resources.get("rdma", {}).items():
            directory = self._needed("rdma", "RDMA limits")
            files.write(directory, "rdma.max", rdma_line(device, limits))
        network = resources.get("network", {})
        if network.get("classID"):
            files.write(self._needed("net_cls", "network classes"), "net_cls.classid", str(network["classID"]))
        priorities = network.get("priorities", ())
        for entry in priorities if isinstance(priorities, list) else ():
            line = f"{entry['name']} {entry['priority']}"
            files.write(self._needed("net_prio", "network priorities"), "net_prio.ifpriomap", line)


def refuse_leaf_weights(block: BlockIO) -> None:
    """InvalidArgument for what went with the CFQ scheduler (Linux 5.0) and neither version has any more."""
    if block.get("leafWeight") or any(device.get("leafWeight") for device in block.get("weightDevice", ())):
        raise InvalidArgument("linux.resources.blockIO.leafWeight: no supported kernel has it")


def rdma_line(device: str, limits: Mapping[str, int]) -> str:
    """One line of rdma.max, the same on both versions."""
    words = [
        f"{name}={limits[key]}"
        for key, name in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))
        if key in limits
    ]
    return " ".join([device, *words])


def _weight_file(directory: str) -> str:
    """Weights belong to the CFQ scheduler on old kernels and to BFQ on newer ones; some kernels have neither."""
    for name in ("blkio.weight", "blkio.bfq.weight"):
        if os.path.exists(f"{directory}/{name}"):
            return name
    raise NotSupported("block I/O weight: this kernel's cgroups have no weight (a scheduler like BFQ is needed)")
