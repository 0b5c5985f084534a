"""A scenario's hands: each call is a command whose answer is kept, on pipes, in the background or on a terminal."""

from __future__ import annotations

import http.client
import inspect
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.cli.running import Steps, converse_on_terminal, eventually
from tests.cli.transcript import Transcript

# the first of a thousand host ports that a play may publish on; told as these, whichever they are
PORTS = 42_000
# the blocks of addresses for networks of a play, 10.N and fd9c:5a:N, and a bridge; told as these, whichever they are
BLOCK = 230
Scenario = Callable[["Play"], None]


def _blocks(number: int) -> tuple[str, ...]:
    return f"10.{number}.", f"fd9c:5a:{number}:", f"crkgold{number}"


class Play:
    """One run of a scenario by one command line (``program``); ``folder`` is its own scratch folder on the host.

    ``ports`` and ``block`` keep plays at the same time apart.
    """

    def __init__(
        self,
        program: list[str],
        environment: Mapping[str, str],
        folder: Path,
        ports: int = PORTS,
        block: int = BLOCK,
    ) -> None:
        self.folder = folder
        self.ports = ports
        self._blocks = dict(zip(_blocks(BLOCK), _blocks(block), strict=True))
        same = {str(folder): "<folder>", **{own: told for told, own in self._blocks.items()}}
        self.transcript = Transcript(same, environment["DOCKER_HOST"], ports=ports, ours="carrack" in " ".join(program))
        self._program = program
        settings = {"DOCKER_CONFIG": f"{folder}/.docker", "TZ": "UTC", "LANG": "C", "COLUMNS": "80"}
        self.environment = {**environment, **settings}
        self.invocations = 0

    def __call__(
        self,
        command: str,
        stdin: str | bytes | None = None,
        hide: dict[str, str] | None = None,
        unordered: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run to the end, keep the answer, give standard output. ``unordered``: the order of lines is not told."""
        done = self._run(command, stdin, environment)
        self._keep(command, done.returncode, {"out": done.stdout, "err": done.stderr}, hide, unordered)
        return done.stdout.decode("utf-8", "replace")

    def quietly(self, command: str, stdin: str | bytes | None = None, code: int = 0) -> str:
        """Run what must end with ``code`` and is not what this scenario is about; the answer is not kept."""
        done = self._run(command, stdin)
        assert done.returncode == code, f"{command}: {done.stderr.decode()}"
        return done.stdout.decode("utf-8", "replace")

    def output_of(self, command: str) -> bytes:
        """What a command writes; only its exit code is kept."""
        done = self._run(command)
        self._keep(command, done.returncode, {"err": done.stderr}, None)
        return done.stdout

    def wrapped(self, wrapper: list[str], command: str) -> None:
        """Run on a terminal inside a program of the host, which gets the command line as its arguments."""
        output, code = converse_on_terminal([*wrapper, *self._words(command)], [], self.environment, self.folder)
        self._keep(f"{command}   (on a terminal, wrapped)", code, {"tty": output}, None)

    def told(self, own: str, told: str) -> str:
        """Let what is this run's own be told as something else from now on; gives it back."""
        self.transcript.tell(own, told)
        return own

    def note(self, what: str, told: list[str]) -> None:
        """Keep a fact that no command tells, like the files that a copy made."""
        self.transcript.note(what, told)

    def until(self, command: str, wanted: str, seconds: float = 30) -> None:
        """Repeat a command until its output (both streams) is ``wanted`` in part, or wholly empty for an empty one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done = self._run(command)
            text = (done.stdout + done.stderr).decode("utf-8", "replace")
            if (wanted in text) if wanted else not text:
                return
            time.sleep(0.05)
        raise AssertionError(f"{command} never told {wanted!r}; at last: {text!r}")

    def until_attached(self, name: str, begin: str) -> None:
        """Wait until the daemon tells that somebody has attached to a container: then nothing said is missed."""
        told = "--filter event=attach --format '{{.Actor.Attributes.name}}'"
        self.until(f"events --since {begin} --until 0s {told}", f"{name}\n")

    def start(self, command: str) -> Background:
        """Run in the background; its answer is kept when it is finished."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            self._words(command), stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment, cwd=self.folder
        )
        return Background(self, command, process)

    def terminal(self, command: str, steps: Steps, hide: dict[str, str] | None = None) -> None:
        """Run on a terminal of 33 lines and 101 columns; each step waits for output and then types, or calls."""
        output, code = converse_on_terminal(
            self._words(command), steps, {**self.environment, "COLUMNS": "101"}, self.folder
        )
        self._keep(f"{command}   (on a terminal)", code, {"tty": output}, hide)

    def _keep(
        self, command: str, code: int, streams: dict[str, bytes], hide: dict[str, str] | None, unordered: bool = False
    ) -> None:
        self.invocations += 1
        self.transcript.add(command, code, streams, hide or {}, unordered)

    def _run(
        self, command: str, stdin: str | bytes | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return subprocess.run(
            self._words(command),
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env={**self.environment, **(environment or {})},
            cwd=self.folder,
            timeout=60,
            check=False,
        )

    def _words(self, command: str) -> list[str]:
        for told, own in self._blocks.items():
            command = command.replace(told, own)
        command = re.sub(rf"\b{PORTS // 1000}(?=\d{{3}}\b)", str(self.ports // 1000), command)
        return [*self._program, *shlex.split(command)]


def moment() -> str:
    """Now, as ``--since`` takes it."""
    return f"{time.time():.9f}"


class Background:
    """A command that runs beside others."""

    def __init__(self, play: Play, command: str, process: subprocess.Popen[bytes]) -> None:
        self._play = play
        self._command = command
        self.process = process

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def read(self, wanted: str) -> None:
        """Wait until standard output has told ``wanted``."""
        assert self.process.stdout is not None
        told = b""
        while wanted.encode() not in told:
            byte = os.read(self.process.stdout.fileno(), 1)
            assert byte, f"{self._command} ended after {told!r}"
            told += byte

    def finish(
        self,
        end: signal.Signals | None = None,
        hide: dict[str, str] | None = None,
        unordered: bool = False,
        open_stdin: bool = False,
    ) -> None:
        """Wait for the end (asked for by a signal, if given) and keep the answer (what ``read`` took is not in it).

        Standard input is closed at once, or only after the end with ``open_stdin`` (for short answers).
        """
        if end is not None:
            self.process.send_signal(end)
        try:
            if open_stdin:
                self.process.wait(60)
            out, err = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            err += b"[had to be killed]\n"
        told = f"{self._command}   (in the background{f', then {end.name}' if end else ''})"
        self._play._keep(told, self.process.returncode, {"out": out, "err": err}, hide, unordered)


def census(*rows: str) -> Callable[[Scenario], Scenario]:
    """Name the rows of Docker's surface that a scenario shows (`tests/census`)."""

    def named(scenario: Scenario) -> Scenario:
        scenario.__dict__["census"] = rows
        return scenario

    return named


def scenarios(modules: list[ModuleType]) -> dict[str, Scenario]:
    """``module.function`` of each public function of the modules themselves, in the order they are written."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": function
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function) and not name.startswith("_") and function.__module__ == module.__name__
    }


def clear(socket_path: str, keep: str) -> None:
    """Leave the daemon as each scenario finds it: no containers, volumes and networks, one image."""

    def empty() -> bool:
        left = _asked(socket_path, "GET", "/containers/json?all=1")
        for container in left:  # one that is just being removed refuses, and holds its network
            _asked(socket_path, "DELETE", f"/containers/{container['Id']}?force=1&v=1")
        return not left

    eventually(empty)
    of_ours = [
        each for each in _asked(socket_path, "GET", "/networks") if each["Name"] not in ("bridge", "host", "none")
    ]
    for network in sorted(of_ours, key=lambda each: each["ConfigOnly"]):
        _asked(socket_path, "DELETE", f"/networks/{network['Id']}")
    for volume in _asked(socket_path, "GET", "/volumes")["Volumes"] or []:
        _asked(socket_path, "DELETE", f"/volumes/{volume['Name']}?force=1")
    for image in _asked(socket_path, "GET", "/images/json"):
        for name in [name for name in image["RepoTags"] or [image["Id"]] if name != keep]:
            _asked(socket_path, "DELETE", f"/images/{name}?force=1")


def _asked(socket_path: str, method: str, path: str) -> Any:
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    with closing(connection):
        connection.sock.connect(socket_path)
        connection.request(method, f"/v1.51{path}")
        return json.loads(connection.getresponse().read() or b"null")
