"""The first process of a container while it is still ours: it makes the sandbox, waits, and arranges its own start.

Whatever a start needs of the host is done here rather than in the shim, because all memory that the work touches
goes with the execution of the program, while the shim stays for as long as the container. The shim is given what it
has to hold in one message, before anything of the container is set up; it opens the gate when it has it all. In a
user namespace the first process has no rights on the host: there the shim does these things itself (see slot.py).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import time

from carrack.errors import CarrackError
from carrack.linux import namespaces as ns
from carrack.runtime import channel, devices, init, stage
from carrack.shim import protocol
from carrack.shim.protocol import StartError
from carrack.shim.start import SHIM_HOOKS, describe, listen, retire_socket, write_state
from carrack.shim.stdio import open_pipes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Spec
    from carrack.runtime.cgroups.hierarchy import Cgroup, Hierarchy
    from carrack.runtime.stage import Stage

    SocketType = socket.socket
    Message = tuple[dict[str, Any] | None, list[int]]

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
#: a container that is started again may find its cgroup still being removed by its former shim
_RENAME_SECONDS = 5.0
#: held by the shim, so that a container's end is told at once: see slot.py
_HELD = {"mount": "mnt", "ipc": "ipc"}
ERRORS = (CarrackError, OSError, ValueError, LookupError, TypeError)


class Plan:
    """What a slot plan says, in the words of the first process. ``cgroup``: where it is parked."""

    def __init__(self, plan: dict[str, Any], cgroup: str) -> None:
        self.cgroup = cgroup
        self.new: list[str] = plan["namespaces"]
        self.template: Spec | None = plan.get("stage")
        self.in_user_namespace = "user" in self.new or "user" in plan["join"]


class Arranged:
    """A start as far as the host is concerned: ``document`` and ``fds`` are the shim's, ``plan`` and ``packed`` the
    first process's; all descriptors are the caller's to close."""

    def __init__(self, document: dict[str, Any], plan: dict[str, Any], packed: list[int]) -> None:
        self.document = document
        self.plan = plan
        self.packed = packed
        self.fds: list[int] = []

    def put(self, name: str, fds: list[int]) -> None:
        """Give the shim these descriptors under that name: where theirs begin and end."""
        self.document[name] = [len(self.fds), len(self.fds) + len(fds)]
        self.fds += fds


def privileged(kernel: Kernel, hierarchy: Hierarchy, plan: Plan, control: SocketType, shim: SocketType) -> NoReturn:
    """The life of a first process with the rights of root on the host; ``shim`` leads to its parent."""
    request: Any = None
    try:
        keep_only(kernel, [control.fileno(), shim.fileno()])
        if hierarchy.version == 1:
            hierarchy.create(plan.cgroup).add(0)  # the calling process
        pid = int(os.readlink("/proc/self"))  # in the host's numbers: /proc is the host's still
        null_fd = devices.private_null(kernel)
        network, ready = complete(kernel, plan)
        pidfd = os.pidfd_open(os.getpid())
        announce(control, pid, pidfd, plan, network)
        os.close(pidfd)
        message, fds = await_start(control, shim.fileno())
        if message is None:
            os._exit(0)
        control.close()
        request = message.get("id")
        arranged = arrange(message, fds, pid, null_fd, open_held("self", plan))
        channel.send(shim, arranged.document, arranged.fds)
        for fd in {*arranged.fds, *fds}.difference(arranged.packed):
            os.close(fd)
        if "runtime" in arranged.document:
            _stand_by(shim)
        settle_cgroup(hierarchy, plan.cgroup, arranged.document["cgroup"], arranged.plan["spec"], 0)
        start = protocol.unpack(arranged.plan, arranged.packed)
    except BaseException as error:
        _fail(shim, request, error)
    _become(kernel, plan, start, shim, ready)


def _stand_by(shim: SocketType) -> NoReturn:
    """Another runtime makes the container's first process, which joins our namespaces: until then they must last."""
    shim.recv(1)
    os._exit(0)


