"""Control groups of either version behind one face.

A *hierarchy* is the whole of what a machine mounts below /sys/fs/cgroup: eight or so trees on version 1 (hybrid
machines too: their controllers are where version 1 is), one tree on version 2. A *cgroup* is one path in it, on
version 1 the same path in every tree. Life of a cgroup: ``create`` makes it (missing parents too), ``add`` or
``clone_fd`` puts the first process in, ``apply`` sets limits any number of times, ``kill`` and ``remove`` end it.
Removing is only ever asked for what was made here, and never climbs to a parent.

See cgroups(7), Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of the kernel.
"""

from __future__ import annotations

import os

from carrack.errors import InvalidArgument, NotSupported
from carrack.linux.mount import read_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from carrack.linux.kernel import BpfKernel
    from carrack.oci.runtime_spec import LinuxResources
    from carrack.runtime.cgroups.stats import CgroupStats, CpuStats

    class CgroupReadings(Protocol):
        """What can be read of a cgroup."""

        path: str

        def processes(self) -> list[int]:
            """Host pids of it and everything below it."""
            ...

        def stats(self) -> CgroupStats:
            """The present figures; a controller that is not there leaves its part empty."""
            ...

        @property
        def cpu(self) -> CpuStats:
            """The processor's part of `stats` alone, as it is now."""
            ...

        def oom_kills(self) -> int:
            """How many processes the kernel has killed here for want of memory."""
            ...

        def frozen(self) -> bool:
            """Whether freeze() has taken effect."""
            ...

    class Cgroup(CgroupReadings, Protocol):
        """One cgroup that we made."""

        def add(self, pid: int, beside: int = 0) -> None:
            """Move a process in. ``beside``: a process of the container; where the container has made its cgroup the
            parent of others, none can be in it on version 2, and the cgroup below it where that one is is taken."""

        def clone_fd(self, beside: int = 0) -> int:
            """Version 2: a descriptor for CLONE_INTO_CGROUP, the caller's; version 1: -1, use add()."""
            ...

        def apply(self, resources: LinuxResources) -> None:
            """Set the given limits (OCI ``linux.resources``); what is not given stays. OSError names file and value."""

        def rename(self, path: str) -> Cgroup:
            """The same cgroup under another last name; on version 2 only while nothing is in it."""
            ...

        def freeze(self) -> None:
            """Stop every process in it; returns when all are stopped."""

        def thaw(self) -> None:
            """Let them go on."""

        def kill(self) -> None:
            """SIGKILL everything in it, thawing it first; returns when nothing is left or after 2 s."""

        def remove(self) -> None:
            """Remove it and what is below it; no error when it is gone already."""

    class Hierarchy(Protocol):
        """All mounted trees of this machine."""

        version: int

        def create(self, path: str) -> Cgroup:
            """Make the cgroup; one that exists is taken over."""
            ...

        def open(self, path: str) -> Cgroup:
            """One that exists (it is not checked)."""
            ...


def detect(root: str = "/sys/fs/cgroup", mountinfo: str | None = None, kernel: BpfKernel | None = None) -> Hierarchy:
    """What this machine has, from its mount table (default: our own). root: the directory all trees lie below.

    Raises NotSupported when no controller is mounted below root.
    """
    from carrack.runtime.cgroups.v1 import FirstHierarchy
    from carrack.runtime.cgroups.v2 import UnifiedHierarchy

    if mountinfo is None:
        with open("/proc/self/mountinfo") as file:
            mountinfo = file.read()
    trees: dict[str, str] = {}
    unified = ""
    for mount in read_mountinfo(mountinfo):
        below = mount.mount_point == root or mount.mount_point.startswith(root + "/")
        if mount.fstype == "cgroup2" and below:
            unified = unified or mount.mount_point
        elif mount.fstype == "cgroup" and below:
            for word in mount.super_options:
                if word.startswith("name=") or word in KNOWN_CONTROLLERS:
                    trees.setdefault(word, mount.mount_point)
    if any(not name.startswith("name=") for name in trees):
        return FirstHierarchy(trees)
    if unified:
        return UnifiedHierarchy(unified, kernel)
    raise NotSupported(f"no control group hierarchy is mounted below {root}: mount cgroup2 there")


KNOWN_CONTROLLERS = frozenset(
    "cpu cpuacct cpuset memory devices freezer blkio pids net_cls net_prio perf_event hugetlb rdma misc".split()
)


def check_path(path: str) -> str:
    """A cgroup path, absolute and clean; InvalidArgument when it could climb out or is the top."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or not path.startswith("/"):
        raise InvalidArgument(f"cgroup path {path!r}: must be absolute, below the top, and without ..")
    if any("\0" in part or len(os.fsencode(part)) > 255 or "\n" in part for part in parts):
        raise InvalidArgument(f"cgroup path {path!r}: not a valid name")
    return "/" + "/".join(parts)
