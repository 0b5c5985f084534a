"""A running container as the daemon sees it: a connection to its shim, and what its run directory tells without one."""

import asyncio
import functools
import json
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from carrack.errors import NotFound, Unavailable
from carrack.runtime import channel
from carrack.runtime.cgroups.hierarchy import detect
from carrack.shim import knock, protocol
from carrack.shim.connection import Connection
from carrack.shim.holding import Holding
from carrack.shim.requests import ExecRequest

if TYPE_CHECKING:
    from carrack.runtime.cgroups.hierarchy import Hierarchy
    from carrack.runtime.cgroups.stats import CgroupStats, CpuStats

log = logging.getLogger(__name__)

First = tuple[dict[str, Any] | None, int | None]

_ANSWER_SECONDS, _SILENT_SECONDS = 10.0, 150.0  # the longer where its container lives: a log may wait for its disk
#: how long a daemon that starts waits for a shim's state, before it goes on with what is on file
_PROMPT_SECONDS = 0.5
_KILLED = 137
_FILE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: code (128 + signal for a killed one), when (seconds since 1970), whether the container
    had run out of memory. ``lost``: its shim was killed, so the rest was killed and the code is not the program's."""

    code: int
    at: float
    oom_killed: bool = False
    lost: bool = False


class Shim(Holding):
    """One container. ``exited`` is done when its exit is known; ``released`` when its cgroup is removed and its mounts
    are torn down, so that its root file system may be removed or mounted again."""

    def __init__(
        self, connection: Connection | None, directory: str, container_id: str, cgroup: str, pid: int, pidfd: int
    ) -> None:
        loop = asyncio.get_running_loop()
        self.container_id = container_id
        self.directory = directory
        self.pid = pid
        self.pidfd = pidfd
        self.exited: asyncio.Future[Exit] = loop.create_future()
        self.released: asyncio.Future[None] = loop.create_future()
        self.state: dict[str, Any] = {}
        self._cgroup = cgroup
        self._execs: dict[str, asyncio.Future[Exit]] = {}
        self._connection = connection
        self._silence: asyncio.TimerHandle | None = None
        if connection is not None:
            connection.notice, connection.lost = self._notice, self._lost

    @classmethod
    def at_once(cls, directory: str) -> Self | None:
        """The container of a shim whose state has come since the `knock`; None leaves it to `reconnect`."""
        if (sock := knock.answered(directory)) is None:
            return None
        try:
            state, fds = channel.receive(sock, protocol.MAX_FDS)
        except BlockingIOError:
            knock.keep(directory, sock)
            return None
        except (OSError, ValueError):
            state, fds = None, []
        if state is None or len(fds) != 1:
            for fd in fds:
                os.close(fd)
            sock.close()
            return None
        connection = Connection(sock, _ignore, _ignore)
        shim = cls(connection, directory, state["container"], state["cgroup"], state["pid"], fds[0])
        shim._adopt(state)
        return shim

    @classmethod
    async def reconnect(cls, directory: str) -> Self:
        """Find the container of a run directory again, after a restart of the daemon.

        Without a shim, the exit it left is shown; without that, the shim was killed: what is left of the container
        is killed too, and ``exited`` says so. A shim that does not answer at once is taken at what is on file, and
        given up if it stays silent. Raises NotFound when the directory holds no trace of a shim.
        """
        try:
            directory_fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"no run directory {directory}") from None
        try:
            sock = knock.answered(directory) or await _connect(directory_fd)
            state = pidfd = None
            if sock is not None:
                connection, first = _listen(sock)
                state, pidfd = await _within(first, _PROMPT_SECONDS)
                if not first.done() and (shim := cls._silent(connection, directory)) is not None:
                    shim._silence = asyncio.get_running_loop().call_later(_SILENT_SECONDS, shim._give_up)
                    first.add_done_callback(shim._heard)
                    return shim
                state, pidfd = await _within(first, _ANSWER_SECONDS)
                if not first.done():
                    connection.close()
                    raise Unavailable("a shim does not answer")
            if state is None or pidfd is None:
                return cls._from_files(directory)
        finally:
            os.close(directory_fd)
        shim = cls(connection, directory, state["container"], state["cgroup"], state["pid"], pidfd)
        shim._adopt(state)
        connection.resume()
        return shim

    async def attach(
        self, sock: socket.socket, *, stdin: bool, stdout: bool, stderr: bool, exec_id: str | None = None
    ) -> None:
        """Hand over one end of a stream socket pair: framed output comes out of the other, input goes in."""
        with sock:
            await self._request("attach", [sock.fileno()], exec=exec_id, stdin=stdin, stdout=stdout, stderr=stderr)

    async def exec(self, exec_id: str, request: ExecRequest, fds: Sequence[int]) -> int:
        """Start a further process; returns its pid when it runs. Raises StartFailed."""
        self._execs[exec_id] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._request("exec", fds, exec=exec_id, request=request)
        except BaseException:
            self._execs.pop(exec_id).cancel()
            raise
        pid: int = answer["pid"]
        return pid

    def exec_exited(self, exec_id: str) -> asyncio.Future[Exit]:
        """Raises NotFound for an exec that this container never started."""
        try:
            return self._execs[exec_id]
        except KeyError:
            raise NotFound(f"no exec {exec_id} in container {self.container_id}") from None

    async def signal(self, signal: int, exec_id: str | None = None) -> None:
        """To the container's first process, or to an exec's. Raises NotFound when it has ended."""
        await self._request("signal", signal=signal, exec=exec_id)

    async def pause(self) -> None:
        await self._request("pause")

    async def resume(self) -> None:
        await self._request("resume")

    async def update(self, resources: Mapping[str, Any]) -> None:
        """Apply OCI linux.resources."""
        await self._request("update", resources=resources)

    async def stats(self) -> "CgroupStats":
        """As carrack.runtime.cgroups.stats documents them; read here, for a shim that is woken takes memory.

        Raises NotFound when it has ended.
        """
        if self.exited.done():
            raise NotFound(f"container {self.container_id} has ended")
        return await asyncio.to_thread(_hierarchy().open(self._cgroup).stats)

    async def cpu(self) -> "CpuStats":
        """The processor's part of them alone."""
        if self.exited.done():
            raise NotFound(f"container {self.container_id} has ended")
        return await asyncio.to_thread(lambda: _hierarchy().open(self._cgroup).cpu)

    async def pids(self) -> list[int]:
        """Of all processes in the container, in the host's numbers."""
        pids: list[int] = await self._request("pids")
        return pids

    async def resize(self, height: int, width: int, exec_id: str | None = None) -> None:
        await self._request("resize", height=height, width=width, exec=exec_id)

    async def close(self) -> None:
        """Drop the connection; the container goes on."""
        if self._silence is not None:
            self._silence.cancel()
        if self._connection is not None:
            self._connection.close()
        self._close_pidfd()

    async def _request(self, operation: str, fds: Sequence[int] = (), **arguments: Any) -> Any:
        try:
            if self._connection is None:
                raise Unavailable("there is no shim")
            return await self._connection.request(operation, fds, **arguments)
        except Unavailable:
            await asyncio.wait({self.exited}, timeout=_PROMPT_SECONDS)  # it may have been told, and be unread
            if self.exited.done():
                raise NotFound(f"container {self.container_id} has ended") from None
            raise

    def _notice(self, message: dict[str, Any], fds: list[int]) -> None:
        if message["event"] == "process":  # another runtime made it
            self.pid, self.pidfd = message["pid"], fds.pop()
        for fd in fds:
            os.close(fd)
        if message["event"] == "exit":
            self._set_exit(Exit(message["code"], message["at"], message["oom_killed"]))
        elif message["event"] == "exec_exit":
            self._exec_ended(message["exec"], Exit(message["code"], message["at"]))
        elif message["event"] == "released" and self._connection is not None:
            self._connection.close()  # nothing more will be said
            self._set_released()
            self._lost()

    @classmethod
    def _silent(cls, connection: Connection, directory: str) -> Self | None:
        """A shim of which only the file is known so far; None when that does not name a process of its cgroup."""
        document = _read(directory, protocol.STATE_FILE)
        if document is None:
            return None
        cgroup = _hierarchy().open(document["cgroup"])
        try:
            pidfd = os.pidfd_open(document["pid"])
            if document["pid"] not in cgroup.processes():
                os.close(pidfd)
                return None
            paused = cgroup.frozen()
        except OSError:
            return None
        for_first = connection.notice, connection.lost
        shim = cls(connection, directory, document["container"], document["cgroup"], document["pid"], pidfd)
        connection.notice, connection.lost = for_first
        shim.state = {"paused": paused}
        return shim

    def _heard(self, first: asyncio.Future[First]) -> None:
        """A shim that did not answer at once does so now, or ends."""
        if self._silence is not None:
            self._silence.cancel()
        state, pidfd = first.result()
        if pidfd is not None:
            os.close(pidfd)  # we have one
        if state is None:
            self._lost()
        elif self._connection is not None:
            self._connection.notice, self._connection.lost = self._notice, self._lost
            self._adopt(state)
            self._connection.resume()

    def _give_up(self) -> None:
        log.error("the shim of container %s does not answer: the container is ended", self.container_id)
        if self._connection is not None:
            self._connection.close()
        self._lost()

    def _adopt(self, state: dict[str, Any]) -> None:
        self.state = state
        for exec_id, known in state["execs"].items():
            self._execs[exec_id] = asyncio.get_running_loop().create_future()
            if known["exit"] is not None:
                self._exec_ended(exec_id, Exit(known["exit"]["code"], known["exit"]["at"]))
        if state["exit"] is not None:
            self._set_exit(Exit(**state["exit"]))

    def _set_exit(self, exit: Exit) -> None:
        if not self.exited.done():
            self.exited.set_result(exit)

    def _exec_ended(self, exec_id: str, exit: Exit) -> None:
        future = self._execs.get(exec_id)
        if future is not None and not future.done():
            future.set_result(exit)

    def _lost(self) -> None:
        """The shim has gone. Without an exit it was killed, and its container must not go on half alive; if it did not
        say that all is released, its cgroup may be left."""
        if not self.released.done():
            sweep_cgroup(self._cgroup)
        if not self.exited.done():
            self._set_exit(_exit_on_file(self.directory) or Exit(_KILLED, time.time(), lost=True))
        for exec_id in self._execs:
            self._exec_ended(exec_id, Exit(_KILLED, time.time(), lost=True))
        self._close_pidfd()
        self._set_released()

    def _set_released(self) -> None:
        if not self.released.done():
            self.released.set_result(None)

    def _close_pidfd(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    @classmethod
    def _from_files(cls, directory: str) -> Self:
        exit = _exit_on_file(directory)
        state = _read(directory, protocol.STATE_FILE) or {}
        if state:
            sweep_cgroup(state["cgroup"])
            exit = exit or Exit(_KILLED, time.time(), lost=True)
        if exit is None:
            raise NotFound(f"no shim and no exit in {directory}")
        shim = cls(None, directory, state.get("container", ""), state.get("cgroup", ""), state.get("pid", 0), -1)
        shim._set_exit(exit)
        shim.released.set_result(None)
        return shim


@functools.cache
def _hierarchy() -> "Hierarchy":
    """This machine's, which stays as it is."""
    return detect()


def process_age(pid: int) -> float:
    """For how many seconds a process has run, by a clock that nobody sets (field 22 of proc_pid_stat(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError):
        return 0.0


def sweep_cgroup(path: str) -> None:
    """Kill all that is in the cgroup and remove it; nothing when it is gone already, a warning when it stays."""
    cgroup = _hierarchy().open(path)
    try:
        cgroup.kill()
        cgroup.remove()
    except OSError as error:
        log.warning("the cgroup %s of a container whose shim was lost stays: %s", path, error)


def _exit_on_file(directory: str) -> Exit | None:
    document = _read(directory, protocol.EXIT_FILE)
    return None if document is None else Exit(document["code"], document["at"], document["oom_killed"])


def _read(directory: str, name: str) -> dict[str, Any] | None:
    try:
        with open(os.path.join(directory, name), "rb") as file:
            document: dict[str, Any] = json.loads(file.read(_FILE_LIMIT))
    except (FileNotFoundError, ValueError):
        return None
    return document


async def _connect(directory_fd: int) -> socket.socket | None:
    """None when nobody listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            knock.connect(sock, directory_fd)
            return sock
        except BlockingIOError as error:  # its backlog is full
            if time.monotonic() > deadline:
                sock.close()
                raise Unavailable("a shim does not answer") from error
            await asyncio.sleep(0.01)
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            return None


def _ignore(*_: Any) -> None:
    """Until the `Shim` hears what its connection does."""


def _listen(sock: socket.socket) -> tuple[Connection, asyncio.Future[First]]:
    """The connection, which pauses at its first message, and what that will be: the state a shim tells first and the
    pidfd beside it, or nothing when it ends instead."""
    first: asyncio.Future[First] = asyncio.get_running_loop().create_future()

    def notice(message: dict[str, Any], fds: list[int]) -> None:
        connection.pause()
        if not first.done():
            first.set_result((message, fds[0] if fds else None))

    def lost() -> None:
        if not first.done():
            first.set_result((None, None))

    connection = Connection(sock, notice, lost)
    return connection, first


async def _within(first: asyncio.Future[First], seconds: float) -> First:
    """It, or nothing after that time; it may still come."""
    await asyncio.wait({first}, timeout=seconds)
    return first.result() if first.done() else (None, None)