def unprivileged(kernel: Kernel, plan: Plan, shim: SocketType) -> NoReturn:
    """The life of a first process in a user namespace: the shim does what concerns the host (deputy.py)."""
    try:
        keep_only(kernel, [shim.fileno()])
        network, ready = complete(kernel, plan)
        channel.send(shim, {"parked": True}, network)
        for fd in network:
            os.close(fd)
        message, fds = channel.receive(shim, protocol.MAX_FDS)
        if message is None:
            os._exit(0)
        start = protocol.unpack(message["plan"], fds)
    except BaseException as error:
        _fail(shim, None, error)
    _become(kernel, plan, start, shim, ready)


def _fail(shim: SocketType, request: Any, error: BaseException) -> NoReturn:
    """An end without a word would pass for a program that was started."""
    channel.send(shim, {"id": request, "error": report("sandbox", error)})
    os._exit(1)


def _become(kernel: Kernel, plan: Plan, start: Any, shim: SocketType, ready: Stage | None) -> NoReturn:
    try:
        if "cgroup" in plan.new:  # now that the cgroup has its name
            kernel.unshare(ns.CLONE_NEWCGROUP)
    except OSError as error:
        _fail(shim, None, error)
    init.init(kernel, start, shim, ready)


def complete(kernel: Kernel, plan: Plan) -> tuple[list[int], Stage | None]:
    """Inside the new namespaces: loopback, a netlink socket for the daemon, the parts made ahead."""
    network = []
    if "network" in plan.new:
        _raise_loopback()
        _refuse_router_advertisements()
        network = [socket.SocketType(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE).detach()]
    return network, stage.build(kernel, plan.template) if plan.template else None


def announce(control: SocketType, pid: int, pidfd: int, plan: Plan, network: list[int], of: str = "self") -> None:
    """Tell the daemon that the sandbox stands: pidfd, then netns and netlink where the network is its own. Only it has
    those two then; the network must not outlive the container because of us. ``of`` is the process as /proc has it."""
    fds = network and [os.open(ns.proc_path(of, "network"), os.O_RDONLY | os.O_CLOEXEC), *network]
    channel.send(control, {"ready": {"pid": pid, "cgroup": plan.cgroup}}, [pidfd, *fds])
    for fd in fds:
        os.close(fd)


def open_held(of: str, plan: Plan) -> list[int]:
    """The new namespaces of a process (a pid, or self) that its shim holds."""
    return [os.open(f"/proc/{of}/ns/{_HELD[kind]}", os.O_RDONLY | os.O_CLOEXEC) for kind in plan.new if kind in _HELD]


def await_start(control: SocketType, lifeline: int) -> Message:
    """The start message; None without one, or when the other process, whose end ``lifeline`` shows, has gone."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(lifeline, select.POLLIN)
    if lifeline in dict(poll.poll()):
        return None, []
    return channel.receive(control, protocol.MAX_FDS)


def arrange(message: dict[str, Any], fds: list[int], pid: int, null_fd: int, held: list[int]) -> Arranged:
    """Obey a start message, as far as it concerns the host's files. Raises StartError, with nothing left behind."""
    step = "request"
    try:
        request: dict[str, Any] = message["request"]
        plan, packed = protocol.pack({**request["plan"], "gate": True}, fds)
        document = {name: request.get(name) for name in ("container", "cgroup", "terminal", "stdin", "stdin_once")}
        document["id"] = message["id"]
        arranged = Arranged(document, plan, packed)
        arranged.document["hooks"] = None if request.get("runtime") else _hooks(plan)
        arranged.put("held", held)
        _give(arranged, request, message, fds)
        step = "streams"
        streams = _streams(arranged, request, null_fd)
        arranged.put("null", [null_fd])
        arranged.put("streams", streams)
        if request.get("runtime"):  # the shim has all of it then
            arranged.document.update(runtime={**request["runtime"], "directory": request["directory"]}, plan=plan)
            arranged.put("packed", packed)
        step = "socket"
        directory = fds[message["directory"]]
        arranged.put("directory", [directory])
        listener = listen(directory)
        try:
            write_state(directory, request["container"], request["cgroup"], pid)
        except BaseException:
            retire_socket(directory, listener)
            raise
        arranged.put("listener", [listener.detach()])
        return arranged
    except ERRORS as error:
        raise StartError(step, describe(error)) from error


def _hooks(plan: dict[str, Any]) -> dict[str, Any] | None:
    """The hooks of the runtime's side, with the state they are told; None without any."""
    listed = plan.get("spec", {}).get("hooks")
    if not listed:
        return None
    return {"listed": {name: listed[name] for name in SHIM_HOOKS if name in listed}, "state": plan.get("state", {})}


