"""The daemon under test as a process, and command lines as functions."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol


class Repeatedly(NamedTuple):
    """A step of a conversation that is done again while nothing is said: who is to hear of it may not listen yet."""

    act: Callable[[int], None]


Steps = list[tuple[bytes, bytes | Callable[[int], None] | Repeatedly]]
Result = subprocess.CompletedProcess[str]
_CARRACK = "import sys; from carrack.cli.main import main; sys.exit(main())"
_DAEMON = "import sys; from carrack.daemon.main import main; sys.exit(main())"
# Several daemons of one test run must not meet.
_NUMBERS = itertools.count()
# Whatever a test asks for, no registry but on this machine is ever reached.
_NO_WAY_OUT = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1,localhost"}
# How many times longer than usual anything may take: in the guest of the tests the processor is emulated.
_PATIENCE = 5 if "GUEST_RESULTS" in os.environ else 1
_SOURCE = str(Path(__file__).parents[2] / "src")


class DaemonProcess:
    """carrackd below one directory, with names nobody else uses."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self._options = options
        self.wrapper: list[str] = []  # what executes the daemon
        self.socket = root / "carrack.sock"
        self.log = root / "log"
        number = next(_NUMBERS)
        self.bridge = f"crkt{os.getpid() % 100_000}n{number}"
        self.table = f"carrack_test_{os.getpid()}_{number}"
        self.subnet = f"10.{200 + os.getpid() % 50}.{(os.getpid() + number) % 250}.1/24"
        self.cgroup = f"/crk-daemon-{os.getpid()}-{number}"
        self.pass_fds: tuple[int, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        (root / "daemon.json").write_text("{}")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "CARRACK_"))}
        host, config = f"unix://{self.socket}", str(self.root / "client")
        return {**kept, "PYTHONPATH": _SOURCE, "DOCKER_HOST": host, "DOCKER_CONFIG": config, "TERM": "dumb"}

    @property
    def program(self) -> str:
        """What Python runs."""
        return _DAEMON

    def start(self) -> None:
        self.spawn()
        self._wait_until_it_answers()

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        options = {
            "--config-file": self.root / "daemon.json",
            "--data-root": self.root / "data",
            "--exec-root": self.root / "run",
            "--pidfile": self.root / "pid",
            "--host": f"unix://{self.socket}",
            "--bip": self.subnet,
            "--bridge": self.bridge,
            "--firewall-table": self.table,
            "--cgroup-parent": self.cgroup,
            "--cdi-spec-dir": self.root / "cdi",
        }
        words = [word for name, value in options.items() for word in (name, str(value))]
        with self.log.open("ab") as log:
            command = [*self.wrapper, sys.executable, "-c", self.program, *words, *self._options]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self.environment, **_NO_WAY_OUT},
                pass_fds=self.pass_fds,
            )

    def end(self) -> None:
        """Ask the process to end, and leave what it leaves."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def stop(self) -> None:
        """End it and remove what it may have left."""
        self.end()
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)
        for family in ("ip", "ip6"):
            subprocess.run(["nft", "delete", "table", family, self.table], capture_output=True, check=False)
        for hierarchy in Path("/sys/fs/cgroup").iterdir():
            for folder in sorted((hierarchy / self.cgroup[1:]).glob("**/"), reverse=True):
                folder.rmdir()

    @property
    def died(self) -> bool:
        """Whether no process of it runs."""
        return self._process is None or self._process.poll() is not None

    def crash(self) -> None:
        """Kill the daemon alone; its containers go on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + 30 * _PATIENCE
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            if self.socket.exists() and CommandLine("carrack", self)("version", check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError(f"the daemon does not answer:\n{self.log.read_text()}")


class Cli(Protocol):
    """A command line as a function of its words."""

    name: str
    daemon: DaemonProcess

    def __call__(
        self, *words: str, stdin: bytes | str | None = None, check: bool = True, timeout: float = 60
    ) -> Result: ...
    def raw(self, *words: str, stdin: bytes = b"") -> bytes: ...
    def start(self, *words: str) -> subprocess.Popen[str]: ...
    def on_terminal(self, words: list[str], steps: Steps) -> tuple[bytes, int]: ...


class CommandLine:
    """``docker`` or ``carrack`` with the daemon under test as its host."""

    def __init__(self, name: str, daemon: DaemonProcess) -> None:
        self.name = name
        self.daemon = daemon
        self.program = ["docker"] if name == "docker" else [sys.executable, "-c", _CARRACK]

    def __call__(
        self, *words: str, stdin: bytes | str | None = None, check: bool = True, timeout: float = 60
    ) -> Result:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*self.program, *words],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=self.daemon.environment,
            timeout=timeout * _PATIENCE,
        )
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert not check or done.returncode == 0, f"{self.name} {' '.join(words)}: {done.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, done.returncode, out, err)

    def raw(self, *words: str, stdin: bytes = b"") -> bytes:
        """The bytes that a command writes."""
        command = [*self.program, *words]
        done = subprocess.run(command, input=stdin, capture_output=True, env=self.daemon.environment, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run in the background, with pipes."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*self.program, *words], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self.daemon.environment
        )

    def on_terminal(self, words: list[str], steps: Steps) -> tuple[bytes, int]:
        """Run on a terminal of 33 lines and 101 columns; each step waits for output and then types, or calls."""
        return converse_on_terminal([*self.program, *words], steps, self.daemon.environment)


def converse_on_terminal(
    command: list[str], steps: Steps, environment: Mapping[str, str], folder: Path | None = None
) -> tuple[bytes, int]:
    """Run a command on a terminal of its own; gives all that it showed, and its exit code."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (33, 101))
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        cwd=folder,
        start_new_session=True,
        preexec_fn=lambda: _controlling(0),
    )
    os.close(slave)
    try:
        output = _converse(master, steps)
        return output, process.wait(60)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def resize(master: int) -> None:
    """Make a terminal one of 40 lines and 120 columns, and say so even if it is one already."""
    termios.tcsetwinsize(master, (40, 120))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(os.tcgetpgrp(master), signal.SIGWINCH)


def api(
    daemon: DaemonProcess, method: str, path: str, body: object = None, raw: bytes | None = None
) -> tuple[int, bytes]:
    """One request to the daemon under test, for what no command line can say: status and body of the answer."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(daemon.socket))
        content = raw if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def created(daemon: DaemonProcess, image: str, words: list[str], host: dict[str, object], **config: object) -> str:
    """The id of a container made by a request of our own; ``config`` is the rest of the request."""
    body = {"Image": image, "Cmd": words, "HostConfig": host, **config}
    status, answer = api(daemon, "POST", "/containers/create", body)
    assert status == 201, answer
    return str(json.loads(answer)["Id"])


def _controlling(fd: int) -> None:
    import fcntl

    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)


def _converse(master: int, steps: Steps) -> bytes:
    output, position, left = b"", 0, list(steps)
    again: Callable[[int], None] | None = None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # the last process on the terminal is gone
                return output
            output += data
        elif again is not None:
            again(master)
        if left and (found := output.find(left[0][0], position)) >= 0:
            wanted, action = left.pop(0)
            position = found + len(wanted)
            again = None
            if isinstance(action, Repeatedly):
                action = again = action.act
            if callable(action):
                action(master)
            else:
                os.write(master, action)
    raise AssertionError(f"the conversation did not end; so far: {output!r}")


def eventually(check: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is true, or fail."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.05)


def identity(text: str) -> str:
    """The 64 digits that a command printed."""
    found = re.search(r"[0-9a-f]{64}", text)
    assert found, text
    return found.group()
