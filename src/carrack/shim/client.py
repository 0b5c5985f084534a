"""The daemon's side of zygote, slots and shims (asyncio).

::

    zygote = await Zygote.start(ZygoteSettings(run_root="/run/carrack"))
    slot = await zygote.slot(SlotPlan())          # ahead of need
    shim = await slot.start(request, fds)         # the program runs
    exit = await shim.exited
    await shim.released                           # its root file system is free

Descriptors: what is passed in stays the caller's; what an object shows as an attribute is the object's.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from carrack.errors import InvalidArgument, Unavailable
from carrack.oci.runtime_spec import IdMapping, Spec
from carrack.runtime import channel
from carrack.shim import seal
from carrack.shim.connection import Connection, StartFailed, failure
from carrack.shim.protocol import MAX_FDS
from carrack.shim.requests import ExecRequest, StartRequest, open_directories
from carrack.shim.running import Exit, Shim, sweep_cgroup

__all__ = ["ExecRequest", "Exit", "Shim", "Slot", "SlotPlan", "StartFailed", "StartRequest", "Zygote", "ZygoteSettings"]

_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ZygoteSettings:
    """``run_root``: what is mounted below it stays the daemon's alone; ``cgroup_parent``: where slots are made when
    their plan does not say."""

    run_root: str
    cgroup_parent: str = "/carrack"
    python: str = sys.executable


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """A sandbox: OCI namespace types to make new and to join (type → descriptor), and where its cgroup goes.

    The cgroup's final path, given at start, must have the same parent (cgroup v1 renames within a directory only).
    ``stage``: the part of the coming spec that is to be made ahead, see :mod:`carrack.runtime.stage`. ``name``: of its
    cgroup; on version 2 a start that wants the same spares a move.
    """

    namespaces: tuple[str, ...] = ("pid", "network", "ipc", "mount", "uts")
    join: Mapping[str, int] = field(default_factory=dict)
    cgroup_parent: str | None = None
    uid_map: Sequence[IdMapping] = ()
    gid_map: Sequence[IdMapping] = ()
    stage: Spec | None = None
    name: str = ""


class Zygote:
    """The process that shims are forked from. Containers do not depend on it once their slot is made."""

    def __init__(self, settings: ZygoteSettings, process: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self.pid = process.pid
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settings = settings
        self._process = process
        self._sock = sock
        self._pidfd = os.pidfd_open(process.pid)
        self._sending = asyncio.Lock()
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    @classmethod
    async def start(cls, settings: ZygoteSettings) -> Self:
        """Seal the interpreter and start it; returns when it is ready. Raises Unavailable with what it said."""
        ours, theirs = channel.pair()
        launcher = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
        fd = str(theirs.fileno())
        command = [seal.interpreter(settings.python), *seal.INTERPRETER_FLAGS, launcher, "seal", fd, settings.run_root]
        process = subprocess.Popen(  # noqa: ASYNC220 - returns as soon as the program is executed
            command,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        zygote = cls(settings, process, ours)
        try:
            await asyncio.wait_for(zygote._ready(), _READY_SECONDS)
        except BaseException:
            process.kill()
            await zygote.close()
            raise
        return zygote

    async def slot(self, plan: SlotPlan) -> "Slot":
        """Make a sandbox and its shim. Raises StartFailed when the kernel refuses, Unavailable without a zygote."""
        ours, theirs = channel.pair()
        slot = Slot(ours)
        document = {
            "namespaces": list(plan.namespaces),
            "join": {kind: index for index, kind in enumerate(plan.join)},
            "cgroup_parent": plan.cgroup_parent or self._settings.cgroup_parent,
            "uid_map": list(plan.uid_map),
            "gid_map": list(plan.gid_map),
            "stage": plan.stage,
            "named": bool(plan.name),
        }
        try:
            if plan.name:  # apart, since the zygote knows plans by their bytes
                channel.send(ours, {"name": plan.name})
            await self._send({"slot": document}, [theirs.fileno(), *plan.join.values()])
            theirs.close()
            await slot.ready()
        except BaseException:
            theirs.close()
            slot.abandon()
            raise
        return slot

    async def user_namespace(self, uid_map: Sequence[IdMapping], gid_map: Sequence[IdMapping]) -> int:
        """A new user namespace with these maps and nobody in it, for id-mapped mounts; the descriptor is the caller's.

        Raises OSError when the kernel refuses, Unavailable without a zygote.
        """
        ours, theirs = channel.pair()
        try:
            with theirs:
                maps = {"uid_map": list(uid_map), "gid_map": list(gid_map)}
                await self._send({"userns": maps}, [theirs.fileno()])
            message, fds = await _next(ours)
        finally:
            ours.close()
        if message is None:
            raise Unavailable("the zygote has ended; start another one")
        if not fds:
            raise OSError(message["errno"], message["error"])
        return fds[0]

    async def close(self) -> None:
        """End it and wait for its end; never touches a running container. Slots go when they are discarded."""
        self._sock.close()
        await asyncio.shield(self.exited)

    async def _ready(self) -> None:
        message, _ = await _next(self._sock)
        if message is None:
            raise Unavailable("the zygote ended while it started: see the daemon's standard error")

    async def _send(self, message: dict[str, Any], fds: list[int]) -> None:
        async with self._sending:
            while True:
                try:
                    channel.send(self._sock, message, fds)
                    return
                except BlockingIOError:
                    await asyncio.sleep(0.005)
                except OSError as error:
                    raise Unavailable("the zygote has ended; start another one") from error

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        if not self.exited.done():
            self.exited.set_result(None)


async def _next(sock: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message of a socket that nobody else reads."""
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    readable = loop.create_future()
    loop.add_reader(sock.fileno(), readable.set_result, None)
    try:
        await readable
    finally:
        loop.remove_reader(sock.fileno())
    return channel.receive(sock)


