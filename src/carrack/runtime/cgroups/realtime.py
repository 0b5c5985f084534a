"""Processor time for real-time programs, granted to the cgroups that containers lie below (cgroup v1).

Below a cgroup that has none no other can be given any, and the root's is all there is. Source: the kernel's
Documentation/scheduler/sched-rt-group.rst.
"""

from __future__ import annotations

import os

from carrack.errors import NotSupported
from carrack.runtime.cgroups import files
from carrack.runtime.cgroups.hierarchy import check_path, detect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.runtime.cgroups.hierarchy import Hierarchy

_CPU = "/sys/fs/cgroup/cpu"
_RUNTIME, _PERIOD = "cpu.rt_runtime_us", "cpu.rt_period_us"


def supported(cpu: str = _CPU) -> bool:
    """Whether this machine's cgroups share real-time out."""
    return os.path.exists(f"{cpu}/{_RUNTIME}")


def grant(path: str, period: int, runtime: int, *, hierarchy: Hierarchy | None = None, cpu: str = _CPU) -> None:
    """Give every cgroup down to that path so many microseconds in each period (0: what it has), made where missing.

    Raises NotSupported without such cgroups, OSError (naming file and value) when a parent has not so much.
    """
    if not supported(cpu):
        raise NotSupported("kernel does not support CPU real-time scheduler")
    path = check_path(path)
    (hierarchy or detect()).create(path)
    directory = cpu
    for part in path.split("/")[1:]:
        directory = f"{directory}/{part}"
        for name, value in ((_PERIOD, period), (_RUNTIME, runtime)):
            if value and files.read_number(directory, name) != value:
                files.write(directory, name, value)
