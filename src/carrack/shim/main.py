"""The shim: the process that stays beside one container, from its empty sandbox to its exit.

Parent of the container's processes and owner of their streams and log, with no thread and no asyncio, so that one
costs less than a megabyte. Neither the daemon's end nor the zygote's is its own: a daemon that comes back connects to
``shim.sock`` and is told the state; the exit is on file before it is told to anyone.
"""

from __future__ import annotations

import gc
import os
import socket
import time
import traceback

from carrack.errors import CarrackError
from carrack.runtime import channel
from carrack.shim import loop as events
from carrack.shim import protocol, reaper, slot
from carrack.shim.control import Control
from carrack.shim.execs import Execs
from carrack.shim.loop import Loop
from carrack.shim.protocol import StartError
from carrack.shim.reaper import Reaper
from carrack.shim.service import HOLDING, Service, hold, unused
from carrack.shim.start import Running, describe, retire_socket, start, write_exit, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from carrack.linux.kernel import Kernel
    from carrack.runtime.cgroups.hierarchy import Hierarchy
    from carrack.shim.slot import Sandbox


def run(
    kernel: Kernel, hierarchy: Hierarchy, control: socket.socket, plan: dict[str, Any], joined: list[int]
) -> NoReturn:
    """A shim's whole life, in a fork of the zygote."""
    sandbox = _make_sandbox(kernel, hierarchy, control, plan, joined)
    loop = Loop()
    message, fds = sandbox.wait(loop, control)
    if message is None or "error" in message:
        _give_up(sandbox, control, message)
    signals = Reaper()
    reaper.withstand()
    try:
        running = start(sandbox, message, fds, loop)
    except StartError as error:
        _give_up(sandbox, control, {"id": message["id"], "error": error.document()})
    _leave_daemons_output(sandbox.null_fd)
    try:
        shim = Shim(sandbox, running, loop, signals)
        shim.open(control, message["id"])
        shim.serve()
    except BaseException:
        write_file(running.directory_fd, protocol.CRASH_FILE, {"traceback": traceback.format_exc()})
        raise


def _leave_daemons_output(null_fd: int) -> None:
    """Whoever reads the daemon's standard streams must see their end when the daemon ends."""
    os.dup2(null_fd, 1)
    os.dup2(null_fd, 2)


def _make_sandbox(
    kernel: Kernel, hierarchy: Hierarchy, control: socket.socket, plan: dict[str, Any], joined: list[int]
) -> Sandbox:
    try:
        sandbox = slot.prepare(kernel, hierarchy, plan, joined, control)
    except (CarrackError, OSError, ValueError, LookupError, TypeError) as error:
        _answer(control, {"error": StartError("sandbox", describe(error)).document()})
        os._exit(0)
    for fd in joined:
        os.close(fd)
    return sandbox


def _give_up(sandbox: Sandbox, control: socket.socket, failure: dict[str, Any] | None) -> NoReturn:
    """Take all down, then say why, and end. A failure without the number of a request is that of the sandbox."""
    sandbox.destroy()
    if failure is not None:
        _answer(control, failure if failure.get("id") is not None else {"error": failure["error"]})
    os._exit(0)


def _answer(control: socket.socket, message: dict[str, Any]) -> None:
    try:
        channel.send(control, message)
    except OSError:
        pass  # the daemon is gone; what it asked for is undone


