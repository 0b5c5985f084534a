"""Create a container from a bundle, up to the gate where its init waits to be started.

Undo stands next to do: whatever fails, no process, cgroup or record stays. What is durable comes first and small: the
record without a pid names the cgroup, so that a crash at any point leaves something ``delete --force`` can clean.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

from carrack.errors import CarrackError, Conflict, InvalidArgument
from carrack.linux import mount as words
from carrack.linux import namespaces
from carrack.runtime import bundle, channel, devices, hooks, init, prepare, spawn
from carrack.runtime import state as states
from carrack.runtime.cgroups import hierarchy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import LinuxResources, Spec
    from carrack.runtime.cgroups.hierarchy import Cgroup
    from carrack.runtime.init import InitPlan
    from carrack.runtime.state import State, StateRoot


class StartFailed(CarrackError):
    """The container's process could not be brought to its program; exit_code is 126, 127 or 1."""

    def __init__(self, report: dict[str, Any]) -> None:
        super().__init__(f"unable to start container process: error during container init: {report.get('message')}")
        self.exit_code = int(report.get("exit_code", 1))


class Options:
    """How to create: take_console is given the terminal's master descriptor and owns it."""

    __slots__ = ("pid_file", "preserve_fds", "take_console")

    def __init__(
        self, *, pid_file: str = "", preserve_fds: int = 0, take_console: Callable[[int], None] | None = None
    ) -> None:
        self.pid_file = pid_file
        self.preserve_fds = preserve_fds
        self.take_console = take_console


def create(kernel: Kernel, root: StateRoot, container: str, directory: str, options: Options) -> State:
    """Create; the first process is a child of ours when this returns. Raises CarrackError or OSError."""
    states.check_id(container)
    directory = os.path.abspath(directory)
    spec = bundle.load(directory)
    if "process" not in spec:
        raise InvalidArgument("process must be given: this runtime creates no container without one")
    terminal = bool(spec["process"].get("terminal"))
    if terminal and options.take_console is None:
        raise InvalidArgument("cannot allocate tty if runtime will detach without setting console socket")
    _check_preserved(options.preserve_fds)
    with contextlib.ExitStack() as undo:
        state = root.create(container, _record(container, spec, directory), spec)
        undo.callback(state.remove)
        cgroup = _make_cgroup(kernel, state, spec)
        undo.callback(_remove_cgroup, cgroup)
        ours, pid = _spawn_init(kernel, state, spec, cgroup, options)
        undo.callback(_reap, pid)
        with ours:
            _converse(kernel, state, spec, ours, options)
        if options.pid_file:
            states.write_durably(options.pid_file, str(pid).encode())
        undo.pop_all()
    return state


def cgroup_path(container: str, spec: Spec) -> str:
    """Where the container's cgroup is: as the spec says, from the top of the hierarchy, else named by its id."""
    path = spec.get("linux", {}).get("cgroupsPath", "")
    if path.count(":") == 2:
        raise InvalidArgument(f"linux.cgroupsPath: {path!r} is for a systemd manager, which is not supported")
    return hierarchy.check_path(path if path.startswith("/") else f"/{path or container}")


def _check_preserved(count: int) -> None:
    for fd in range(3, 3 + count):
        try:
            os.fstat(fd)
        except OSError:
            raise InvalidArgument(f"--preserve-fds {count}: descriptor {fd} is not open") from None


def _record(container: str, spec: Spec, directory: str) -> dict[str, Any]:
    return {
        "pid": 0,
        "bundle": directory,
        "rootfs": spec["root"]["path"],
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "annotations": spec.get("annotations", {}),
        "cgroup": cgroup_path(container, spec),
    }


def _make_cgroup(kernel: Kernel, state: State, spec: Spec) -> Cgroup:
    tree = hierarchy.detect(kernel=kernel)
    path = state.record["cgroup"]
    there = tree.open(path).processes()
    if there:
        raise Conflict(f"container's cgroup {path} is not empty: {len(there)} process(es) found")
    cgroup = tree.create(path)
    try:
        # without rules of its own a container gets the default devices, and nothing else
        resources: LinuxResources = {"devices": [], **spec.get("linux", {}).get("resources", {})}
        cgroup.apply(resources)
    except BaseException:
        cgroup.remove()
        raise
    return cgroup


def _remove_cgroup(cgroup: Cgroup) -> None:
    cgroup.kill()
    cgroup.remove()


