"""Which limits this machine's control groups can set at all, so that what they cannot is told when a container is made.

Sources: cgroup-v1/*.rst and cgroup-v2.rst of the kernel's documentation; the words are ours.
"""

from __future__ import annotations

import os

from carrack.runtime.cgroups.v2 import UnifiedHierarchy

_FIRST = {
    "memory": "memory/memory.limit_in_bytes",
    "swap": "memory/memory.memsw.limit_in_bytes",
    "reservation": "memory/memory.soft_limit_in_bytes",
    "swappiness": "memory/memory.swappiness",
    "oom-kill": "memory/memory.oom_control",
    "shares": "cpu/cpu.shares",
    "quota": "cpu/cpu.cfs_quota_us",
    "realtime": "cpu/cpu.rt_runtime_us",
    "cpuset": "cpuset/cpuset.cpus",
    "pids": "pids/cgroup.procs",
    "read-bps": "blkio/blkio.throttle.read_bps_device",
    "write-bps": "blkio/blkio.throttle.write_bps_device",
    "read-iops": "blkio/blkio.throttle.read_iops_device",
    "write-iops": "blkio/blkio.throttle.write_iops_device",
}
_THROTTLES = frozenset(("read-bps", "write-bps", "read-iops", "write-iops"))
_BY_CONTROLLER = {
    "memory": frozenset(("memory", "reservation")),
    "cpu": frozenset(("shares", "quota")),
    "cpuset": frozenset(("cpuset",)),
    "pids": frozenset(("pids",)),
    "io": _THROTTLES,
}
EVERYTHING = frozenset((*_FIRST, "weight", "weight-device"))


def find(root: str = "/sys/fs/cgroup") -> frozenset[str]:
    """The words of `EVERYTHING` that hold here: all of them where nobody may look.

    A cgroup is made to look, and removed: the top lacks some files.
    """
    try:
        return _find(root)
    except OSError:
        return EVERYTHING


def _find(root: str) -> frozenset[str]:
    name = f"carrack-trial-{os.getpid()}"
    if os.path.exists(f"{root}/cgroup.controllers"):
        trial = UnifiedHierarchy(root).create(f"/{name}")
        try:
            return unified(root + trial.path)
        finally:
            trial.remove()
    if not os.path.isdir(f"{root}/blkio"):
        return first_version(root, "")
    directory = f"{root}/blkio/{name}"
    os.mkdir(directory)
    try:
        return first_version(root, directory)
    finally:
        os.rmdir(directory)


def first_version(root: str, blkio: str) -> frozenset[str]:
    """Of the trees mounted below ``root``, where ``blkio`` is a cgroup of that controller's."""
    found = {word for word, path in _FIRST.items() if os.path.exists(f"{root}/{path}")}
    for weight in ("blkio.weight", "blkio.bfq.weight"):
        if blkio and os.path.exists(f"{blkio}/{weight}"):
            found.add("weight")
            if os.path.exists(f"{blkio}/{weight}_device"):
                found.add("weight-device")
    return frozenset(found)


def unified(directory: str) -> frozenset[str]:
    """Of a cgroup below the top of the one tree."""
    with open(f"{directory}/cgroup.controllers") as file:
        controllers = file.read().split()
    found = {word for name in controllers for word in _BY_CONTROLLER.get(name, ())}
    if os.path.exists(f"{directory}/memory.swap.max"):
        found.add("swap")
    if any(os.path.exists(f"{directory}/{name}") for name in ("io.weight", "io.bfq.weight")):
        found |= {"weight", "weight-device"}
    return frozenset(found)