class Shim:
    """A running container: its connections, its exit."""

    def __init__(self, sandbox: Sandbox, running: Running, loop: Loop, signals: Reaper) -> None:
        self._sandbox = sandbox
        self._running = running
        self._loop = loop
        self._signals = signals
        self._connections: list[Control] = []
        self._exit: dict[str, Any] | None = None
        self._used: Service | None = None

    def open(self, control: socket.socket, request: int) -> None:
        """Answer the start request, and listen."""
        daemon = self._accept(control)
        if self._sandbox.runtime is not None:
            child = self._sandbox.child
            daemon.send({"event": "process", "pid": child.pid}, (child.pidfd,))
        daemon.send({"id": request, "ok": {"pid": self._sandbox.child.pid}})
        if daemon.closed:  # it was killed while it waited: nobody knows that this container runs
            self._sandbox.kill()
        self._loop.watch(self._running.listener.fileno(), events.IN, self._connect)
        self._loop.watch(self._signals.fd, events.IN, self._reap)
        self._reap(0)  # a program may have ended before its end was watched

    def serve(self) -> NoReturn:
        """Go on until the container has ended and its output is delivered."""
        while self._exit is None:
            self._loop.turn()
        self._release()
        while not (self._running.stdio.done and (self._used is None or self._used.execs.done)):
            self._loop.turn()
        os._exit(0)

    def close(self) -> None:
        """Let go of the streams, the connections and the run directory, as if there never was a container."""
        self._running.stdio.ended()
        retire_socket(self._running.directory_fd, self._running.listener)
        os.close(self._running.directory_fd)
        for control in tuple(self._connections):
            control.close()
        self._signals.close()
        self._loop.close()

    @property
    def _service(self) -> Service:
        """Made when it is first asked for something: most containers never are."""
        if self._used is None:
            gc.enable()
            execs = Execs(self._sandbox.kernel, self._sandbox, self._loop, self._exec_exited)
            self._used = Service(self._sandbox, self._running, execs)
        return self._used

    def _accept(self, sock: socket.socket) -> Control:
        control = Control(self._loop, sock, self._request, self._connections.remove)
        self._connections.append(control)
        return control

    def _connect(self, _: int) -> None:
        listener: Any = self._running.listener
        try:
            fd, _address = listener._accept()  # the socket class's own way wakes more code than all the rest
        except OSError:
            return
        self._accept(channel.bare(fd)).send(self._state(), (self._sandbox.child.pidfd,))

    def _state(self) -> dict[str, Any]:
        """Told to each daemon that comes back: the service is not made for that alone."""
        known = unused(self._sandbox, self._running) if self._used is None else self._used.state()
        return {"event": "state", **known, "exit": self._exit}

    def _request(self, control: Control, message: dict[str, Any], fds: list[int]) -> None:
        if self._used is None and message.get("op") in HOLDING:
            hold(self._running, control, message, fds)
        else:
            self._service.handle(control, message, fds)

    def _exec_exited(self, name: str, exit: dict[str, Any]) -> None:
        self._tell({"event": "exec_exit", "exec": name, **exit})

    def _tell(self, notice: dict[str, Any]) -> None:
        for control in tuple(self._connections):
            control.send(notice)

    def _reap(self, _: int) -> None:
        ended: int | None = None
        for pid, status in self._signals.reap():
            if pid == self._sandbox.child.pid:
                ended = status
            else:
                self._reaped(pid, status)
        if ended is not None:
            at = time.time()
            oom_killed = self._clear_cgroup()
            for pid, status in self._signals.reap():
                self._reaped(pid, status)
            self._ended({"code": protocol.exit_code(ended), "at": at, "oom_killed": oom_killed})

    def _reaped(self, pid: int, status: int) -> None:
        if self._used is not None:  # else it is no exec's, but an orphan of the container
            self._used.execs.reaped(pid, status)

    def _clear_cgroup(self) -> bool:
        """Kill what is left, as there is without a pid namespace of its own; returns whether memory ran out.

        The exit code must reach the daemon even if somebody else has taken the cgroup away.
        """
        oom_killed = False
        try:
            oom_killed = self._sandbox.cgroup.oom_kills() > 0
            self._sandbox.cgroup.kill()
        except OSError:
            pass
        return oom_killed

    def _ended(self, exit: dict[str, Any]) -> None:
        """All processes are gone: bring out their last words, put the exit on file, then tell it."""
        self._running.stdio.ended()
        if self._used is not None:
            self._used.execs.end_streams()
        self._exit = exit
        directory_fd = self._running.directory_fd
        self._loop.forget(self._running.listener.fileno())
        try:
            write_exit(directory_fd, self._exit)
            retire_socket(directory_fd, self._running.listener)
        except OSError:  # the run directory was removed under us; the notice still goes out
            self._running.listener.close()
        for fd in self._running.held_fds:
            os.close(fd)
        self._tell({"event": "exit", **self._exit})

    def _release(self) -> None:
        """Slow things the exit does not wait for: the kernel's tear-down of mounts, the cgroup."""
        self._sandbox.release_namespaces()
        self._sandbox.remove_cgroup()
        self._running.tell_hooks(self._sandbox.kernel, 0, "stopped", "poststop")
        os.close(self._running.directory_fd)
        self._tell({"event": "released"})
