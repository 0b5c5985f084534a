"""What every shim does, done by the zygote before there is any: a container's start and its first words, with nobody.

A fork shares with the zygote what neither of them writes to, and code that runs for the first times writes: the
interpreter counts calls, specializes instructions and fills its caches for methods. Done here, that is done once,
and a shim is smaller and faster by it. Nothing is left: all takes place in a file system of its own that nobody sees.
"""

from __future__ import annotations

import os
import socket

from carrack.runtime import channel
from carrack.runtime.spawn import Child
from carrack.shim import knock, main, reaper, stub
from carrack.shim.loop import Loop
from carrack.shim.reaper import Reaper
from carrack.shim.slot import Sandbox
from carrack.shim.start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.linux.kernel import Kernel
    from carrack.runtime.cgroups.hierarchy import Hierarchy

#: the interpreter specializes code that was called eight times (3.11), and takes some more calls for all of it
TIMES = 16
_PLAN: dict[str, Any] = {"namespaces": ["mount", "ipc"], "join": {}}
_REQUEST: dict[str, Any] = {
    "container": "rehearsal",
    "cgroup": "/rehearsal",
    "plan": {"spec": {}, "rootfs_fd": 0},
    "log": {"directory": "/", "file": {"kind": "json-file", "name": "log", "max_size": 1 << 20, "max_file": 1}},
}


class _Sandbox(Sandbox):
    """One whose first process is nobody."""

    def settle(self) -> None:
        pass


def rehearse(kernel: Kernel, hierarchy: Hierarchy) -> None:
    """Leaves the process with the signals of a zygote. Raises OSError when even a rehearsal fails."""
    for _ in range(TIMES):
        place = kernel.new_mount("tmpfs", [("size", "64k"), ("mode", "700")])
        try:
            _once(kernel, hierarchy, place)
        finally:
            os.close(place)
    reaper.reset()


def _once(kernel: Kernel, hierarchy: Hierarchy, place: int) -> None:
    plan = stub.Plan(_PLAN, "/rehearsal-slot")
    ours, theirs = channel.bare_pair()
    control, daemon = channel.bare_pair()
    sandbox = _Sandbox(kernel, hierarchy, plan, Child(os.getpid(), os.pidfd_open(os.getpid())), ours)
    arranged = _arrange(plan, daemon, control, place)
    channel.send(theirs, arranged.document, arranged.fds)
    for fd in {*arranged.fds, *arranged.packed[:2]}:  # the output stays open, as a program has it
        os.close(fd)
    os.close(arranged.packed[3])
    theirs.shutdown(1)
    loop = Loop()
    message, fds = sandbox.wait(loop, control)
    assert message is not None
    signals = Reaper()
    running = start(sandbox, message, fds, loop)
    shim = main.Shim(sandbox, running, loop, signals)
    shim.open(control, message["id"])
    os.write(arranged.packed[2], b"first words\n")
    loop.turn()
    channel.receive(daemon)
    _come_back(loop, daemon, place)
    os.close(arranged.packed[2])
    shim.close()
    for fd in (sandbox.null_fd, sandbox.child.pidfd, fds[message["log_directory"][0]]):
        os.close(fd)
    sandbox.release_namespaces()
    theirs.close()


def _come_back(loop: Loop, daemon: Any, place: int) -> None:
    """The daemon ends, and another one asks what there is, and ends too."""
    daemon.close()
    loop.turn()
    other = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    knock.connect(other, place)
    loop.turn()
    for fd in channel.receive(other)[1]:
        os.close(fd)
    channel.send(other, {"id": 1, "op": "held"})
    loop.turn()
    for fd in channel.receive(other)[1]:
        os.close(fd)
    other.close()
    loop.turn()


def _arrange(plan: stub.Plan, daemon: Any, control: Any, place: int) -> stub.Arranged:
    null_fd = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    message = {"id": 1, "request": _REQUEST, "directory": 1, "log_directory": 2}
    channel.send(daemon, message, [null_fd, place, place])
    received, fds = channel.receive(control)
    assert received is not None
    return stub.arrange(received, fds, os.getpid(), null_fd, stub.open_held("self", plan))
