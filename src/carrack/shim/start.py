"""From a parked sandbox to a running program: cgroup, streams, the plan to the stub; then log and socket.

Each step has its undo beside it; when one fails nothing is left but the log file.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from contextlib import ExitStack

from carrack.errors import CarrackError
from carrack.runtime import channel
from carrack.shim import protocol
from carrack.shim.logfile import LogFile
from carrack.shim.stdio import Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.shim.loop import Loop
    from carrack.shim.slot import Sandbox

#: a container that is started again may find its cgroup still being removed by its former shim
_RENAME_SECONDS = 5.0
_BACKLOG = 16


class StartError(Exception):
    """What failed, worded for the user; exit_code as ``docker run`` would end (125, 126, 127)."""

    def __init__(self, stage: str, message: str, exit_code: int = 125) -> None:
        super().__init__(message)
        self.stage = stage
        self.exit_code = exit_code

    def document(self) -> dict[str, Any]:
        return {"stage": self.stage, "message": str(self), "exit_code": self.exit_code}


class Running:
    """What a started container consists of, besides its sandbox."""

    def __init__(self, request: dict[str, Any], directory_fd: int, listener: socket.socket, stdio: Stdio) -> None:
        self.container: str = request["container"]
        self.terminal = bool(request.get("terminal"))
        self.directory_fd = directory_fd
        self.listener = listener
        self.stdio = stdio
        self.held_fds: list[int] = []


def start(sandbox: Sandbox, message: dict[str, Any], fds: list[int], loop: Loop) -> Running:
    """Obey a start message; ``fds`` came with it and are closed or kept. Raises StartError, with all undone."""
    request: dict[str, Any] = message["request"]
    stage = "request"
    left = set(fds)

    def take(index: int) -> int:
        left.discard(fds[index])
        return fds[index]

    try:
        with ExitStack() as undo:
            stage = "cgroup"
            _settle_cgroup(sandbox, request, before=True)
            stage = "streams"
            stdio = Stdio(loop, stdin=bool(request.get("stdin")), stdin_once=bool(request.get("stdin_once")))
            undo.callback(stdio.ended)
            hand_over(sandbox, stdio, request, fds)  # the stub works on it while we go on here
            stage = "cgroup"
            _settle_cgroup(sandbox, request, before=False)
            stage = "log"
            log = open_log(request, message, take)
            stage = "socket"
            directory_fd = take(message["directory"])
            running = Running(request, directory_fd, _open_door(undo, directory_fd), stdio)
            _write_state(directory_fd, running.container, sandbox)
            stage = "attach"
            attach_all(stdio, request, take)
            running.held_fds = [take(index) for index in request.get("hold_fds", ())]
            stage = "init"
            _let_go(sandbox.stub, stdio, running.terminal)
            stdio.start(log)
            undo.pop_all()
        return running
    except (CarrackError, OSError, ValueError, LookupError, TypeError) as error:
        raise StartError(stage, describe(error)) from error
    finally:
        for fd in left:
            os.close(fd)


def describe(error: BaseException) -> str:
    """The text of an error for the user: an OSError's own words and object, without its number."""
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        return f"{text}: {error.filename}" if error.filename else text
    if isinstance(error, LookupError):
        return f"the request lacks {error}"
    return str(error)


def _settle_cgroup(sandbox: Sandbox, request: dict[str, Any], *, before: bool) -> None:
    """Once: before the stub has the plan where it must be, else beside its work."""
    if sandbox.needs_cgroup(request["plan"]["spec"]) != before:
        return
    deadline = time.monotonic() + _RENAME_SECONDS
    while True:
        try:
            sandbox.name_cgroup(request["cgroup"])
            break
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.EBUSY, errno.ENOTEMPTY) or time.monotonic() > deadline:
                raise
            time.sleep(0.002)
    resources = request["plan"]["spec"].get("linux", {}).get("resources")
    if resources:
        sandbox.cgroup.apply(resources)


def open_log(request: dict[str, Any], message: dict[str, Any], take: Any) -> LogFile | None:
    """The log the request asks for, in the directory whose descriptor came with the message."""
    log = request.get("log")
    if not log:
        return None
    name = os.path.basename(log["path"])
    return LogFile(take(message["log_directory"]), name, log.get("max_size") or 0, log.get("max_file") or 1)


def attach_all(stdio: Stdio, request: dict[str, Any], take: Any) -> None:
    """Attach the clients that are there before the start, so that they miss nothing."""
    terminal = bool(request.get("terminal"))
    for wish in request.get("attach", ()):
        sock = socket.socket(fileno=take(wish["fd"]))
        wishes = {name: bool(wish.get(name)) for name in ("stdin", "stdout", "stderr")}
        stdio.attach(sock, **wishes, terminal=terminal)


