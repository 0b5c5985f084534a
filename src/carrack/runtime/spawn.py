"""Start a process in namespaces: some new, some joined, in a cgroup from its first instruction on.

The caller is always the parent, so that it alone reaps. Where namespaces are joined (setns would taint the caller),
or clock offsets written (only before the first member), a short-lived intermediate process does that and clones the
real one as its sibling with CLONE_PARENT. Until the parent has written the id maps and the cgroup membership the
child stands at a gate; if the parent fails there, the child never runs anything of the container.

Order inside, and why: other namespaces are joined before a user namespace (joining needs privileges over the one
left behind), while new ones are made together with a new user namespace so that it owns them, but the ipc one once we
are its root, whom its message queues are to belong to; a cgroup namespace is unshared last, because it freezes the
then current cgroup as its root. A joined one comes last too on version 2: from inside of it nobody is put into a
cgroup from outside of it (nsdelegate, see cgroups(7)).
"""

from __future__ import annotations

import os
import signal
import socket

from carrack.linux import namespaces as ns
from carrack.runtime import channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from carrack.linux.kernel import ProcessKernel
    from carrack.oci.runtime_spec import IdMapping, TimeOffset
    from carrack.runtime.cgroups.hierarchy import Cgroup

_CLOCKS = ("monotonic", "boottime")


class Namespace:
    """One namespace of a new process: type as in OCI; joined where fd is given, new otherwise."""

    __slots__ = ("fd", "type")

    def __init__(self, type: str, fd: int | None = None) -> None:
        self.type = type
        self.fd = fd

    def __repr__(self) -> str:
        return f"Namespace({self.type!r}, fd={self.fd})"


class Child:
    """A started process: its pid in our pid namespace, and a pidfd that the caller owns."""

    __slots__ = ("pid", "pidfd")

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd


def spawn(
    kernel: ProcessKernel,
    namespaces: Sequence[Namespace],
    main: Callable[[], None],
    *,
    cgroup: Cgroup | None = None,
    uid_map: Sequence[IdMapping] = (),
    gid_map: Sequence[IdMapping] = (),
    time_offsets: Mapping[str, TimeOffset] | None = None,
) -> Child:
    """Run main() in a new process in all of the namespaces; main never returns (if it does, or raises, exit 1).

    Raises OSError of the call that failed; no process is left then. Only for a process with one thread.
    """
    new = [space.type for space in namespaces if space.fd is None]
    joined = [space for space in namespaces if space.fd is not None]
    gate_child, gate_parent = channel.pair()
    cgroup_fd = -1 if cgroup is None or _joins_users(joined) else cgroup.clone_fd()
    try:
        late = [space for space in joined if space.type == "cgroup" and cgroup_fd >= 0]
        joined = [space for space in joined if space not in late]
        born = _Birth(kernel, new, joined, time_offsets, (gate_child, gate_parent), main, late)
        if joined or time_offsets:
            child = _spawn_sibling(born, cgroup_fd)
        else:
            child = _clone(born, ns.flags(_cloned(new)), cgroup_fd)
        gate_child.close()
        try:
            _settle(child.pid, cgroup if cgroup_fd < 0 else None, uid_map, gid_map, "user" in new)
            channel.send(gate_parent, {"go": True})
        except BaseException:
            _discard(kernel, child)
            raise
        return child
    finally:
        gate_child.close()
        gate_parent.close()
        if cgroup_fd >= 0:
            os.close(cgroup_fd)


def _joins_users(joined: Sequence[Namespace]) -> bool:
    """From inside of a user namespace nobody is born into a cgroup of the host's: there the parent puts it in."""
    return any(space.type == "user" for space in joined)


class _Birth:
    """What the child needs between clone and main()."""

    def __init__(
        self,
        kernel: ProcessKernel,
        new: list[str],
        joined: list[Namespace],
        time_offsets: Mapping[str, TimeOffset] | None,
        gate: tuple[socket.socket, socket.socket],
        main: Callable[[], None],
        late: list[Namespace],
    ) -> None:
        self.kernel = kernel
        self.new = new
        self.joined = joined
        self.time_offsets = time_offsets
        self.gate = gate
        self.main = main
        self.late = late

    def run(self) -> NoReturn:
        """The child's whole life; never returns to the caller's frames."""
        try:
            gate, parents_end = self.gate
            parents_end.close()  # else a dead parent would never be an end of file here
            message, _ = channel.receive(gate)
            gate.close()
            if message is not None:
                if "user" in self.new or any(space.type == "user" for space in self.joined):
                    _become_root()
                if _apart(self.new):
                    self.kernel.unshare(ns.CLONE_NEWIPC)
                if "cgroup" in self.new:
                    self.kernel.unshare(ns.CLONE_NEWCGROUP)
                for space in self.late:
                    assert space.fd is not None
                    self.kernel.setns(space.fd, ns.FLAGS[space.type])
                self.main()
        finally:
            os._exit(1)


