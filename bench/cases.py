"""What is measured: each case is one piece of work that any Docker-compatible daemon can do, through its socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

IMAGE = "busybox"


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon and the command line to drive it with: ``name`` as it stands in the table."""

    name: str
    cli: str
    host: str

    def run(self, *words: str) -> None:
        """Run the command line; its failure ends the measurement."""
        environment = {**os.environ, "DOCKER_HOST": self.host}
        done = subprocess.run([self.cli, *words], env=environment, capture_output=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One API request on a connection of its own."""
        connection = _Unix(self.host.removeprefix("unix://"))
        data = None if body is None else json.dumps(body)
        connection.request(method, "/v1.47" + path, data, {"Content-Type": "application/json"} if data else {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status} {content.decode(errors='replace')}")
        return answer.status, content


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def run_rm(target: Target) -> None:
    """`run --rm` on the default bridge."""
    target.run("run", "--rm", IMAGE, "true")


def run_rm_none(target: Target) -> None:
    """`run --rm` without a network."""
    target.run("run", "--rm", "--network", "none", IMAGE, "true")


def api_cycle(target: Target) -> None:
    """create, start, wait, delete on raw sockets, default bridge."""
    _, body = target.request("POST", "/containers/create", {"Image": IMAGE, "Cmd": ["true"]})
    identity = json.loads(body)["Id"]
    target.request("POST", f"/containers/{identity}/start")
    target.request("POST", f"/containers/{identity}/wait")
    target.request("DELETE", f"/containers/{identity}")


def execute(target: Target) -> None:
    """`exec` in a running container named bench-exec."""
    target.run("exec", "bench-exec", "true")


def list_all(target: Target) -> None:
    """`ps -a`."""
    target.run("ps", "-a")


def ping(target: Target) -> None:
    """`version`: a client's start and one request."""
    target.run("version")


CASES: dict[str, Callable[[Target], None]] = {
    "run --rm, bridge": run_rm,
    "run --rm, no network": run_rm_none,
    "API create + start + wait + delete": api_cycle,
    "exec": execute,
    "ps -a": list_all,
    "version": ping,
}
API_ONLY = {"API create + start + wait + delete"}
