"""A plugin of Docker's protocol for tests: a small HTTP server on a Unix socket, in a thread, that keeps volumes.

``answers`` overrides what a method answers: bytes go out as they are, an int as a status, a function is called with
the request, anything else is encoded as JSON. ``calls`` has what came in.
"""

from __future__ import annotations

import json
import os
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

Answer = bytes | int | dict[str, Any] | Callable[[dict[str, Any]], Any]


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    plugin: Plugin


class Plugin:
    """The server; ``root`` is where its volumes lie."""

    def __init__(self, socket: Path, root: Path, implements: tuple[str, ...] = ("VolumeDriver",)) -> None:
        self.socket = socket
        self.root = root
        self.implements = implements
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.heads: list[dict[str, str]] = []
        self.answers: dict[str, Answer] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.mounted: dict[str, set[str]] = {}
        self.scope = "local"
        self._server: _Server | None = None

    def start(self) -> None:
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        self._server = _Server(str(self.socket), _Handler)
        self._server.plugin = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self.socket.unlink(missing_ok=True)

    def __enter__(self) -> Plugin:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def called(self, method: str) -> list[dict[str, Any]]:
        """The requests of one method."""
        return [body for name, body in self.calls if name == method]

    def answer(self, method: str, body: dict[str, Any]) -> Any:
        self.calls.append((method, body))
        if method in self.answers:
            given = self.answers[method]
            return given(body) if callable(given) else given
        name = body.get("Name", "")
        handler = getattr(self, "do_" + method.replace(".", "_"), None)
        return 404 if handler is None else handler(name, body)

    def do_Plugin_Activate(self, name: str, body: dict[str, Any]) -> Any:
        return {"Implements": list(self.implements)}

    def do_VolumeDriver_Capabilities(self, name: str, body: dict[str, Any]) -> Any:
        return {"Capabilities": {"Scope": self.scope}}

    def do_VolumeDriver_Create(self, name: str, body: dict[str, Any]) -> Any:
        (self.root / name).mkdir(parents=True, exist_ok=True)
        self.volumes[name] = body.get("Opts") or {}
        return {"Err": ""}

    def do_VolumeDriver_Remove(self, name: str, body: dict[str, Any]) -> Any:
        if self.volumes.pop(name, None) is None:
            return {"Err": f"no volume {name} here"}
        return {}

    def do_VolumeDriver_Mount(self, name: str, body: dict[str, Any]) -> Any:
        self.mounted.setdefault(name, set()).add(body["ID"])
        return {"Mountpoint": str(self.root / name)}

    def do_VolumeDriver_Unmount(self, name: str, body: dict[str, Any]) -> Any:
        self.mounted.get(name, set()).discard(body["ID"])
        return {}

    def do_VolumeDriver_Path(self, name: str, body: dict[str, Any]) -> Any:
        return {"Mountpoint": str(self.root / name) if self.mounted.get(name) else ""}

    def do_VolumeDriver_Get(self, name: str, body: dict[str, Any]) -> Any:
        if name not in self.volumes:
            return {"Err": f"no volume {name} here"}
        return {"Volume": {"Name": name, "Mountpoint": str(self.root / name), "Status": {"kept": "well"}}}

    def do_VolumeDriver_List(self, name: str, body: dict[str, Any]) -> Any:
        return {"Volumes": [{"Name": name, "Mountpoint": str(self.root / name)} for name in self.volumes]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        plugin = cast(_Server, self.server).plugin
        data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        plugin.heads.append({name.lower(): value for name, value in self.headers.items()})
        answer = plugin.answer(self.path.lstrip("/"), json.loads(data or b"{}"))
        status = 200
        if isinstance(answer, tuple):
            status, answer = answer
        if isinstance(answer, int):
            status, answer = answer, b"refused\n"
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    """Serve in a process of its own, until it is ended: SOCKET ROOT."""
    import sys

    plugin = Plugin(Path(sys.argv[1]), Path(sys.argv[2]))
    plugin.start()
    print(os.getpid(), flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