def _reap(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
    os.waitpid(pid, 0)


def _spawn_init(
    kernel: Kernel, state: State, spec: Spec, cgroup: Cgroup, options: Options
) -> tuple[socket.socket, int]:
    """Start init and record it; returns our end of its channel, and its pid."""
    spec = _without_host_namespaces(spec)
    linux = spec.get("linux", {})
    with contextlib.ExitStack() as opened, contextlib.ExitStack() as undo:
        ours, theirs = channel.pair()
        undo.callback(ours.close)
        opened.callback(theirs.close)
        plan = _plan(kernel, state, spec, options, opened)
        wanted = [_namespace(opened, entry["type"], entry.get("path")) for entry in linux.get("namespaces", [])]

        def main() -> None:
            ours.close()
            init.init(kernel, plan, theirs)

        child = spawn.spawn(
            kernel,
            wanted,
            main,
            cgroup=cgroup,
            uid_map=linux.get("uidMappings", ()),
            gid_map=linux.get("gidMappings", ()),
            time_offsets=linux.get("timeOffsets"),
        )
        os.close(child.pidfd)
        undo.pop_all()
    state.record.update(pid=child.pid, start_time=states.start_time(child.pid))
    state.save()
    return ours, child.pid


def _plan(kernel: Kernel, state: State, spec: Spec, options: Options, opened: contextlib.ExitStack) -> InitPlan:
    """What init is given; its descriptors are closed here when opened ends."""
    listener = opened.enter_context(_listen(state))
    root_fd = _open_root(kernel, spec)
    opened.callback(os.close, root_fd)
    sources = prepare.open_sources(kernel, spec)
    for fd in sources.values():
        opened.callback(os.close, fd)
    return {
        "container": state.id,
        "spec": spec,
        "rootfs_fd": root_fd,
        "source_fds": {str(index): fd for index, fd in sources.items()},
        "stdio": devices.standard_streams(kernel),
        "gate": True,
        "gate_fd": listener.fileno(),
        "working_directory_create": True,
        "preserve_fds": options.preserve_fds,
        "state": state.document(None),
    }


def _open_root(kernel: Kernel, spec: Spec) -> int:
    path = spec["root"]["path"]
    try:
        return kernel.open_tree(words.AT_FDCWD, path, words.OPEN_TREE_CLONE | words.AT_RECURSIVE)
    except OSError as error:
        raise OSError(error.errno, f"root file system: {os.strerror(error.errno or 0)}", path) from None


def _without_host_namespaces(spec: Spec) -> Spec:
    """A path that leads to our own namespace is the same as no entry: what is shared with the host must not look like
    the container's own, else its sysctls would be set on the host."""
    linux = spec.get("linux", {})
    entries = [entry for entry in linux.get("namespaces", []) if not _is_ours(entry["type"], entry.get("path"))]
    return {**spec, "linux": {**linux, "namespaces": entries}}


def _is_ours(kind: str, path: str | None) -> bool:
    return bool(path) and os.path.samefile(path or "", namespaces.proc_path("self", kind))


def _namespace(opened: contextlib.ExitStack, kind: str, path: str | None) -> spawn.Namespace:
    if not path:
        return spawn.Namespace(kind)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    opened.callback(os.close, fd)
    if namespaces.flag_of(fd) != namespaces.FLAGS[kind]:
        raise InvalidArgument(f"linux.namespaces: {path} is not a {kind} namespace")
    return spawn.Namespace(kind, fd)


def _listen(state: State) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with gate_address(state) as address:
        listener.bind(address)
    listener.listen(1)
    return listener


@contextlib.contextmanager
def gate_address(state: State) -> Any:
    """The path of init.sock in a form that always fits sun_path (108 bytes)."""
    directory = os.open(state.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/init.sock"
    finally:
        os.close(directory)


def _converse(kernel: Kernel, state: State, spec: Spec, sock: socket.socket, options: Options) -> None:
    """Serve init until it is prepared."""
    while True:
        message, fds = channel.receive(sock)
        if message is None:
            raise StartFailed({"message": "it ended unexpectedly (killed, or out of memory?)"})
        if "error" in message:
            raise StartFailed(message["error"])
        if "hooks" in message:
            listed = spec.get("hooks", {})
            for point in ("prestart", "createRuntime"):
                hooks.run(kernel, listed, point, {**state.document(None), "status": "creating"})
            channel.send(sock, {"go": True})
        elif "console" in message and options.take_console is not None:
            options.take_console(fds.pop(0))
        elif message.get("prepared"):
            return
        for fd in fds:
            os.close(fd)
