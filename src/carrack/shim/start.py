"""From a parked sandbox to a running program, the shim's part: it takes over what the first process has arranged,
and opens its gate.

Each step has its undo beside it; when one fails nothing is left but the log file. Also here: the files and the socket
of a container's run directory.
"""

from __future__ import annotations

import errno
import json
import os
import socket

from carrack.errors import CarrackError
from carrack.runtime import channel, hooks
from carrack.shim import external, protocol
from carrack.shim.logfile import LogFile
from carrack.shim.logs.files import open_file
from carrack.shim.logs.spawn import Logger
from carrack.shim.protocol import StartError
from carrack.shim.stdio import Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carrack.linux.kernel import ProcessKernel
    from carrack.shim.loop import Loop
    from carrack.shim.slot import Sandbox
    from carrack.shim.stdio import Log

_BACKLOG = 16
#: the hooks that run outside of the container
SHIM_HOOKS = ("prestart", "createRuntime", "poststart", "poststop")


class Running:
    """What a started container consists of, besides its sandbox."""

    def __init__(self, request: dict[str, Any], directory_fd: int, listener: socket.socket, stdio: Stdio) -> None:
        self.container: str = request["container"]
        self.terminal = bool(request.get("terminal"))
        self.directory_fd = directory_fd
        self.listener = listener
        self.stdio = stdio
        self.held_fds: list[int] = []
        self._hooks: dict[str, Any] | None = request.get("hooks")

    def run_hooks(self, kernel: ProcessKernel, pid: int, status: str, *points: str) -> None:
        """Run the hooks of some points. Raises HookFailed."""
        if self._hooks:
            for point in points:
                hooks.run(kernel, self._hooks["listed"], point, {**self._hooks["state"], "pid": pid, "status": status})

    def tell_hooks(self, kernel: ProcessKernel, pid: int, status: str, point: str) -> None:
        """Run the hooks of a point whose failures change nothing (lifecycle, steps 9 and 13)."""
        try:
            self.run_hooks(kernel, pid, status, point)
        except (CarrackError, OSError):
            pass

    @property
    def hooked(self) -> bool:
        """Whether it has hooks that the shim runs, so that the first process must ask before it goes on."""
        return bool(self._hooks)


def start(sandbox: Sandbox, document: dict[str, Any], fds: list[int], loop: Loop) -> Running:
    """Take over what the first process arranged (stub.py), and let it go on; returns when it is the program.

    ``fds`` came with the document. Raises StartError, with all undone but the sandbox.
    """
    stage = "streams"

    def given(name: str) -> list[int]:
        first, end = document[name]
        return fds[first:end]

    sandbox.rename(document["cgroup"])
    sandbox.namespace_fds = given("held")
    sandbox.null_fd = given("null")[0]
    stdio = Stdio(loop, stdin=bool(document["stdin"]), stdin_once=bool(document["stdin_once"]))
    running = Running(document, given("directory")[0], channel.bare(given("listener")[0]), stdio)
    running.held_fds = given("hold")
    try:
        if not running.terminal:
            stdio.use_pipes(given("streams"))
        stage = "log"
        log = document["log"] and _open_log(document["log"], given, loop, stdio)
        stage = "attach"
        if document["wishes"]:
            for fd, wishes in zip(given("clients"), document["wishes"], strict=True):
                stdio.attach(socket.socket(fileno=fd), **wishes, terminal=running.terminal)
        stage = "init"
        _begin(sandbox, running, document, given)
        stdio.start(log)
        return running
    except Exception as error:
        stdio.ended()
        retire_socket(running.directory_fd, running.listener)
        os.close(running.directory_fd)
        if isinstance(error, (CarrackError, OSError, ValueError, LookupError, TypeError)):
            raise StartError(stage, describe(error)) from error
        raise


def _begin(sandbox: Sandbox, running: Running, document: dict[str, Any], given: Callable[[str], list[int]]) -> None:
    if "runtime" in document:
        _hand_over(sandbox, running, document, given("packed"))
    else:
        _let_go(sandbox, running)
        sandbox.settle()
        running.tell_hooks(sandbox.kernel, sandbox.child.pid, "running", "poststart")


