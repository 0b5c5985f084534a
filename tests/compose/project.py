"""Applications of several containers under the real Compose: `apps/NAME`, copied, as a project of its own."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.running import DaemonProcess
from tests.clients import packages

APPS = Path(__file__).parent / "apps"
_PLAIN = ("--progress", "plain", "--ansi", "never")

Result = subprocess.CompletedProcess[str]


class Project:
    """One application. ``folder`` is its copy, which a test may write to; ``name`` is the project's."""

    def __init__(self, engine: DaemonProcess, application: str, folder: Path, name: str = "") -> None:
        self.engine = engine
        self.folder = folder / application
        self.name = f"apps-{name or application}"
        shutil.copytree(APPS / application, self.folder, copy_function=shutil.copy)  # as if just written

    def __call__(self, *words: str, check: bool = True, stdin: str | None = None, timeout: float = 90) -> Result:
        """`docker compose WORDS`."""
        done = subprocess.run(
            self._command(*words),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env=self.engine.environment,
            cwd=self.folder,
            timeout=timeout,
        )
        told = f"compose {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not check or done.returncode == 0, told
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The same in the background, both outputs in one pipe; by the program itself, since older docker commands
        keep signals from their plugins."""
        return subprocess.Popen(
            [str(packages.compose()), *self._command(*words)[2:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.engine.environment,
            cwd=self.folder,
        )

    def up(self, *words: str) -> None:
        """Create and start it, and wait until it is healthy; on failure the containers' last words are told."""
        done = self("up", "-d", "--wait", "--wait-timeout", "80", *words, check=False)
        if done.returncode:
            logs = self("logs", "--tail", "20", check=False).stdout
            states = self("ps", "-a", check=False).stdout
            raise AssertionError(f"{self.name} does not come up:\n{done.stderr}\n{logs}\n{states}")

    def down(self, *words: str) -> None:
        """Remove its containers and networks, with those of any profile."""
        self("--profile", "*", "down", "--remove-orphans", "--timeout", "2", *words)

    def docker(self, *words: str, check: bool = True) -> str:
        """What the docker command prints."""
        command = ["docker", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=self.engine.environment, timeout=60)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def execute(self, service: str, *words: str, check: bool = True) -> str:
        """What a command inside the first container of a service prints."""
        return self("exec", "-T", service, *words, check=check).stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """`ps -a` by the containers' names, without the project's."""
        rows = [json.loads(line) for line in self("ps", "-a", "--format", "json").stdout.splitlines()]
        return {row["Name"].removeprefix(f"{self.name}-"): row for row in rows}

    def inspect(self, container: str) -> dict[str, Any]:
        """A container by its name without the project's."""
        found: dict[str, Any] = json.loads(self.docker("inspect", f"{self.name}-{container}"))[0]
        return found

    def left(self) -> list[str]:
        """Containers, networks and volumes that bear the project's label."""
        labelled = ["-q", "--filter", f"label=com.docker.compose.project={self.name}"]
        kinds = (["ps", "-a"], ["network", "ls"], ["volume", "ls"])
        return [row for kind in kinds for row in self.docker(*kind, *labelled).split()]

    def fetch(self, service: str, path: str = "/", *, port: int = 80, body: bytes | None = None) -> tuple[int, str]:
        """Status and text of an answer by the service's published port, 0 where there is none (yet)."""
        where = self("port", service, str(port), check=False).stdout.strip()
        return fetch(f"http://{where}{path}", body)

    def _command(self, *words: str) -> list[str]:
        return ["docker", "compose", *_PLAIN, "-p", self.name, *words]


def fetch(address: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and text of an answer; 0 and the reason where there is none."""
    try:
        with urllib.request.urlopen(address, body, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except (OSError, ValueError, http.client.HTTPException) as problem:
        return 0, str(problem)


def becomes(read: Callable[[], object], wanted: object, seconds: float = 30) -> None:
    """Wait until what is read is what is wanted, or fail with what it was last."""
    end = time.monotonic() + seconds
    while (found := read()) != wanted:
        assert time.monotonic() < end, f"it is {found!r}, not {wanted!r}"
        time.sleep(0.1)