def hand_over(sandbox: Sandbox, stdio: Stdio, request: dict[str, Any], fds: list[int]) -> None:
    """Send the plan to the stub. It stops before the program's first instruction, until all here has succeeded."""
    plan, packed = protocol.pack({**request["plan"], "gate": True}, fds)
    ends = hand_streams(plan, packed, stdio, request, sandbox.null_fd)
    try:
        channel.send(sandbox.stub, {"plan": plan}, packed)
    finally:
        for fd in ends:
            os.close(fd)


def hand_streams(
    plan: dict[str, Any], packed: list[int], stdio: Stdio, request: dict[str, Any], null_fd: int
) -> list[int]:
    """Put the program's ends of its streams into a packed plan; returns them, to be closed after the sending."""
    if request.get("terminal"):
        height, width = request.get("size") or (0, 0)
        if height and width:
            process = plan["process"] if "process" in plan else plan["spec"]["process"]
            process["consoleSize"] = {"height": height, "width": width}
        return []
    ends = stdio.open_pipes(null_fd)
    plan["stdio"] = [len(packed) + number for number in range(len(ends))]
    packed += ends
    return ends


def _let_go(stub: socket.socket, stdio: Stdio, terminal: bool) -> None:
    """All that can fail here has succeeded: let the stub pass its gate when it comes there, without asking, and see it
    become the program. With a terminal it must ask, as its program may be over before we hold the terminal."""
    if not terminal:
        try:
            channel.send(stub, {"exec": True})
        except OSError:  # it has ended; its last report says why
            pass
    while follow(stub, stdio, opened=not terminal):
        pass
    stub.close()


def follow(stub: socket.socket, stdio: Stdio, opened: bool = False) -> bool:
    """Take one report of the process that becomes the program; False when it has (its end closed by the exec).

    ``opened``: its gate is open already.
    """
    try:
        message, fds = channel.receive(stub)
    except ConnectionResetError:  # it ended before it took our word: said once, and before what it said itself
        message, fds = channel.receive(stub)
    if message is None:
        return False
    if not (opened and "prepared" in message):
        obey(message, fds, stub, stdio)
    return True


def obey(message: dict[str, Any], fds: list[int], stub: socket.socket, stdio: Stdio) -> None:
    """Do what a report asks for; raises StartError when it is the report of a failure."""
    if "error" in message:
        report = message["error"]
        raise StartError(report["stage"], report["message"], report["exit_code"])
    if "console" in message:
        stdio.use_terminal(fds[0])
    elif "prepared" in message:
        channel.send(stub, {"exec": True})
    elif "hooks" in message:
        raise StartError("hooks", "hooks of the runtime's side are not run by the engine's own shim")


def listen(directory_fd: int) -> socket.socket:
    """The socket through which a later daemon finds this shim: by path, 0600, never abstract (CVE-2020-15257).

    Bound through /proc/self/fd, because a socket's path may have 107 bytes only.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    try:
        _unlink(protocol.SOCKET_FILE, directory_fd)  # of a shim that was killed
        listener.bind(f"/proc/self/fd/{directory_fd}/{protocol.SOCKET_FILE}")
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


def _open_door(undo: ExitStack, directory_fd: int) -> socket.socket:
    undo.callback(os.close, directory_fd)
    listener = listen(directory_fd)
    undo.callback(retire_socket, directory_fd, listener)
    return listener


def retire_socket(directory_fd: int, listener: socket.socket) -> None:
    """No more connections; the names are free for the container's next shim."""
    listener.close()
    for name in (protocol.SOCKET_FILE, protocol.STATE_FILE):
        _unlink(name, directory_fd)


def write_file(directory_fd: int, name: str, document: dict[str, Any]) -> None:
    """Write JSON so that a reader sees the whole of it or nothing (rename; the run directory needs no fsync)."""
    temporary = f"{name}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600, dir_fd=directory_fd)
    try:
        os.write(fd, json.dumps(document).encode())
    finally:
        os.close(fd)
    os.rename(temporary, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)


def _write_state(directory_fd: int, container: str, sandbox: Sandbox) -> None:
    _unlink(protocol.EXIT_FILE, directory_fd)  # of the former run
    document = {"container": container, "cgroup": sandbox.cgroup.path, "pid": sandbox.child.pid}
    write_file(directory_fd, protocol.STATE_FILE, document)


def _unlink(name: str, directory_fd: int) -> None:
    try:
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