def _hand_over(sandbox: Sandbox, running: Running, document: dict[str, Any], packed: list[int]) -> None:
    """Another runtime makes the container."""
    plan = protocol.unpack(document["plan"], packed)
    try:
        external.bring_up(sandbox, running.stdio, document["runtime"], plan, running.container)
        write_state(running.directory_fd, running.container, document["cgroup"], sandbox.child.pid)
    finally:
        for fd in packed:
            os.close(fd)


def _open_log(request: dict[str, Any], given: Callable[[str], list[int]], loop: Loop, stdio: Stdio) -> Log:
    """A file, or a logger process that has begun. Raises OSError."""
    fds = given("log_directory")
    if "json" in request:  # by far the most frequent, and the shim stays the smaller the less it calls
        return LogFile(fds[0], *request["json"])
    if "logger" in request:
        return Logger(loop, request["logger"], fds, given("null")[0], stdio.balance)
    return open_file(fds[0], request["file"])


def describe(error: BaseException) -> str:
    """The text of an error for the user: an OSError's own words and object, without its number."""
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        return f"{text}: {error.filename}" if error.filename else text
    if isinstance(error, LookupError):
        return f"the request lacks {error}"
    return str(error)


def attach_all(stdio: Stdio, request: dict[str, Any], take: Any) -> None:
    """Attach the clients that are there before the start, so that they miss nothing."""
    terminal = bool(request.get("terminal"))
    for wish in request.get("attach", ()):
        sock = socket.socket(fileno=take(wish["fd"]))
        wishes = {name: bool(wish.get(name)) for name in ("stdin", "stdout", "stderr")}
        stdio.attach(sock, **wishes, terminal=terminal)


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


def _let_go(sandbox: Sandbox, running: Running) -> None:
    """All that can fail here has succeeded: let the stub pass its gate when it comes there, without asking, and see it
    become the program. With a terminal it must ask, as its program may be over before we hold the terminal; and with
    hooks, for which it waits before."""
    asked = running.terminal or running.hooked
    if not asked:
        try:
            channel.send(sandbox.stub, {"exec": True})
        except OSError:  # it has ended; its last report says why
            pass

    def run_hooks() -> None:
        running.run_hooks(sandbox.kernel, sandbox.child.pid, "creating", "prestart", "createRuntime")

    while follow(sandbox.stub, running.stdio, opened=not asked, run_hooks=run_hooks):
        pass
    sandbox.stub.close()


def follow(
    stub: socket.socket, stdio: Stdio, opened: bool = False, run_hooks: Callable[[], None] | None = None
) -> bool:
    """Take one report of the process that becomes the program; False when it has (its end closed by the exec).

    ``opened``: its gate is open already.
    """
    try:
        message, fds = channel.receive(stub)
    except ConnectionResetError:  # it ended before it took our word: said once, and before what it said itself
        message, fds = channel.receive(stub)
    if message is None:
        return False
    if "hooks" in message and run_hooks is not None:
        run_hooks()
        channel.send(stub, {"go": True})
    elif not (opened and "prepared" in message):
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
        raise StartError("hooks", "hooks of the runtime's side are not asked for by a further process")


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


def write_exit(directory_fd: int, document: dict[str, Any]) -> None:
    """The exit on file. A full file system has no room for another one: then in place of the state, which has served.

    Raises OSError when the directory was taken away.
    """
    try:
        write_file(directory_fd, protocol.EXIT_FILE, document)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _unlink(f"{protocol.EXIT_FILE}.tmp", directory_fd)
        fd = os.open(protocol.STATE_FILE, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory_fd)
        try:
            os.write(fd, json.dumps(document).encode().ljust(os.fstat(fd).st_size))
        finally:
            os.close(fd)
        os.rename(protocol.STATE_FILE, protocol.EXIT_FILE, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)


def write_state(directory_fd: int, container: str, cgroup: str, pid: int) -> None:
    """What a daemon has to clean when the shim itself was killed; the exit of the former run is forgotten."""
    _unlink(protocol.EXIT_FILE, directory_fd)
    write_file(directory_fd, protocol.STATE_FILE, {"container": container, "cgroup": cgroup, "pid": pid})


def _unlink(name: str, directory_fd: int) -> None:
    try:
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