def _give(arranged: Arranged, request: dict[str, Any], message: dict[str, Any], fds: list[int]) -> None:
    """What came for the shim: the log's directory, clients, descriptors to hold."""
    log = request.get("log")
    arranged.document["log"] = log and _log(log)
    if log:
        arranged.put("log_directory", [fds[message["log_directory"]]])
    clients = request.get("attach", ())
    arranged.put("clients", [fds[wish["fd"]] for wish in clients])
    names = ("stdin", "stdout", "stderr")
    arranged.document["wishes"] = [{name: bool(wish.get(name)) for name in names} for wish in clients]
    arranged.put("hold", [fds[index] for index in request.get("hold_fds", ())])


def _log(log: dict[str, Any]) -> dict[str, Any]:
    """A json-file as the arguments of its class, since the shim is to do as little as it can."""
    file = log.get("file")
    if not file or file["kind"] != "json-file":
        return log
    more = [bool(file.get("compress")), file.get("attributes", "")]
    return {"json": [file["name"], file["max_size"], file["max_file"], *more]}


def _streams(arranged: Arranged, request: dict[str, Any], null_fd: int) -> list[int]:
    """Make the pipes of a program without a terminal: its ends go into the plan; returns the shim's."""
    if request.get("terminal"):
        height, width = request.get("size") or (0, 0)
        if height and width:
            arranged.plan["spec"]["process"]["consoleSize"] = {"height": height, "width": width}
        return []
    ours, theirs = open_pipes(bool(request.get("stdin")), null_fd)
    arranged.plan["stdio"] = [len(arranged.packed) + number for number in range(len(theirs))]
    arranged.packed += theirs
    return ours


def settle_cgroup(hierarchy: Hierarchy, parked: str, path: str, spec: Spec, pid: int) -> None:
    """Give the cgroup its final name and its limits. Version 1 renames it with the process inside; version 2 cannot,
    so the process (0: the calling one) moves, unless it is there already. Raises StartError."""
    try:
        cgroup = _name_cgroup(hierarchy, parked, path, pid)
        resources = spec.get("linux", {}).get("resources")
        if resources:
            cgroup.apply(resources)
    except ERRORS as error:
        raise StartError("cgroup", describe(error)) from error


def _name_cgroup(hierarchy: Hierarchy, parked: str, path: str, pid: int) -> Cgroup:
    deadline = time.monotonic() + _RENAME_SECONDS
    if parked == path:  # it was made under its last name
        return hierarchy.open(path)
    while True:
        try:
            if hierarchy.version == 1:
                return hierarchy.open(parked).rename(path)
            cgroup = hierarchy.create(path)
            cgroup.add(pid)
            hierarchy.open(parked).remove()
            return cgroup
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.EBUSY, errno.ENOTEMPTY) or time.monotonic() > deadline:
                raise
            time.sleep(0.002)


def report(step: str, error: BaseException) -> dict[str, Any]:
    """An error for the shim, worded for the user."""
    if isinstance(error, StartError):
        return error.document()
    return {**init.describe(step, error), "exit_code": 125}


def _refuse_router_advertisements() -> None:
    """Interfaces that come here later have no IPv6: a neighbour that sends router advertisements would otherwise give
    them an address and a route through itself (CVE-2020-13401)."""
    try:
        fd = os.open("/proc/sys/net/ipv6/conf/default/disable_ipv6", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # the kernel has no IPv6
    try:
        os.write(fd, b"1")
    finally:
        os.close(fd)


def _raise_loopback() -> None:
    sock = socket.SocketType(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0]
        struct.pack_into("H", request, 16, flags | _IFF_UP)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, request)
    finally:
        sock.close()


def keep_only(kernel: Kernel, fds: list[int]) -> None:
    """Close every descriptor above 2 but these. A descriptor of ours that a container could see through /proc is a
    way out of it (CVE-2024-21626), and a copy of a socket keeps its other end from seeing us die."""
    first = 3
    for fd in sorted(fd for fd in fds if fd > 2):
        if fd > first:
            kernel.close_range(first, fd - 1, 0)
        first = fd + 1
    kernel.close_range(first, 0xFFFFFFFF, 0)
