"""What a daemon may ask of a running container's shim: a table of requests."""

from __future__ import annotations

import os
import socket

from carrack.linux.portfds import on_ports
from carrack.shim import external
from carrack.shim.protocol import StartError
from carrack.shim.start import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carrack.shim.control import Control
    from carrack.shim.execs import Execs
    from carrack.shim.slot import Sandbox
    from carrack.shim.start import Running
    from carrack.shim.stdio import Stdio

    Request = dict[str, Any]


def unused(sandbox: Sandbox, running: Running) -> dict[str, Any]:
    """The state of a container whose shim has been asked for nothing yet."""
    return {
        "container": running.container,
        "pid": sandbox.child.pid,
        "cgroup": sandbox.cgroup.path,
        "paused": False,
        "execs": {},
    }


HOLDING = ("hold", "held")


def hold(running: Running, control: Control, message: Request, fds: list[int]) -> None:
    """Keep these descriptors too, or give duplicates of what is kept: a daemon that comes back asks this of all."""
    if message["op"] == "hold":
        running.held_fds += fds
        control.send({"id": message.get("id"), "ok": len(fds)})
    else:
        held = tuple(running.held_fds)
        control.send({"id": message.get("id"), "ok": len(held)}, held)


class Service:
    """Answers requests; each is answered once, by ``ok`` or by ``error``."""

    def __init__(self, sandbox: Sandbox, running: Running, execs: Execs) -> None:
        self._sandbox = sandbox
        self._running = running
        self.execs = execs
        self._paused = False
        self._operations: dict[str, Callable[[Request], Any]] = {
            "signal": self._signal,
            "pause": self._pause,
            "resume": self._resume,
            "update": self._update,
            "stats": lambda _: self._sandbox.cgroup.stats(),
            "pids": lambda _: self._sandbox.cgroup.processes(),
            "resize": self._resize,
            "release": self._release,
        }

    def state(self) -> dict[str, Any]:
        """What a daemon that connects anew has to know."""
        return {**unused(self._sandbox, self._running), "paused": self._paused, "execs": self.execs.state()}

    def handle(self, control: Control, message: Request, fds: list[int]) -> None:
        """Obey one request; descriptors that it does not keep are closed."""
        number, name = message.get("id"), message.get("op")
        try:
            if name == "exec":
                if self._paused:  # whatever enters a frozen cgroup freezes with it
                    raise StartError("request", "the container is paused")
                left, fds = fds, []
                self.execs.start(message["exec"], message, left, lambda outcome: _told(control, number, outcome))
                return
            if name == "attach":
                left, fds = fds, []
                self._attach(message, left)
                control.send({"id": number, "ok": None})
                return
            if name in HOLDING:
                left, fds = fds, []
                hold(self._running, control, message, left)
                return
            operation = self._operations.get(str(name))
            if operation is None:
                raise ValueError(f"unknown request {name!r}")
            control.send({"id": number, "ok": operation(message)})
        except StartError as error:
            _told(control, number, error)
        except Exception as error:  # whatever a request is like, it must not end the container
            kind = "missing" if isinstance(error, (LookupError, ProcessLookupError)) else "failed"
            number_of = getattr(error, "errno", None)
            report = {"kind": kind, "message": describe(error), "errno": number_of, "op": str(name)}
            control.send({"id": number, "error": report})
        finally:
            for fd in fds:
                os.close(fd)

    def _release(self, message: Request) -> int:
        """Let go of the sockets on some ports; says how many there were."""
        gone = on_ports(self._running.held_fds, message["places"])
        self._running.held_fds = [fd for fd in self._running.held_fds if fd not in gone]
        for fd in gone:
            os.close(fd)
        return len(gone)

    def _streams(self, message: Request) -> tuple[Stdio, bool]:
        """The streams a request means, and whether they are a terminal."""
        if message.get("exec") is None:
            return self._running.stdio, self._running.terminal
        process = self.execs.get(message["exec"])
        return process.stdio, process.terminal

    def _attach(self, message: Request, fds: list[int]) -> None:
        sock = socket.socket(fileno=fds[0])
        try:
            stdio, terminal = self._streams(message)
        except LookupError:
            sock.close()
            raise
        wishes = {name: bool(message.get(name)) for name in ("stdin", "stdout", "stderr")}
        stdio.attach(sock, **wishes, terminal=terminal)

    def _signal(self, message: Request) -> None:
        if message.get("exec") is None:
            if self._sandbox.runtime is not None:
                self._sandbox.runtime.kill(message["signal"])
            else:
                self._sandbox.kernel.pidfd_send_signal(self._sandbox.child.pidfd, message["signal"])
            return
        process = self.execs.get(message["exec"])
        if process.exit is not None or not process.pid:
            raise ProcessLookupError(3, f"exec {message['exec']} is not running")
        os.kill(process.pid, message["signal"])  # our own unreaped child: the number cannot be another's

    def _pause(self, _: Request) -> None:
        (self._sandbox.runtime.pause if self._sandbox.runtime is not None else self._sandbox.cgroup.freeze)()
        self._paused = True

    def _resume(self, _: Request) -> None:
        (self._sandbox.runtime.resume if self._sandbox.runtime is not None else self._sandbox.cgroup.thaw)()
        self._paused = False

    def _update(self, message: Request) -> None:
        limits = message["resources"]
        if self._sandbox.runtime is None:
            self._sandbox.cgroup.apply(limits)
            return
        self._sandbox.runtime.update(limits)
        rest: Any = external.left_out(limits)
        if rest:
            self._sandbox.cgroup.apply(rest)

    def _resize(self, message: Request) -> None:
        self._streams(message)[0].resize(message["height"], message["width"])


def _told(control: Control, number: Any, outcome: int | StartError) -> None:
    if isinstance(outcome, StartError):
        control.send({"id": number, "error": outcome.document()})
    else:
        control.send({"id": number, "ok": {"pid": outcome}})
