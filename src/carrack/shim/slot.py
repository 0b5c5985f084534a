"""A sandbox made ahead of need: a container's namespaces and cgroup, and in them a first process that waits.

What is slow or varies is done here, before anyone waits: new namespaces, the first entry into a cgroup (a grace
period of the kernel on cgroup v1), loopback, a netlink socket opened inside for the daemon. All that is the first
process's work (stub.py), except where it has no rights on the host: in a user namespace. The shim holds the mount and
ipc namespaces by descriptor from before the program runs: the kernel reports an exit only after it has torn down what
nobody else holds, and that can take tens of milliseconds.
"""

from __future__ import annotations

import os
import select
import signal
import socket

from carrack.linux import namespaces as ns
from carrack.runtime import channel, spawn
from carrack.runtime.spawn import Child
from carrack.shim import deputy, protocol, stub
from carrack.shim import loop as events
from carrack.shim.stub import Plan, keep_only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from carrack.linux.kernel import Kernel
    from carrack.runtime.cgroups.hierarchy import Cgroup, Hierarchy
    from carrack.shim.external import Runtime
    from carrack.shim.loop import Loop

__all__ = ["Sandbox", "keep_only", "prepare"]

#: seconds that a first process may take to see that the daemon has gone
_FAREWELL = 5.0


