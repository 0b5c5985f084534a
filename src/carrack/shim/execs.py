"""Further processes of a running container, each with its own streams.

A fork of the shim, born in the container's pid namespace, enters the rest of the container and becomes the process.
The answer to the daemon waits until the program runs or has failed.
"""

from __future__ import annotations

import os
import socket
import time

from carrack.errors import CarrackError, Conflict
from carrack.runtime import channel
from carrack.runtime.exec import Target, ended, enter, fork_inside
from carrack.shim import external, protocol, reaper
from carrack.shim import loop as events
from carrack.shim.protocol import STOPPED, StartError
from carrack.shim.slot import keep_only
from carrack.shim.start import attach_all, hand_streams, obey
from carrack.shim.stdio import Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from carrack.linux.kernel import Kernel
    from carrack.shim.loop import Loop
    from carrack.shim.slot import Sandbox

#: how long output is taken after an exec has ended while its descendants keep its streams open (dockerd's own grace)
LINGER_SECONDS = 2.0
_REMEMBERED = 128
_STOPPED = "the container has ended"


class Exec:
    """One further process: starting, running, or ended (``exit``; ``status`` while the start is still to be told)."""

    def __init__(self, request: dict[str, Any], stdio: Stdio) -> None:
        self.terminal = bool(request.get("terminal"))
        self.note: Any = request.get("note")  # the daemon's own, for the next daemon
        self.stdio = stdio
        self.pid = 0
        self.status: int | None = None
        self.started = False
        self.failed = False
        self.exit: dict[str, Any] | None = None

    def state(self) -> dict[str, Any]:
        return {"pid": self.pid, "exit": self.exit, "note": self.note}


class Execs:
    """All execs of one container; ``exited(id, exit)`` is called once for each that was started."""

    def __init__(self, kernel: Kernel, sandbox: Sandbox, loop: Loop, exited: Callable[[str, dict[str, Any]], None]):
        self._kernel = kernel
        self._sandbox = sandbox
        self._loop = loop
        self._exited = exited
        self._execs: dict[str, Exec] = {}

    def start(
        self, name: str, message: dict[str, Any], fds: list[int], answer: Callable[[int | StartError], None]
    ) -> None:
        """Start one; answer(pid or error) is called when it runs or has failed. ``fds`` are closed or kept."""
        request = message["request"]
        left, ends = set(fds), list[int]()

        def take(index: int) -> int:
            left.discard(fds[index])
            return fds[index]

        if name in self._execs:
            raise StartError("request", f"exec {name} exists already")
        process = Exec(request, Stdio(self._loop, stdin=bool(request.get("stdin")), stdin_once=True))
        try:
            attach_all(process.stdio, request, take)
            plan, packed = protocol.pack(request["plan"], fds)
            ends = self._sandbox.give(hand_streams(plan, packed, process.stdio, request, self._sandbox.null_fd))
            if (runtime := self._sandbox.runtime) is not None:
                process.pid = external.further(runtime, self._sandbox, protocol.unpack(plan, packed), process.stdio)
                self._execs[name] = process
                self._begun(name, process, answer)
                return
            ours, theirs = channel.pair()
            target = Target(self._sandbox.child.pid, self._sandbox.child.pidfd, self._sandbox.cgroup)
            process.pid, pidfd = fork_inside(self._kernel, target)
            if process.pid == 0:
                self._enter(target, protocol.unpack(plan, packed), packed, theirs)
            os.close(pidfd)
            theirs.close()
        except BaseException as error:
            process.stdio.ended()
            if self._stopped(error):
                raise StartError(STOPPED, _STOPPED) from error
            raise
        finally:
            for fd in (*left, *ends):
                os.close(fd)
        self._execs[name] = process
        self._loop.watch(ours.fileno(), events.IN, lambda _: self._report(name, process, ours, answer))

    def get(self, name: str) -> Exec:
        """Raises LookupError, worded for the daemon."""
        process = self._execs.get(name)
        if process is None or process.failed:
            raise LookupError(f"exec {name}")
        return process

    def reaped(self, pid: int, status: int) -> None:
        """An ended child that is not the container's first process."""
        for name, process in self._execs.items():
            if process.pid == pid and process.exit is None:
                self._end(name, process, status)
                return

    def state(self) -> dict[str, Any]:
        return {name: process.state() for name, process in self._execs.items() if process.started}

    def end_streams(self) -> None:
        """The container has ended, and every process in it."""
        for process in self._execs.values():
            process.stdio.ended()

    @property
    def done(self) -> bool:
        """Whether no output of an exec waits to be delivered."""
        return all(process.stdio.done for process in self._execs.values())

    def _enter(self, target: Target, plan: Any, fds: list[int], sock: socket.socket) -> NoReturn:
        """In the fork: nothing of the shim's but what the process needs, then into the container."""
        try:
            reaper.reset()
            keep_only(self._kernel, [sock.fileno(), target.pidfd, *fds])
            enter(self._kernel, target, plan, sock)
        finally:
            os._exit(1)

    def _report(
        self, name: str, process: Exec, sock: socket.socket, answer: Callable[[int | StartError], None]
    ) -> None:
        """One message of a starting process; its end of file means that the program runs."""
        try:
            if _take_report(process, sock):
                return
        except (StartError, CarrackError, OSError, ValueError) as error:
            self._finish_report(sock)
            self._fail(name, process, error, answer)
            return
        self._finish_report(sock)
        self._begun(name, process, answer)

    def _begun(self, name: str, process: Exec, answer: Callable[[int | StartError], None]) -> None:
        process.started = True
        process.stdio.start(None)
        answer(process.pid)
        if process.status is not None:
            self._end(name, process, process.status)

    def _finish_report(self, sock: socket.socket) -> None:
        self._loop.forget(sock.fileno())
        sock.close()

    def _fail(self, name: str, process: Exec, error: Exception, answer: Callable[[int | StartError], None]) -> None:
        process.failed = True
        del self._execs[name]
        process.stdio.ended()
        if self._stopped(error):
            error = StartError(STOPPED, _STOPPED)
        answer(error if isinstance(error, StartError) else StartError("exec", str(error)))

    def _stopped(self, error: BaseException) -> bool:
        """Whether it failed because the container has ended, whatever the kernel or a runtime calls that."""
        told = isinstance(error, (CarrackError, StartError, OSError))
        return isinstance(error, Conflict) or (told and ended(self._sandbox.child.pidfd))

    def _end(self, name: str, process: Exec, status: int) -> None:
        if not process.started:
            process.status = status
            return
        process.exit = {"code": protocol.exit_code(status), "at": time.time()}
        process.stdio.ended(LINGER_SECONDS)
        self._exited(name, process.exit)
        over = [key for key, other in self._execs.items() if other.exit is not None and other.stdio.done]
        for key in over[:-_REMEMBERED]:
            del self._execs[key]


def _take_report(process: Exec, sock: socket.socket) -> bool:
    """Obey one report; False when there will be none any more, for the program runs, or its process was killed."""
    message, fds = channel.receive(sock)
    if message is not None:
        obey(message, fds, sock, process.stdio)
    return message is not None
