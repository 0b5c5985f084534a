"""One more process in a running container.

With `join` the caller forks; the fork is the *intermediate*: it goes into the container's cgroup and namespaces and
clones the real process as its own sibling, so that the caller is the parent and reaps it. With `fork_inside` and
`enter` the caller, which is hidden itself, forks into the container's pid namespace, and there is no intermediate: half
the time. What comes into a container is hidden from it before it enters (not dumpable, CVE-2019-5736, CVE-2016-9962),
has loaded all it needs, and reads nothing of the container but by descriptor.

Conversation on the channel, ours on the left:

    {"pid": n}                                         (`join`) its host pid, always before its own messages
    {"console": true} + [master]                       with a terminal
    {"error": {...}}                                   at any time; then the process ends
    end of file                                        the program runs (or the process is gone)
"""

from __future__ import annotations

import errno
import os
import select

from carrack.errors import Conflict, InvalidArgument
from carrack.linux import caps, tty
from carrack.linux import namespaces as ns
from carrack.runtime import channel, console, init, inroot, lsm, process, users

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import NoReturn, TypedDict

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Process, Seccomp
    from carrack.runtime.cgroups.hierarchy import Cgroup

    class ExecPlan(TypedDict, total=False):
        """What to start; ints are descriptors of this process. ``seccomp`` is compiled when no program is given."""

        container: str
        process: Process
        user: str
        groups: list[str]
        seccomp_program: str
        seccomp: Seccomp
        stdio: list[int]
        preserve_fds: int


_STOPPED = "cannot exec in a stopped container"
#: how long its first process may take to end when it is not what ended the pid namespace, but ends with it
_DYING_MS = 200


class Target:
    """The container: pid and pidfd of its first process, and its cgroup (None: the caller's own).

    ``cloned``: whoever enters is in the cgroup already."""

    __slots__ = ("cgroup", "cloned", "pid", "pidfd")

    def __init__(self, pid: int, pidfd: int, cgroup: Cgroup | None = None) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.cgroup = cgroup
        self.cloned = False


def ended(pidfd: int, patience_ms: int = 0) -> bool:
    """Whether that process has ended, or does within the time."""
    waiting = select.poll()
    waiting.register(pidfd, select.POLLIN)
    return bool(waiting.poll(patience_ms))


class _Entry:
    """What the steps hand on; the same names as init.Setup, whose functions it shares."""

    def __init__(self, kernel: Kernel, plan: ExecPlan, sock: socket.socket) -> None:
        self.kernel = kernel
        self.plan = plan
        self.channel = sock
        self.process = plan["process"]
        if not self.process.get("args"):
            raise InvalidArgument("process.args: must name a program")
        lsm.check(self.process)
        self.filter = process.seccomp_program(plan.get("seccomp_program"), plan.get("seccomp"))
        self.last_cap = caps.last_cap()
        self.procfs = inroot.Procfs(kernel)  # the host's numbering; ``self`` is right in any
        self.capabilities = process.allowed_capabilities(
            self.process.get("capabilities", {}), process.permitted_mask(self.procfs)
        )
        self.root_fd = -1
        self.terminal: tty.Pty | None = None
        self.identity = users.Identity(0, 0, [], "/")
        self.variables: dict[str, str] = {}
        self.executable = ""
        self.label = ""  # what it is given has the label that the first process gave it


def join(kernel: Kernel, target: Target, plan: ExecPlan, sock: socket.socket) -> NoReturn:
    """Start plan["process"] in the target; runs in a process forked for it, which ends here."""
    code = 0
    try:
        entry = _Entry(kernel, plan, sock)
        process.set_oom_score_adj(entry.process, entry.procfs)
        process.hide(kernel)
        cgroup_fd = -1
        if target.cgroup is not None and not _has_own_users(target):
            cgroup_fd = target.cgroup.clone_fd(target.pid)
        if target.cgroup is not None and cgroup_fd < 0:
            target.cgroup.add(os.getpid(), target.pid)
        init.seal_imports()
        process.raise_hard_limits(entry.process)
        cgroup_namespace = _enter(kernel, target, later=ns.CLONE_NEWCGROUP if cgroup_fd >= 0 else 0)
        gate_read, gate_write = os.pipe2(os.O_CLOEXEC)
        pid, pidfd = _clone(kernel, target, ns.CLONE_PARENT, cgroup_fd)
        if pid == 0:
            if cgroup_namespace is not None:
                kernel.setns(cgroup_namespace, ns.CLONE_NEWCGROUP)
                os.close(cgroup_namespace)
            os.close(gate_write)
            os.read(gate_read, 1)
            init.run_steps(STEPS, lambda: entry, sock)
        os.close(pidfd)
        channel.send(sock, {"pid": pid})
    except BaseException as error:
        report = init.describe("enter the container", error)
        code = report["exit_code"]
        try:
            channel.send(sock, {"error": report})
        except OSError:
            pass
    finally:
        os._exit(code)