def _cloned(new: list[str]) -> list[str]:
    """The new namespaces that clone3 makes; the cgroup one comes later, see above."""
    later = ("cgroup", "ipc") if _apart(new) else ("cgroup",)
    return [kind for kind in new if kind not in later]


def _apart(new: list[str]) -> bool:
    """Whether the ipc namespace is made after the user namespace."""
    return "user" in new and "ipc" in new


def _clone(born: _Birth, flags: int, cgroup_fd: int) -> Child:
    pid, pidfd = born.kernel.clone3(flags, cgroup_fd)
    if pid == 0:
        born.run()
    return Child(pid, pidfd)


def _spawn_sibling(born: _Birth, cgroup_fd: int) -> Child:
    """Through an intermediate that joins namespaces; it hands back pid and pidfd, or its error."""
    ours, theirs = channel.pair()
    intermediate = os.fork()
    if intermediate == 0:
        try:
            ours.close()
            _intermediate(born, cgroup_fd, theirs)
        finally:
            os._exit(0)
    theirs.close()
    try:
        message, fds = channel.receive(ours)
    finally:
        ours.close()
        os.waitpid(intermediate, 0)
    if message is None:
        raise OSError(0, "joining namespaces: the helper process ended without an answer")
    if "errno" in message:
        raise OSError(message["errno"], message["text"], message["what"])
    return Child(message["pid"], fds[0])


def _intermediate(born: _Birth, cgroup_fd: int, answer: socket.socket) -> None:
    kernel = born.kernel
    try:
        join(kernel, born.joined)
        flags = ns.flags(_cloned(born.new)) | ns.CLONE_PARENT
        if born.time_offsets:
            kernel.unshare(ns.CLONE_NEWTIME)
            _write_offsets(born.time_offsets)
            flags &= ~ns.CLONE_NEWTIME
        child = _clone(born, flags, cgroup_fd)
        channel.send(answer, {"pid": child.pid}, [child.pidfd])
    except OSError as error:
        what = str(error.filename or "")
        channel.send(answer, {"errno": error.errno or 0, "text": error.strerror or str(error), "what": what})


def join(kernel: ProcessKernel, joined: Sequence[Namespace]) -> None:
    """setns into each, a user namespace last; in a process that is given up afterwards.

    A joined user namespace also makes us its root, so that what follows is done with its privileges.
    """
    for space in sorted(joined, key=lambda space: space.type == "user"):
        assert space.fd is not None
        try:
            kernel.setns(space.fd, ns.FLAGS[space.type])
        except OSError as error:
            raise OSError(
                error.errno, f"joining the {space.type} namespace: {error.strerror}", error.filename
            ) from None
    if _joins_users(joined):
        _become_root()


def _become_root() -> None:
    """Root of the user namespace just entered, instead of an unmapped id."""
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    try:
        os.setgroups([])
    except PermissionError:  # a namespace whose setgroups is denied: its maps then hold one id only
        pass


def _write_offsets(offsets: Mapping[str, TimeOffset]) -> None:
    """time_namespaces(7): one line per clock, while the namespace has no member yet."""
    for clock, offset in offsets.items():
        if clock not in _CLOCKS:
            raise OSError(22, f"unknown clock in timeOffsets: {clock}")
        line = f"{clock} {offset.get('secs', 0)} {offset.get('nanosecs', 0)}\n"
        with open("/proc/self/timens_offsets", "w") as file:
            file.write(line)


def _settle(
    pid: int,
    cgroup: Cgroup | None,
    uid_map: Sequence[IdMapping],
    gid_map: Sequence[IdMapping],
    new_user_namespace: bool,
) -> None:
    """What only the parent can do for the child while it waits."""
    if cgroup is not None:
        cgroup.add(pid)
    if new_user_namespace:
        for name, mappings in (("uid_map", uid_map), ("gid_map", gid_map)):
            text = "".join(f"{m['containerID']} {m['hostID']} {m['size']}\n" for m in mappings)
            fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, text.encode())  # the kernel takes a map in one write only
            except OSError as error:
                raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: map {text!r}", name) from None
            finally:
                os.close(fd)


def _discard(kernel: ProcessKernel, child: Child) -> None:
    try:
        kernel.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        os.waitpid(child.pid, 0)
    except OSError:
        pass
    os.close(child.pidfd)
