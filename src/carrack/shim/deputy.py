"""The shim in place of a first process that has no rights on the host, because it is in a user namespace.

What stub.py says of the host's part of a start is done here, in the shim, with its functions; the first process is
given its plan when all is arranged. Such a shim has touched more memory than others.
"""

from __future__ import annotations

import os

from carrack.runtime import channel, devices, process
from carrack.shim.protocol import StartError
from carrack.shim.stub import ERRORS, Plan, announce, arrange, await_start, open_held, report, settle_cgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import Any

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Process
    from carrack.runtime.cgroups.hierarchy import Hierarchy
    from carrack.runtime.spawn import Child
    from carrack.shim.stub import Message


def wait(kernel: Kernel, hierarchy: Hierarchy, plan: Plan, child: Child, stub: socket, control: socket) -> Message:
    """Park, and arrange the start; the message for the shim as stub.py would send it, None when it is all over."""
    request: Any = None
    try:
        parked, network = channel.receive(stub)
        if parked is None or "error" in parked:
            return parked, []
        null_fd = devices.private_null(kernel)
        announce(control, child.pid, child.pidfd, plan, network, str(child.pid))
        message, fds = await_start(control, child.pidfd)
        if message is None:
            return None, []
        request = message.get("id")
        arranged = arrange(message, fds, child.pid, null_fd, open_held(str(child.pid), plan))
        if "runtime" in arranged.document:  # the first process has its namespaces to give, and no more to do
            return arranged.document, arranged.fds
        spec = arranged.plan["spec"]
        give_streams([arranged.packed[index] for index in arranged.plan.get("stdio", ())], child.pid)
        process.raise_hard_limits(spec.get("process", {}), child.pid)
        _adjust_oom_score(spec.get("process", {}), child.pid)
        settle_cgroup(hierarchy, plan.cgroup, arranged.document["cgroup"], spec, child.pid)
        channel.send(stub, {"plan": arranged.plan}, arranged.packed)
        for fd in {*arranged.packed, *fds}.difference(arranged.fds):
            os.close(fd)
        return arranged.document, arranged.fds
    except (StartError, *ERRORS) as error:
        return {"id": request, "error": report("sandbox", error)}, []


def give_streams(fds: list[int], pid: int) -> None:
    """Make the ends of pipes that we made those of the root of a process's user namespace, who hands them on."""
    owner = [_root(f"/proc/{pid}/{name}") for name in ("uid_map", "gid_map")]
    for fd in fds:
        os.fchown(fd, *owner)


def _root(path: str) -> int:
    """Whom 0 of a map is on the host; -1, which changes nothing, when it is nobody."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for line in os.read(fd, 65536).decode().splitlines():
            inside, outside, _ = map(int, line.split())
            if inside == 0:
                return outside
    finally:
        os.close(fd)
    return -1


def _adjust_oom_score(wanted: Process, pid: int) -> None:
    """What only the host's root may do: below what it is already. What fails here is told by the process itself."""
    if "oomScoreAdj" not in wanted:
        return
    try:
        fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, str(wanted["oomScoreAdj"]).encode())
        finally:
            os.close(fd)
    except OSError:
        pass