def fork_inside(kernel: Kernel, target: Target) -> tuple[int, int]:
    """Fork into the target's pid namespace and, on version 2, its cgroup: ``(0, -1)`` in the child, which calls
    `enter`, ``(pid, pidfd)`` in the caller, which is in its own namespace as before.

    Whoever is in that pid namespace sees the child, so the caller hides itself first, and with it what it forks.
    Raises Conflict when the container has ended.
    """
    process.hide(kernel)
    cgroup_fd = target.cgroup.clone_fd(target.pid) if target.cgroup is not None else -1
    target.cloned = cgroup_fd >= 0
    home = os.open(ns.proc_path("self", "pid"), os.O_RDONLY | os.O_CLOEXEC)
    pid = -1
    try:
        away = _namespace(ns.proc_path(target.pid, "pid")) != _namespace(ns.proc_path("self", "pid"))
        if away:
            _join(kernel, target, ns.CLONE_NEWPID)
        try:
            pid, pidfd = _clone(kernel, target, 0, cgroup_fd)
        finally:
            if away and pid != 0:
                kernel.setns(home, ns.CLONE_NEWPID)
        return pid, pidfd
    finally:
        os.close(home)
        if cgroup_fd >= 0:
            os.close(cgroup_fd)


def enter(kernel: Kernel, target: Target, plan: ExecPlan, sock: socket.socket) -> NoReturn:
    """Become plan["process"] in the target; runs in the child of `fork_inside`, which ends here."""

    def come_in(entry: _Entry) -> None:
        process.set_oom_score_adj(entry.process, entry.procfs)
        if target.cgroup is not None and not target.cloned:
            target.cgroup.add(os.getpid(), target.pid)
        init.seal_imports()
        process.raise_hard_limits(entry.process)
        _enter(kernel, target)

    steps = (("enter the container", come_in), *STEPS)
    init.run_steps(steps, lambda: _Entry(kernel, plan, sock), sock)


def _enter(kernel: Kernel, target: Target, later: int = 0) -> int | None:
    """All namespaces that are not ours already, at once; the pidfd makes sure that it is still that process.

    Returns a descriptor of the one that is for ``later``, if it is another. That is the cgroup namespace on version 2:
    with nsdelegate (systemd's choice) the kernel puts no process from outside into a cgroup for a caller inside.
    """
    flags = 0
    for kind, flag in ns.FLAGS.items():
        theirs = _namespace(ns.proc_path(target.pid, kind))
        if theirs is not None and theirs != _namespace(ns.proc_path("self", kind)):
            flags |= flag
    waiting = os.open(ns.proc_path(target.pid, "cgroup"), os.O_RDONLY | os.O_CLOEXEC) if flags & later else None
    flags &= ~later
    if flags:
        _join(kernel, target, flags)
    if flags & ns.CLONE_NEWUSER:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    return waiting


def _join(kernel: Kernel, target: Target, flags: int) -> None:
    try:
        kernel.setns(target.pidfd, flags)
    except ProcessLookupError as error:
        raise Conflict(_STOPPED) from error


def _clone(kernel: Kernel, target: Target, flags: int, cgroup_fd: int) -> tuple[int, int]:
    """clone3; a pid namespace whose first process has ended takes nobody in, which the kernel calls a lack of memory
    (ENOMEM, see fork(2))."""
    try:
        return kernel.clone3(flags, cgroup_fd)
    except OSError as error:
        if error.errno == errno.ENOMEM and _going(kernel, target):
            raise Conflict(_STOPPED) from error
        raise


def _going(kernel: Kernel, target: Target) -> bool:
    """Whether the container's first process is gone or going: it leaves its namespaces before it closes the one of
    pids, and nobody can join them through it any more; one in another container's is killed with that."""
    try:
        kernel.setns(target.pidfd, ns.CLONE_NEWPID)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # from where we are that cannot be asked
    return ended(target.pidfd, _DYING_MS)


def _has_own_users(target: Target) -> bool:
    """Whether it is in another user namespace, from inside of which nobody is born into a cgroup of the host's."""
    return _namespace(ns.proc_path(target.pid, "user")) != _namespace(ns.proc_path("self", "user"))


def _namespace(path: str) -> tuple[int, int] | None:
    try:
        info = os.stat(path)
    except FileNotFoundError:  # a kernel without that type, or no such process: setns will tell
        return None
    return info.st_dev, info.st_ino


def _start_session(entry: _Entry) -> None:
    lsm.label_keyring(entry.process, entry.procfs)
    process.new_session(entry.kernel, f"_ses.{entry.plan.get('container', 'carrack')}")
    entry.root_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _open_terminal(entry: _Entry) -> None:
    if entry.process.get("terminal"):
        size = entry.process.get("consoleSize")
        entry.terminal = console.open_terminal(entry.kernel, entry.root_fd, size)


def _resolve_user(entry: _Entry) -> None:
    entry.identity = init.identity_of(entry)


def _limit_resources(entry: _Entry) -> None:
    process.set_scheduling(entry.process)
    process.set_rlimits(entry.process)


STEPS: tuple[tuple[str, Callable[[_Entry], None]], ...] = (
    ("start a session", _start_session),
    ("open the terminal", _open_terminal),
    ("resolve the user", _resolve_user),
    ("connect the streams", init.connect_streams),
    ("limit resources", _limit_resources),
    ("take the identity", init.take_identity),
    ("find the program", init.find_program),
    ("execute", init.execute),
)
