"""A small HTTP server on a Unix socket that stands for a daemon: it records requests and answers from a table."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from carrack.client.context import Host
from carrack.client.transport import Daemon


class Request:
    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.headers, self.body = method, headers, body
        self.path, _, self.query = target.partition("?")

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"{self.method} {self.path}?{self.query}"


Answer = bytes | tuple[int, Any] | Callable[[Request, socket.socket], None]


class ApiServer:
    """``answers``: ``METHOD /path`` (no version) → bytes as they are, ``(status, document)`` or a function."""

    def __init__(self, path: Path, answers: Mapping[str, Any]) -> None:
        self.requests: list[Request] = []
        self.answers = answers
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._threads: list[threading.Thread] = []
        self._start(self._accept)
        self.daemon = Daemon(Host(f"unix://{path}", "unix", str(path)))

    def close(self) -> None:
        self.daemon.close()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            while (request := _read(reader)) is not None:
                self.requests.append(request)
                path = request.path
                if path.startswith("/v1."):
                    path = "/" + path.split("/", 2)[2]
                answer = self.answers.get(f"{request.method} {path}", (404, {"message": "page not found"}))
                if callable(answer):
                    with suppress(ConnectionError):  # a client may leave in the midst
                        answer(request, connection)
                    return
                connection.sendall(answer if isinstance(answer, bytes) else response(*answer))


def response(status: int, document: Any, headers: str = "") -> bytes:
    body = b"" if document is None else json.dumps(document).encode()
    head = f"HTTP/1.1 {status} Words\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def frame(fd: int, data: bytes) -> bytes:
    """One frame of Docker's stdcopy."""
    return bytes([fd, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@contextmanager
def serving(path: Path, answers: Mapping[str, Any]) -> Iterator[ApiServer]:
    server = ApiServer(path, answers)
    try:
        yield server
    finally:
        server.close()


def _read(reader: Any) -> Request | None:
    line = reader.readline().decode()
    if not line:
        return None
    method, target, _ = line.split(" ")
    headers = {}
    while (line := reader.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(reader.readline(), 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
    else:
        body = reader.read(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)
