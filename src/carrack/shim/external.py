"""A container that another OCI runtime runs (runc, crun, whatever has their command line): the program, driven.

Its life is the same as that of our own: the shim makes the bundle (bundle.py), owns the streams, and is the parent of
all that the runtime leaves behind, for it is a subreaper. The runtime is run for each step, ``create``, ``start``,
``exec``, ``kill``, ``pause``, ``resume``, ``update``, ``delete``, and has ended before the step is over; figures and
exits come from the kernel. It dies with the shim, and keeps its own notes in the container's run directory: they are
gone with it.

Source: the command line that runc and crun share (runc(8)); what it says of a failure stands in its ``--log``.
"""

from __future__ import annotations

import json
import os
import select
import signal

from carrack.errors import CarrackError
from carrack.linux import namespaces as ns
from carrack.runtime import process
from carrack.shim import protocol, reaper
from carrack.shim.bundle import Bundle
from carrack.shim.consoles import CONSOLE, Console
from carrack.shim.protocol import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from carrack.linux.kernel import Kernel
    from carrack.shim.slot import Sandbox
    from carrack.shim.stdio import Stdio

_PR_SET_PDEATHSIG = 1
#: seconds that a step may take, after which the runtime is killed
PATIENCE = 60.0
_LOG, _PID, _PROCESS = "log.json", "pid", "process.json"
_TEXT_LIMIT = 64 * 1024
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_LEFT_OUT = {"memory": ("swappiness", "disableOOMKiller"), "blockIO": ("weightDevice", "throttle")}
_MISSING = ("executable file not found", "no such file or directory", "system cannot find")
_FORBIDDEN = ("permission denied", "not a directory", "is a directory")
_ENDED = ("not running", "no such process", "process already finished", "does not exist", "container not found")


class Runtime:
    """The runtime of one container. ``directory`` is the container's run directory by its path: it holds the bundle,
    in which the runtime is run, and the runtime's notes."""

    def __init__(self, kernel: Kernel, words: Sequence[str], container: str, directory: str) -> None:
        self._kernel = kernel
        self._words = list(words)
        self.container = container
        self.bundle = f"{directory}/bundle"
        self._notes = f"{directory}/runtime"

    def create(self, program: dict[str, Any], stdio: Stdio, ends: list[int]) -> int:
        """Make the container of the bundle's config.json; returns the process id of its first process, which waits for
        start() to become ``program``, an OCI ``process``. ``ends``: its streams, if it has no terminal.

        Raises StartError with what the runtime says.
        """
        return self._launch(["create", "--bundle", self.bundle], program, stdio, ends)

    def start(self) -> None:
        """Let the program begin."""
        self._step(["start"])

    def exec(self, process: dict[str, Any], stdio: Stdio, ends: list[int]) -> int:
        """Start a further process, an OCI ``process``; its process id. Raises StartError."""
        with open(f"{self.bundle}/{_PROCESS}", "w") as file:
            json.dump(process, file)
        words = ["exec", "--detach", "--process", f"{self.bundle}/{_PROCESS}"]
        return self._launch(words, process, stdio, ends)

    def kill(self, number: int) -> None:
        """Signal the first process. Raises ProcessLookupError when it has ended, as all that follow."""
        self._ask(["kill"], str(int(number)))

    def pause(self) -> None:
        """Raises OSError with what the runtime says, as resume() and update() do."""
        self._ask(["pause"])

    def resume(self) -> None:
        self._ask(["resume"])

    def update(self, resources: dict[str, Any]) -> None:
        """Apply OCI ``linux.resources``; what is not given stays."""
        path = f"{self.bundle}/resources.json"
        with open(path, "w") as file:
            json.dump(resources, file)
        self._ask(["update", "--resources", path])

    def delete(self) -> None:
        """Forget the container, whatever state it is in; what cannot be done is left to the cgroup's removal."""
        try:
            self._step(["delete", "--force"])
        except (StartError, OSError):
            pass

    def _ask(self, words: list[str], *more: str) -> None:
        try:
            self._step(words, *more)
        except StartError as error:
            if any(word in str(error).lower() for word in _ENDED):
                raise ProcessLookupError(3, "the container has ended", self.container) from None
            raise OSError(0, str(error)) from None

    def _launch(self, words: list[str], program: dict[str, Any], stdio: Stdio, ends: list[int]) -> int:
        """Run a command that leaves a process; its streams are ``ends``, or the terminal that the runtime sends us."""
        words = [*words, "--pid-file", f"{self.bundle}/{_PID}"]
        if not program.get("terminal"):
            self._step(words, ends=ends)
            return self._read_pid()
        console = Console(self.bundle, program.get("consoleSize"))
        try:
            # By the name in the directory it is run in: a socket's path may have 107 bytes only.
            self._step([*words, "--console-socket", CONSOLE], console=console)
            stdio.use_terminal(console.master())
        finally:
            console.close()
        return self._read_pid()

    def _read_pid(self) -> int:
        try:
            with open(f"{self.bundle}/{_PID}") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            raise StartError("runtime", f"{self._words[0]} did not say which process it has made") from None

    def _step(
        self, words: list[str], *more: str, ends: list[int] | None = None, console: Console | None = None
    ) -> None:
        """Run ``runtime … words CONTAINER more`` to its end. Raises StartError with what it says of its failure."""
        log = f"{self.bundle}/{_LOG}"
        if os.path.exists(log):
            os.unlink(log)
        command = [*self._words, "--root", self._notes, "--log", log, "--log-format", "json"]
        command += [*words, self.container, *more]
        said = os.memfd_create("carrack-runtime", os.MFD_CLOEXEC)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            status = self._run(command, ends or [null, said, said], console)
            if status != 0:
                text = _failure(log, os.pread(said, _TEXT_LIMIT, 0)) or f"{command[0]} {words[0]} ended with {status}"
                raise StartError("runtime", text, exit_code(text))
        finally:
            os.close(null)
            os.close(said)

    def _run(self, command: list[str], streams: list[int], console: Console | None) -> int:
        pid = os.fork()
        if pid == 0:
            self._become(command, streams)
        pidfd = os.pidfd_open(pid)
        try:
            waiting = [pidfd] if console is None else [pidfd, console.fd]
            while pidfd not in (ready := select.select(waiting, [], [], PATIENCE)[0]):
                if not ready:
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    break
                assert console is not None
                console.accept()
                waiting.pop()
        finally:
            os.close(pidfd)
        return protocol.exit_code(os.waitpid(pid, 0)[1])

    def _become(self, command: list[str], streams: list[int]) -> None:
        """In the fork."""
        try:
            self._kernel.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
            reaper.reset()
            process.reset_signals()
            os.chdir(self.bundle)
            for number, fd in enumerate([os.dup(fd) for fd in streams]):
                os.dup2(fd, number)
            os.execve(command[0], command, _ENVIRONMENT)
        except OSError as error:
            os.write(2, f"{command[0]}: {(error.strerror or '').lower()}\n".encode())
        finally:
            os._exit(127)


