"""A sandbox made ahead of need: a container's namespaces and cgroup, and in them a stub that waits for its plan.

What is slow or varies is done here, before anyone waits: new namespaces, the first entry into a cgroup (a grace
period of the kernel on cgroup v1), loopback, a netlink socket opened inside for the daemon. The mount and ipc
namespaces are held by descriptor from before the program runs: the kernel reports an exit only after it has torn down
what nobody else holds, and that can take tens of milliseconds.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct

from carrack.linux import namespaces as ns
from carrack.runtime import channel, devices, stage
from carrack.runtime.init import describe, init
from carrack.runtime.spawn import Namespace, spawn
from carrack.shim import protocol, reaper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Spec
    from carrack.runtime.cgroups.hierarchy import Cgroup, Hierarchy
    from carrack.runtime.spawn import Child

#: held so that a container's end is told at once, see above
_HELD = ("mount", "ipc")
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1


class Sandbox:
    """Namespaces, cgroup and the waiting stub; owned by one shim. ``stage``: what the stub has made ahead."""

    def __init__(self, kernel: Kernel, hierarchy: Hierarchy, cgroup: Cgroup, child: Child, stub: socket.socket) -> None:
        self.kernel = kernel
        self._hierarchy = hierarchy
        self.cgroup = cgroup
        self.child = child
        self.stub = stub
        self.null_fd = devices.private_null(kernel)
        self.namespace_fds: dict[str, int] = {}
        self.netlink_fd = -1
        self.stage: Spec | None = None

    def describe(self) -> tuple[dict[str, Any], list[int]]:
        """The ready message and its descriptors: pidfd, then netns and netlink where the network is its own."""
        fds = [self.child.pidfd]
        if self.netlink_fd >= 0:
            fds += [self.namespace_fds["network"], self.netlink_fd]
        return {"pid": self.child.pid, "cgroup": self.cgroup.path}, fds

    def name_cgroup(self, path: str) -> None:
        """Give the cgroup its final name. Version 1 renames it with the stub inside; version 2 cannot."""
        if self._hierarchy.version == 1:
            self.cgroup = self.cgroup.rename(path)
            return
        parked, self.cgroup = self.cgroup, self._hierarchy.create(path)
        self.cgroup.add(self.child.pid)
        parked.remove()

    def needs_cgroup(self, spec: Spec) -> bool:
        """Whether the cgroup must have its final place before the stub is given that spec. On version 2 it must: the
        stub is moved there. On version 1 it stays in the same one, under another name."""
        return self._hierarchy.version != 1 or self.stage is None or not stage.covers_cgroups(self.stage, spec)

    def release_network(self) -> None:
        """The daemon has its own descriptors now; the network must not outlive the container because of ours."""
        for fd in (self.netlink_fd, self.namespace_fds.pop("network", -1)):
            if fd >= 0:
                os.close(fd)
        self.netlink_fd = -1

    def release_namespaces(self) -> None:
        """Let the kernel tear down what only we hold; slow, so after the exit was told."""
        while self.namespace_fds:
            os.close(self.namespace_fds.popitem()[1])

    def wait(self, control: socket.socket) -> bool:
        """Park until the daemon says something: False when the stub is dead."""
        poll = select.poll()
        poll.register(control, select.POLLIN)
        poll.register(self.child.pidfd, select.POLLIN)
        return self.child.pidfd not in dict(poll.poll())

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
        self.release_network()
        self.release_namespaces()
        try:
            self.cgroup.kill()
            self.cgroup.remove()
        except OSError:  # somebody else entered it; the daemon must still be answered
            pass


def prepare(kernel: Kernel, hierarchy: Hierarchy, plan: dict[str, Any], joined: list[int]) -> Sandbox:
    """Make the sandbox of a slot plan; ``joined`` are the descriptors its ``join`` indexes name.

    Raises OSError with nothing left behind.
    """
    new = [kind for kind in plan["namespaces"] if kind != "cgroup"]  # made at start, when the cgroup has its name
    spaces = [Namespace(kind) for kind in new]
    spaces += [Namespace(kind, joined[index]) for kind, index in plan["join"].items()]
    name = f"slot-{os.getpid()}-{os.urandom(4).hex()}"
    cgroup = hierarchy.create(f"{plan['cgroup_parent'].rstrip('/')}/{name}")
    ours, theirs = channel.pair()
    own_network = "network" in new
    own_cgroup = "cgroup" in plan["namespaces"]
    template = plan.get("stage")
    maps = {"uid_map": plan.get("uid_map", ()), "gid_map": plan.get("gid_map", ())}

    def stub() -> NoReturn:
        _stub(kernel, theirs, own_network, own_cgroup, template)

    try:
        child = spawn(kernel, spaces, stub, cgroup=cgroup, **maps)
    except BaseException:
        ours.close()
        cgroup.remove()
        raise
    finally:
        theirs.close()
    sandbox = Sandbox(kernel, hierarchy, cgroup, child, ours)
    try:
        _complete(sandbox, new, template)
    except BaseException:
        sandbox.destroy()
        raise
    return sandbox


def _complete(sandbox: Sandbox, new: list[str], template: Spec | None) -> None:
    """Take what the stub opened inside, and the namespaces to hold."""
    message, fds = channel.receive(sandbox.stub)
    if message is None:
        raise OSError(0, "the process that holds the sandbox ended while it was made")
    if "error" in message:
        raise OSError(message["error"]["errno"] or 0, message["error"]["message"])
    sandbox.netlink_fd = fds[0] if fds else -1
    sandbox.stage = template if message["staged"] else None
    for kind in (*_HELD, "network"):
        if kind in new:
            path = ns.proc_path(sandbox.child.pid, kind)
            sandbox.namespace_fds[kind] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _stub(kernel: Kernel, sock: socket.socket, own_network: bool, own_cgroup: bool, template: Spec | None) -> NoReturn:
    """First process of the container: complete the sandbox, wait for the plan, become the program."""
    try:
        keep_only(kernel, [sock.fileno()])
        reaper.reset()
        fds = []
        if own_network:
            _raise_loopback()
            _refuse_router_advertisements()
            fds = [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE).detach()]
        ready = stage.build(kernel, template) if template else None
        channel.send(sock, {"parked": True, "staged": ready is not None}, fds)
        for fd in fds:
            os.close(fd)
        message, fds = channel.receive(sock, protocol.MAX_FDS)
        if message is None:
            os._exit(0)
        if own_cgroup:
            kernel.unshare(ns.CLONE_NEWCGROUP)
        plan: Any = protocol.unpack(message["plan"], fds)
    except BaseException as error:  # an end without a word would pass for a program that was started
        channel.send(sock, {"error": describe("take the plan", error)})
        os._exit(1)
    init(kernel, plan, sock, ready)


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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0]
        struct.pack_into("H", request, 16, flags | _IFF_UP)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, request)


def keep_only(kernel: Kernel, fds: list[int]) -> None:
    """Close every descriptor above 2 but these. A descriptor of ours that a container could see through /proc is a
    way out of it (CVE-2024-21626), and a copy of a socket keeps its other end from seeing us die."""
    first = 3
    for fd in sorted(fd for fd in fds if fd > 2):
        if fd > first:
            kernel.close_range(first, fd - 1, 0)
        first = fd + 1
    kernel.close_range(first, 0xFFFFFFFF, 0)
