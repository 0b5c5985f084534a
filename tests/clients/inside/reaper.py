"""A stand-in for testcontainers' reaper: it removes what a test left when the test's connection ends.

Each line that it receives names labels (`label=a%3Db&label=...`) and is answered with ACK. Once the last connection is
gone for RYUK_RECONNECTION_TIMEOUT (10s), every container, volume and image with all the labels of a line is removed.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import urllib.parse
from typing import Any

_SOCKET = "/var/run/docker.sock"


class _Engine(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(_SOCKET)


def _ask(method: str, path: str, **query: str) -> Any:
    engine = _Engine("localhost")
    engine.request(method, f"{path}?{urllib.parse.urlencode(query)}")
    answer = engine.getresponse()
    text = answer.read()
    return json.loads(text) if answer.status == 200 and text else None


def _reap(labels: list[str]) -> None:
    filters = json.dumps({"label": labels})
    for container in _ask("GET", "/containers/json", all="1", filters=filters) or []:
        if not container["Id"].startswith(socket.gethostname()):  # it may have the labels itself
            _ask("DELETE", f"/containers/{container['Id']}", force="1", v="1")
    _ask("POST", "/volumes/prune", filters=json.dumps({"label": labels, "all": ["true"]}))
    _ask("POST", "/images/prune", filters=json.dumps({"label": labels, "dangling": ["false"]}))


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except OSError:  # the other side died with answers unread
        return b""


def _sent(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def _collect(wait: float) -> set[tuple[str, ...]]:
    """What connections asked for, until there has been none for `wait` seconds."""
    wanted: set[tuple[str, ...]] = set()
    rest: dict[socket.socket, bytes] = {}
    listener = socket.create_server(("", 8080))
    print("Started!", flush=True)
    patience = 60.0  # for the first connection
    while ready := select.select([listener, *rest], [], [], None if rest else patience)[0]:
        for one in ready:
            if one is listener:
                rest[listener.accept()[0]] = b""
                continue
            data = _received(one)
            *lines, rest[one] = (rest[one] + data).split(b"\n")
            for line in lines:
                wanted.add(tuple(value for _, value in urllib.parse.parse_qsl(line.decode().strip())))
            if not data or not _sent(one, b"ACK\n" * len(lines)):
                del rest[one]
                one.close()
        patience = wait
    return wanted


if __name__ == "__main__":
    for labels in _collect(float(os.environ.get("RYUK_RECONNECTION_TIMEOUT", "10s").rstrip("s"))):
        _reap(list(labels))