class Slot:
    """A sandbox that waits for its container.

    ``netns_fd`` and ``netlink_fd`` (a NETLINK_ROUTE socket of its network namespace) are -1 where the network is not
    its own; they stay open until the slot is discarded or its container has started. ``lost`` is done when the shim
    has ended before its time.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.init_pid = 0
        self.pidfd = self.netns_fd = self.netlink_fd = -1
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cgroup: str | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = Connection(sock, self._notice, self._gone)

    async def ready(self) -> None:
        """Wait until it stands."""
        await self._ready

    async def start(self, request: StartRequest, fds: Sequence[int]) -> Shim:
        """Start the program; returns when it runs. Raises StartFailed, with nothing left but the log file, and
        InvalidArgument for more descriptors than a message can have."""
        own, places = open_directories(request)
        # Made first: the exit of a short program may come in the same breath as the answer.
        shim = Shim(self._connection, request["directory"], request["container"], request["cgroup"], self.init_pid, -1)
        try:
            arguments = {name: len(fds) + index for name, index in places.items()}
            if len(fds) + len(own) > MAX_FDS:
                raise InvalidArgument(f"a container has at most some {MAX_FDS - 10} volumes and binds: this has more")
            await self._connection.request("start", [*fds, *own], request=request, **arguments)
        except BaseException:
            self.abandon()
            if "runtime" in request:  # whose container is no child of the first process
                for path in (request["cgroup"], self._cgroup or request["cgroup"]):
                    await asyncio.shield(asyncio.to_thread(sweep_cgroup, path))
            raise
        finally:
            for fd in own:
                os.close(fd)
        if shim.pidfd < 0:
            shim.pidfd, self.pidfd = self.pidfd, -1
        self._close_descriptors()
        if shim.released.done():
            await shim.close()
        return shim

    async def discard(self) -> None:
        """Throw it away; returns when process, namespaces and cgroup are gone."""
        self._close_descriptors()
        if not self.lost.done():
            self._connection.finish()
            await asyncio.shield(self.lost)

    def abandon(self) -> None:
        """Throw it away without waiting. Its first process is killed, for a start may be half-way through."""
        if self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._close_descriptors()
        self._connection.close()
        self._set_lost()
        if not self.lost.done():
            self.lost.set_result(None)

    def _notice(self, message: dict[str, Any], fds: list[int]) -> None:
        if self._ready.done():  # cancelled meanwhile
            for fd in fds:
                os.close(fd)
        elif "ready" in message:
            self.init_pid, self._cgroup = message["ready"]["pid"], message["ready"]["cgroup"]
            self.pidfd, self.netns_fd, self.netlink_fd = (*fds, -1, -1)[:3]
            self._ready.set_result(None)
        else:
            self._ready.set_exception(failure(message["error"]))

    def _gone(self) -> None:
        if not self._ready.done():
            self._ready.set_exception(Unavailable("the zygote could not make a sandbox: its shim ended"))
        if self._cgroup is not None:
            sweep_cgroup(self._cgroup)  # only if the shim was killed is anything left
        self._close_descriptors()
        self._set_lost()

    def _set_lost(self) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def _close_descriptors(self) -> None:
        for fd in (self.pidfd, self.netns_fd, self.netlink_fd):
            if fd >= 0:
                os.close(fd)
        self.pidfd = self.netns_fd = self.netlink_fd = -1