class Sandbox:
    """Namespaces, cgroup and the first process; owned by one shim."""

    def __init__(self, kernel: Kernel, hierarchy: Hierarchy, plan: Plan, child: Child, sock: socket.socket) -> None:
        self.kernel = kernel
        self._hierarchy = hierarchy
        self._plan = plan
        self._paths = [plan.cgroup]
        self.child = child
        self.stub = sock
        self.null_fd = -1
        self.namespace_fds: list[int] = []
        self._cgroup: Cgroup | None = None
        self.runtime: Runtime | None = None

    @property
    def cgroup(self) -> Cgroup:
        """Under its latest name; opened when first asked for, since an idle shim has no use for it."""
        if self._cgroup is None:
            self._cgroup = self._hierarchy.open(self._paths[-1])
        return self._cgroup

    def rename(self, path: str) -> None:
        """The cgroup has that name, or soon will have it."""
        self._paths.append(path)
        self._cgroup = None

    def settle(self) -> None:
        """The first process has become the program, or is dead: only then may the cgroup have the old name.

        One that is just dying has closed what it told of its success by, as the program's execution does, and cannot be
        waited for yet; but it has let go of its memory before (do_exit in the kernel), and with that of its program.
        """
        try:
            os.readlink(f"/proc/{self.child.pid}/exe")
        except OSError:
            return
        if os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            del self._paths[:-1]

    def adopt(self, pid: int, runtime: Runtime) -> None:
        """That process is the container's first one, made by another runtime; ours has done its work."""
        self.dismiss()
        os.close(self.child.pidfd)
        self.child = Child(pid, os.pidfd_open(pid))
        self.runtime = runtime
        for kind in ("mount", "ipc"):
            self.namespace_fds.append(os.open(ns.proc_path(pid, kind), os.O_RDONLY | os.O_CLOEXEC))

    def dismiss(self) -> None:
        """End our first process, whose cgroup is not the container's."""
        self.stub.close()
        os.waitpid(self.child.pid, 0)
        parked = self._paths.pop(0)
        self._hierarchy.open(parked).remove()

    def release_namespaces(self) -> None:
        """Let the kernel tear down what only we hold; slow, so after the exit was told."""
        while self.namespace_fds:
            os.close(self.namespace_fds.pop())

    def wait(self, loop: Loop, control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
        """Park until the first process says something: None when it ended, as it does when the daemon lets it go."""
        if self._plan.in_user_namespace:
            return deputy.wait(self.kernel, self._hierarchy, self._plan, self.child, self.stub, control)
        said: list[int] = []
        loop.watch(self.stub.fileno(), events.IN, said.append)
        loop.watch(control.fileno(), events.PEER_CLOSED, said.append)
        loop.turn()
        loop.forget(self.stub.fileno())
        loop.forget(control.fileno())
        only_gone = all(ready & events.PEER_CLOSED for ready in said)
        if only_gone and not select.select([self.stub], [], [], _FAREWELL)[0]:
            return None, []
        return channel.receive(self.stub, protocol.MAX_FDS)

    def give(self, fds: list[int]) -> list[int]:
        """Let a further process have the ends of its pipes, if it is to be in a user namespace; returns them."""
        if self._plan.in_user_namespace:
            deputy.give_streams(fds, self.child.pid)
        return fds

    def kill(self) -> None:
        """End the first process, whatever it has become."""
        try:
            self.kernel.pidfd_send_signal(self.child.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def destroy(self) -> None:
        """Nothing is left afterwards: process, cgroup, namespaces."""
        self.stub.close()
        self.kill()
        try:
            os.waitpid(self.child.pid, 0)
        except ChildProcessError:
            pass
        self.release_namespaces()
        self.remove_cgroup(kill=True)

    def remove_cgroup(self, kill: bool = False) -> None:
        """Under whichever name it has: a first process that was killed may not have come to giving it the last."""
        if self.runtime is not None:
            self.runtime.delete()
        for path in self._paths:
            cgroup = self._hierarchy.open(path)
            try:
                if kill:
                    cgroup.kill()
                cgroup.remove()
            except OSError:  # somebody else entered it; the daemon must still be answered
                pass


class Usual:
    """What all slots of a plan have in common, made by the zygote: a shim that had to work it out would touch a fifth
    more memory, and keep that. ``flags``: of clone3, where nothing is joined or mapped; else None. The cgroup's name is
    the daemon's word (``named``), or ``prefix`` and the number of the shim."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.plan = Plan(document, "")
        self.new = [kind for kind in self.plan.new if kind != "cgroup"]  # that is made when the cgroup has its name
        self.flags = None if document["join"] or self.plan.in_user_namespace else ns.flags(self.new)
        self.parent = document["cgroup_parent"].rstrip("/") + "/"
        self.named = bool(document.get("named"))
        self.prefix = f"slot-{os.urandom(4).hex()}-"


def prepare(
    kernel: Kernel, hierarchy: Hierarchy, document: dict[str, Any], joined: list[int], control: socket.socket
) -> Sandbox:
    """Start the first process of a slot plan; ``joined`` are the descriptors its ``join`` indexes name, ``usual`` in it
    is its `Usual`.

    It goes on by itself, and speaks to the daemon on ``control``. Raises OSError with nothing left behind.
    """
    usual: Usual = document["usual"]
    plan = usual.plan
    plan.cgroup = usual.parent + (_name(control) if usual.named else f"{usual.prefix}{os.getpid()}")
    ours, theirs = channel.bare_pair()
    cgroup = hierarchy.create(plan.cgroup) if plan.in_user_namespace or hierarchy.version != 1 else None
    try:
        if usual.flags is None:
            child = _apart(kernel, hierarchy, document, joined, control, theirs, cgroup)
        else:
            cgroup_fd = -1 if cgroup is None else cgroup.clone_fd()
            pid, pidfd = kernel.clone3(usual.flags, cgroup_fd)
            if pid == 0:
                _first(kernel, hierarchy, plan, control, theirs)
            if cgroup_fd >= 0:
                os.close(cgroup_fd)
            child = Child(pid, pidfd)
    except BaseException:
        ours.close()
        if cgroup is not None:
            cgroup.remove()
        raise
    finally:
        theirs.close()
    return Sandbox(kernel, hierarchy, plan, child, ours)


def _first(kernel: Kernel, hierarchy: Hierarchy, plan: Plan, control: socket.socket, theirs: socket.socket) -> NoReturn:
    try:
        stub.privileged(kernel, hierarchy, plan, control, theirs)
    finally:
        os._exit(1)


def _apart(
    kernel: Kernel,
    hierarchy: Hierarchy,
    document: dict[str, Any],
    joined: list[int],
    control: socket.socket,
    theirs: socket.socket,
    cgroup: Cgroup | None,
) -> Child:
    """What joins namespaces, or is in a user namespace."""
    usual: Usual = document["usual"]

    def first() -> NoReturn:
        if usual.plan.in_user_namespace:
            stub.unprivileged(kernel, usual.plan, theirs)
        stub.privileged(kernel, hierarchy, usual.plan, control, theirs)

    return spawn.spawn(kernel, _spaces(usual.new, document, joined), first, cgroup=cgroup, **_maps(document))


def _name(control: socket.socket) -> str:
    """The first word of the daemon, which it has said already."""
    message, _ = channel.receive(control)
    if message is None:
        raise OSError(0, "the daemon has gone while a slot was made")
    return str(message["name"])


def _spaces(new: list[str], document: dict[str, Any], joined: list[int]) -> list[spawn.Namespace]:
    spaces = [spawn.Namespace(kind) for kind in new]
    return spaces + [spawn.Namespace(kind, joined[index]) for kind, index in document["join"].items()]


def _maps(document: dict[str, Any]) -> dict[str, Any]:
    return {name: document.get(name, ()) for name in ("uid_map", "gid_map")}
