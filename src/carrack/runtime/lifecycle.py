"""Start, signal, delete: what happens to a created container until nothing is left of it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time

from carrack.errors import Conflict, InvalidArgument
from carrack.runtime import channel, hooks
from carrack.runtime.cgroups import hierarchy
from carrack.runtime.create import StartFailed, gate_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from carrack.linux.kernel import Kernel
    from carrack.runtime.cgroups.hierarchy import Cgroup
    from carrack.runtime.state import State

_DEATH_SECONDS = 10.0


def cgroup_of(kernel: Kernel, state: State) -> Cgroup | None:
    """The container's cgroup; None when its record died before naming one."""
    path = state.record.get("cgroup")
    return hierarchy.detect(kernel=kernel).open(path) if path else None


def start(kernel: Kernel, state: State, warn: Callable[[str], None]) -> None:
    """Let the program run; returns when it does. Raises StartFailed in the words of its init."""
    status = state.status(cgroup_of(kernel, state))
    if status == "running" or status == "paused":
        raise Conflict("cannot start an already running container")
    if status != "created":
        raise Conflict("cannot start a container that has stopped")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gate:
        with gate_address(state) as address:
            gate.connect(address)
        channel.send(gate, {"exec": True})
        try:
            message, _ = channel.receive(gate)
        except ConnectionResetError:
            message = {"error": {"message": "it ended unexpectedly"}}
    os.unlink(state.socket_path)
    if message is not None:
        raise StartFailed(message.get("error", {}))
    try:
        hooks.run(kernel, state.spec().get("hooks", {}), "poststart", {**state.document(None), "status": "running"})
    except hooks.HookFailed as error:
        warn(str(error))


def send_signal(kernel: Kernel, state: State, number: int, *, everyone: bool = False) -> None:
    """To the first process, or to all in the cgroup; Conflict when there is none."""
    cgroup = cgroup_of(kernel, state)
    if everyone:
        if cgroup is not None:
            for pid in cgroup.processes():
                _kill_pid(pid, number)
        return
    if not state.alive():
        raise Conflict("container not running")
    _kill_verified(kernel, state, number)
    if number == signal.SIGKILL and cgroup is not None:
        if cgroup.frozen():
            cgroup.thaw()
        if not _own_pid_namespace(state):  # nothing takes the others along
            cgroup.kill()


def delete(kernel: Kernel, state: State, *, force: bool, warn: Callable[[str], None]) -> None:
    """Remove what is left of a container: processes, cgroup, record. Conflict when it runs and force is not given."""
    cgroup = cgroup_of(kernel, state)
    status = state.status(cgroup)
    if status in ("running", "paused", "creating") and not force:
        raise Conflict(f"cannot delete container {state.id} that is not stopped: {status}")
    if state.alive():  # created, or forced
        _kill_verified(kernel, state, signal.SIGKILL)
        if cgroup is not None and cgroup.frozen():
            cgroup.thaw()
        _await_death(state)
    if cgroup is not None:
        cgroup.kill()
        cgroup.remove()
    try:
        listed = state.spec().get("hooks", {})
        hooks.run(kernel, listed, "poststop", {**state.document(None), "status": "stopped"})
    except hooks.HookFailed as error:
        warn(str(error))
    except FileNotFoundError:
        pass  # it never came so far as to have a spec
    state.remove()


def parse_signal(word: str) -> int:
    """``TERM``, ``SIGTERM``, ``15`` → 15; also ``RTMIN+n`` and ``RTMAX-n``."""
    if word.isascii() and word.isdigit():
        number = int(word)
        if 0 < number < signal.NSIG:
            return number
        raise InvalidArgument(f"unknown signal {word!r}")
    name = word.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    base, sign, offset = name, "", ""
    for mark in "+-":
        if mark in name:
            base, sign, offset = name.partition(mark)
    known = signal.Signals.__members__.get(base)
    if known is None or (sign and not (offset.isdigit() and base in ("SIGRTMIN", "SIGRTMAX"))):
        raise InvalidArgument(f"unknown signal {word!r}")
    return int(known) + (int(sign + offset) if sign else 0)


def _kill_verified(kernel: Kernel, state: State, number: int) -> None:
    """By pidfd, checked after opening: the pid cannot have passed to another process then."""
    try:
        pidfd = kernel.pidfd_open(state.pid)
    except ProcessLookupError:
        raise Conflict("container not running") from None
    try:
        if not state.alive():
            raise Conflict("container not running")
        kernel.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        raise Conflict("container not running") from None
    finally:
        os.close(pidfd)


def _kill_pid(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _own_pid_namespace(state: State) -> bool:
    namespaces = state.spec().get("linux", {}).get("namespaces", [])
    return any(entry["type"] == "pid" and not entry.get("path") for entry in namespaces)


def _await_death(state: State) -> None:
    deadline = time.monotonic() + _DEATH_SECONDS
    pause = 0.001
    while state.alive():
        if time.monotonic() > deadline:
            raise OSError(errno.ETIMEDOUT, f"process {state.pid} does not die", state.id)
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
