"""The first process of a container, from a bare process in new namespaces to the program's first instruction.

It is a list of named steps. Each does one thing; a failure is reported on the channel with the step's name, and the
process ends. Everything that needs the host's files comes before ``change root``; from there on nothing is loaded
any more: all modules are imported, and the import machinery is emptied, before the root changes.

Conversation on the channel (ours on the left):

    {"hooks": "createRuntime"}      → {"go": true}     only when the spec has hooks of the runtime's side
    {"console": true} + [master]                       with a terminal
    {"prepared": true}              → {"exec": true}   only with ``gate``; with ``gate_fd``, a listening socket, the
                                                       answer and all that follows is on a connection to it
    {"error": {...}}                                   at any time; then the process ends
    end of file                                        the program runs (or the process is gone)
"""

from __future__ import annotations

import os
import socket
import sys

from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.linux import caps, tty
from carrack.linux import mount as words
from carrack.runtime import (
    channel,
    console,
    devices,
    hooks,
    inroot,
    lookup,
    loopback,
    lsm,
    masks,
    mounts,
    process,
    rootfs,
    sysctl,
    users,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn, TypedDict

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Capabilities, Spec
    from carrack.runtime.stage import Stage

    class InitPlan(TypedDict, total=False):
        """What to start; ints named *_fd are descriptors of this process. See init()."""

        container: str
        spec: Spec
        rootfs_fd: int
        root_path: str
        source_fds: dict[str, int]
        user: str
        groups: list[str]
        seccomp_program: str
        stdio: list[int]
        gate: bool
        gate_fd: int
        working_directory_create: bool
        preserve_fds: int
        state: dict[str, object]


class Setup:
    """The container in the making: what the steps hand on to each other."""

    def __init__(self, kernel: Kernel, plan: InitPlan, sock: socket.socket, stage: Stage | None = None) -> None:
        self.kernel = kernel
        self.plan = plan
        self.stage = stage
        self.channel = sock
        self.spec: Spec = plan["spec"]
        self.process = self.spec.get("process", {})
        self.linux = self.spec.get("linux", {})
        self.label = self.linux.get("mountLabel", "")
        self.new_namespaces = {n["type"] for n in self.linux.get("namespaces", ()) if not n.get("path")}
        self.own_namespaces = {n["type"] for n in self.linux.get("namespaces", ())}  # new, or joined and not the host's
        self.staged = stage.fits(self.spec) if stage is not None else frozenset[int]()
        self.last_cap = caps.last_cap()
        self.root_fd = -1
        self.terminal: tty.Pty | None = None
        self.identity = users.Identity(0, 0, [], "/")
        self.variables: dict[str, str] = {}
        self.executable = ""
        self.capabilities: Capabilities = {}

    procfs: inroot.Procfs
    mounter: mounts.Mounter
    filter: tuple[bytes, int] | None


def init(kernel: Kernel, plan: InitPlan, sock: socket.socket, stage: Stage | None = None) -> NoReturn:
    """Go through all steps; ends in execve, or reports the error and exits with its code.

    ``stage``: made ahead in this mount namespace (see stage.py); it is used where it is what the spec asks for.
    """
    run_steps(STEPS, lambda: Setup(kernel, plan, sock, stage), sock)


def run_steps(
    steps: tuple[tuple[str, Callable[[Any], None]], ...], make: Callable[[], Any], sock: socket.socket
) -> NoReturn:
    """Run steps on what make() gives; the last one executes the program. exec.py starts its processes so, too."""
    code, stage, setup = 1, "prepare", None
    try:
        setup = make()
        for name, step in steps:
            stage = name
            step(setup)
    except BaseException as error:
        report = describe(stage, error)
        code = report["exit_code"]
        try:
            channel.send(setup.channel if setup is not None else sock, {"error": report})
        except OSError:
            pass  # nobody is left to hear it
    finally:
        os._exit(code)


def describe(stage: str, error: BaseException) -> dict[str, Any]:
    """An error as the channel carries it; 127 and 126 are the shell's codes for no program and no permission."""
    message, number = str(error) or type(error).__name__, None
    if isinstance(error, OSError):
        number = error.errno
        text = error.strerror or message
        message = f"{text}: {error.filename}" if error.filename else text
    elif not isinstance(error, CarrackError):
        message = f"{type(error).__name__}: {error}"
    code = 1
    if stage in _PROGRAM_STAGES:
        code = 127 if isinstance(error, NotFound) else 126
    return {"stage": stage, "message": message, "errno": number, "exit_code": code}


_PROGRAM_STAGES = ("find the program", "execute")


def _start_session(setup: Setup) -> None:
    setup.procfs = inroot.Procfs(setup.kernel)
    process.set_oom_score_adj(setup.process, setup.procfs)  # before hide(): it changes the file's owner
    process.hide(setup.kernel)
    lsm.label_keyring(setup.process, setup.procfs)
    process.new_session(setup.kernel, f"_ses.{setup.plan.get('container', 'carrack')}")


def _check_spec(setup: Setup) -> None:
    if not setup.process.get("args"):
        raise InvalidArgument("process.args: must name a program")
    sysctl.check(setup.linux.get("sysctl", {}), setup.own_namespaces)
    lsm.check(setup.process, setup.label)
    setup.filter = process.seccomp_program(setup.plan.get("seccomp_program"), setup.linux.get("seccomp"))


def _run_runtime_hooks(setup: Setup) -> None:
    listed = setup.spec.get("hooks", {})
    if listed.get("prestart") or listed.get("createRuntime"):
        channel.send(setup.channel, {"hooks": "createRuntime"})
        _expect(setup.channel, "go")


def _attach_root(setup: Setup) -> None:
    if "mount" not in setup.new_namespaces:
        raise InvalidArgument("linux.namespaces: a new mount namespace is needed to set up a root file system")
    wanted = rootfs.propagation(setup.spec)
    rootfs.isolate(setup.kernel, wanted)
    place = setup.plan.get("root_path", "/")
    setup.root_fd = rootfs.attach_root(setup.kernel, setup.spec, setup.plan.get("rootfs_fd"), place)


def _mount(setup: Setup) -> None:
    propagation = words.MS_PRIVATE if rootfs.propagation(setup.spec) & words.MS_PRIVATE else words.MS_SLAVE
    setup.mounter = mounts.Mounter(
        setup.kernel,
        setup.root_fd,
        default_propagation=propagation,
        cgroup_namespace="cgroup" in setup.own_namespaces,
        label=setup.label,
    )
    if setup.stage is not None:
        setup.stage.move(setup.mounter) if setup.staged else setup.stage.close()
    setup.mounter.attach_all(setup.spec.get("mounts", ()), setup.plan.get("source_fds", {}), setup.staged)


def _make_devices(setup: Setup) -> None:
    whole_dev = any(
        inroot.clean(mount["destination"]) == "/dev" and mounts.is_bind(mount) for mount in setup.spec.get("mounts", ())
    )
    if not whole_dev and not setup.staged:  # a bound /dev is the caller's own business
        devices.make_devices(setup.kernel, setup.root_fd, setup.linux.get("devices", ()))
        devices.make_links(setup.kernel, setup.root_fd)
    if setup.process.get("terminal"):
        size = setup.process.get("consoleSize")
        setup.terminal = console.open_terminal(setup.kernel, setup.root_fd, size)
        if not whole_dev:
            devices.bind_console(setup.kernel, setup.root_fd, setup.terminal.slave)


def _resolve_user(setup: Setup) -> None:
    setup.identity = identity_of(setup)


def identity_of(setup: Any) -> users.Identity:
    """By name from the plan, else the spec's numbers; either way by the image's own files."""
    accounts = users.read_accounts(setup.kernel, setup.procfs, setup.root_fd)
    if setup.plan.get("user") is not None:
        return users.identify(setup.plan["user"], setup.plan.get("groups", ()), accounts)
    user = setup.process.get("user", {})
    uid, groups = user.get("uid", 0), user.get("additionalGids", [])
    return users.Identity(uid, user.get("gid", 0), groups, users.home_of(uid, accounts))


def _make_working_directory(setup: Setup) -> None:
    if setup.plan.get("working_directory_create"):
        cwd = setup.process.get("cwd") or "/"
        try:
            os.close(inroot.make_directories(setup.kernel, setup.root_fd, cwd))
        except OSError:
            pass  # a read-only root, a file in the way: chdir tells it in the words people know


def _run_container_hooks(setup: Setup) -> None:
    hooks.run(setup.kernel, setup.spec.get("hooks", {}), "createContainer", state_of(setup.plan, "creating"))


def state_of(plan: Mapping[str, Any], status: str) -> dict[str, object]:
    """The OCI state as a hook inside the container is given it: our own pid is what it sees."""
    return {**plan.get("state", {}), "status": status, "pid": os.getpid()}


def _name_host(setup: Setup) -> None:
    if "network" in setup.new_namespaces:
        loopback.raise_loopback()
    if setup.spec.get("hostname"):
        sysctl.name_host(setup.spec["hostname"])
    if setup.spec.get("domainname"):
        setup.procfs.write("sys/kernel/domainname", setup.spec["domainname"])
    sysctl.apply(setup.linux.get("sysctl", {}), setup.procfs)


def _protect_paths(setup: Setup) -> None:
    if not setup.staged:
        masks.make_read_only(setup.kernel, setup.root_fd, setup.linux.get("readonlyPaths", ()))
        masks.mask(setup.kernel, setup.root_fd, setup.linux.get("maskedPaths", ()), setup.label)
    setup.mounter.finish()


def seal_imports() -> None:
    """From here on nothing is loaded: what could be found would be the container's."""
    for name in ("utf-8", "ascii", "latin-1"):
        "".encode(name)
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()


def _change_root(setup: Setup) -> None:
    seal_imports()
    rootfs.change_root(setup.kernel, setup.root_fd)
    rootfs.seal_root(setup.kernel, setup.spec, setup.root_fd)


def connect_streams(setup: Any) -> None:
    """The standard streams: the terminal, or the descriptors given."""
    if setup.terminal is not None:
        channel.send(setup.channel, {"console": True}, [setup.terminal.master])
        os.close(setup.terminal.master)
        console.take_terminal(setup.terminal.slave, setup.identity.uid)
        return
    console.take_streams(setup.plan.get("stdio", ()), setup.identity.uid, setup.label)


def _limit_resources(setup: Setup) -> None:
    process.set_scheduling(setup.process)
    process.set_rlimits(setup.process)


def take_identity(setup: Any) -> None:
    """Privileges go, in the only order that works: seccomp without no_new_privs needs CAP_SYS_ADMIN, so comes first;
    the bounding set needs CAP_SETPCAP; then ids, then the capability sets; with no_new_privs seccomp comes last."""
    kernel, proc, capabilities = setup.kernel, setup.process, setup.capabilities
    private = proc.get("noNewPrivileges", False)
    if private:
        process.no_new_privileges(kernel)
    lsm.apply(proc, setup.procfs)
    if setup.filter is not None and not private:
        kernel.seccomp(*setup.filter)
    if "capabilities" in proc:
        process.drop_bounding(kernel, capabilities, setup.last_cap)
    umask = proc.get("user", {}).get("umask")
    os.umask(0o022 if umask is None else umask & 0o777)
    early = _try_directory(proc.get("cwd", "/"))
    process.become(kernel, setup.identity)
    if "capabilities" in proc:
        process.take_capabilities(kernel, capabilities)
    if not early:
        process.enter_directory(proc.get("cwd", "/"))
    process.check_directory()


def _try_directory(path: str) -> bool:
    """A directory may be open to root only, or (on a network file system) to the user only: try both."""
    try:
        process.enter_directory(path)
    except PermissionError:
        return False
    return True


def _take_identity(setup: Setup) -> None:
    setup.capabilities = process.allowed_capabilities(setup.process.get("capabilities", {}), _permitted(setup))
    take_identity(setup)


def _permitted(setup: Any) -> int:
    return process.permitted_mask(setup.procfs)


def find_program(setup: Any) -> None:
    """Look the program up as the user it will run as, in its own environment."""
    setup.variables = process.environment(setup.process, setup.identity.home)
    setup.executable = lookup.find_executable(setup.process["args"][0], setup.variables)


def _wait_at_gate(setup: Setup) -> None:
    if not setup.plan.get("gate"):
        return
    channel.send(setup.channel, {"prepared": True})
    if "gate_fd" in setup.plan:
        setup.channel.close()  # who created us may end; who starts us comes to the socket
        setup.channel = _accept_start(setup.plan["gate_fd"])
    else:
        _expect(setup.channel, "exec")


def _accept_start(fd: int) -> socket.socket:
    """The connection of whoever says start; one that ends without saying it changes nothing."""
    listener = socket.socket(fileno=fd)
    while True:
        connection, _ = listener.accept()
        message, fds = channel.receive(connection)
        for each in fds:
            os.close(each)
        if message is not None and message.get("exec"):
            return connection
        connection.close()


def _expect(sock: socket.socket, key: str) -> None:
    message, fds = channel.receive(sock)
    for fd in fds:
        os.close(fd)
    if message is None or not message.get(key):
        os._exit(1)  # whoever started us is gone or gave up: nobody is there to be told


def _run_start_hooks(setup: Setup) -> None:
    hooks.run(setup.kernel, setup.spec.get("hooks", {}), "startContainer", state_of(setup.plan, "created"))


def execute(setup: Any) -> None:
    """The last step."""
    setup.procfs.close()
    process.reset_signals()
    process.close_others(setup.kernel, setup.plan.get("preserve_fds", 0))
    process.check_directory()
    if setup.filter is not None and setup.process.get("noNewPrivileges"):
        setup.kernel.seccomp(*setup.filter)
    process.execute(setup.executable, setup.process["args"], setup.variables)


STEPS: tuple[tuple[str, Callable[[Setup], None]], ...] = (
    ("start a session", _start_session),
    ("check the spec", _check_spec),
    ("run createRuntime hooks", _run_runtime_hooks),
    ("attach the root", _attach_root),
    ("mount", _mount),
    ("make devices", _make_devices),
    ("resolve the user", _resolve_user),
    ("make the working directory", _make_working_directory),
    ("run createContainer hooks", _run_container_hooks),
    ("name the host and set sysctls", _name_host),
    ("protect paths", _protect_paths),
    ("change root", _change_root),
    ("connect the streams", connect_streams),
    ("limit resources", _limit_resources),
    ("take the identity", _take_identity),
    ("find the program", find_program),
    ("wait at the gate", _wait_at_gate),
    ("run startContainer hooks", _run_start_hooks),
    ("execute", execute),
)