def bring_up(sandbox: Sandbox, stdio: Stdio, wanted: dict[str, Any], plan: dict[str, Any], container: str) -> Runtime:
    """Have another runtime make and begin the container, in place of our first process, in whose network it goes.

    ``wanted`` is a RuntimeRequest, ``plan`` an InitPlan whose descriptors are ours. Raises StartError, OSError and
    CarrackError, with nothing left but the sandbox.
    """
    joined = {kind: ns.proc_path(sandbox.child.pid, kind) for kind in wanted["join"]}
    bundle = Bundle(sandbox.kernel, wanted["directory"], joined)
    runtime = Runtime(sandbox.kernel, wanted["words"], container, wanted["directory"])
    try:
        bundle.make(plan)
        pid = runtime.create(plan["spec"]["process"], stdio, plan.get("stdio", []))
        sandbox.adopt(pid, runtime)
        runtime.start()
        return runtime
    except BaseException:
        stdio.discard()  # what the runtime said there is what we say
        runtime.delete()
        raise
    finally:
        bundle.clear()


def further(runtime: Runtime, sandbox: Sandbox, plan: dict[str, Any], stdio: Stdio) -> int:
    """Start a further process by an ExecPlan whose descriptors are ours; its process id. Raises as bring_up()."""
    root = os.open(f"/proc/{sandbox.child.pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        words = Bundle(sandbox.kernel, "", {}).complete(plan["process"], plan, root)
    finally:
        os.close(root)
    try:
        return runtime.exec(dict(words), stdio, plan.get("stdio", []))
    except (CarrackError, OSError) as error:
        stdio.discard()
        raise StartError("runtime", str(error)) from error
    except BaseException:
        stdio.discard()
        raise


def left_out(resources: dict[str, Any]) -> dict[str, Any]:
    """What ``update`` of the known runtimes does not look at, of OCI ``linux.resources``."""
    found = {}
    for name, fields in _LEFT_OUT.items():
        part = {field: value for field, value in resources.get(name, {}).items() if field.startswith(fields)}
        if part:
            found[name] = part
    return found


def exit_code(text: str) -> int:
    """How ``docker run`` would end for what a runtime says: 127 for no such program, 126 for no permission, 125."""
    text = text.lower()
    if any(words in text for words in _MISSING):
        return 127
    return 126 if any(words in text for words in _FORBIDDEN) else 125


def _failure(log: str, said: bytes) -> str:
    """The last error in a log of JSON lines, else the last line that the runtime said."""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read(_TEXT_LIMIT).splitlines()
    except FileNotFoundError:
        lines = []
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal", "panic"):
            return str(entry.get("msg", ""))
    words = said.decode("utf-8", "replace").strip().splitlines()
    return words[-1] if words else ""
