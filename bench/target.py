"""A daemon to measure, and the ways to ask it for work: a command line, and raw HTTP on connections kept open."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
from dataclasses import dataclass, field
from typing import Any

IMAGE = "busybox"
API = "/v1.47"


class Failed(RuntimeError):
    """A piece of work failed: what it was and what was answered. Ends the measurement."""


class Connection:
    """One HTTP/1.1 connection to a unix socket, kept open; as little work per request as Python allows."""

    def __init__(self, host: str, timeout: float = 120.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(host.removeprefix("unix://"))
        self._rest = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, method: str, path: str, body: object = None) -> None:
        """Write one request; ``body`` is sent as JSON."""
        data = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if data else ""
        head = f"{method} {API}{path} HTTP/1.1\r\nHost: bench\r\n{kind}Content-Length: {len(data)}\r\n\r\n"
        self.socket.sendall(head.encode() + data)

    def receive(self) -> tuple[int, bytes]:
        """Status and body of the answer. Raises Failed when the daemon closes before its end."""
        head = self._until(b"\r\n\r\n")
        status = int(head[9:12])
        fields = head.lower()
        if b"transfer-encoding: chunked" in fields:
            return status, self._chunks()
        if b"content-length:" in fields:
            length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
            return status, self._exactly(length)
        return status, b""

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer, None when it is empty. Raises Failed on a status of 300 and more."""
        self.send(method, path, body)
        status, content = self.receive()
        if status >= 300:
            raise Failed(f"{method} {path}: {status} {content.decode(errors='replace')}")
        return json.loads(content.splitlines()[0]) if content.strip() else None

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            pieces.append(self._exactly(size + 2)[:-2])
        self._exactly(2)
        return b"".join(pieces)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._more()
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def _more(self) -> None:
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise Failed("the daemon closed the connection before the end of its answer")
        self._rest += piece


@dataclass(frozen=True)
class Target:
    """A daemon and the command line to drive it with. ``key`` names it in goals: dockerd, docker (the docker command
    on our daemon), carrack (our command line on it) or podman, which has no ``host``."""

    key: str
    title: str
    command: str
    host: str = ""
    prefix: str = "bench"
    words: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", shlex.split(self.command))

    def run(self, *words: str) -> str:
        """Run the command line and return what it printed. Raises Failed."""
        environment = {**os.environ, "DOCKER_HOST": self.host} if self.host else dict(os.environ)
        done = subprocess.run([*self.words, *words], env=environment, capture_output=True, timeout=300, check=False)
        if done.returncode:
            raise Failed(f"{self.title}: {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def remove(self, *names: str) -> None:
        """`rm -f`, at once also with podman, which would wait for programs that do not heed SIGTERM."""
        self.run("rm", "-f", *(() if self.host else ("-t", "0")), *names)

    def connect(self, timeout: float = 120.0) -> Connection:
        """A connection to the daemon."""
        return Connection(self.host, timeout)

    def name(self, number: int | str) -> str:
        """The name of this measurement's container ``number``."""
        return f"{self.prefix}-{number}"
