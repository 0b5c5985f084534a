"""Pulls by a real daemon from a fake registry, and whether what it keeps on disk is whole afterwards."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.running import DaemonProcess, api

PATIENCE = 60.0


@dataclass(frozen=True)
class Pulled:
    """What came of a pull: `status` 0 means that the daemon broke off; `error` is "" for one that went well."""

    status: int
    messages: list[dict[str, Any]]
    error: str

    @property
    def statuses(self) -> list[str]:
        return [message.get("status", "") for message in self.messages]


def pull(daemon: DaemonProcess, reference: str, user: str = "", password: str = "", **query: str) -> Pulled:
    """`POST /images/create`, to its end; `reference` may have a tag or a digest."""
    headers = {"X-Registry-Auth": credentials(user, password)} if user else {}
    query = {"fromImage": reference} | query
    target = "/images/create?" + "&".join(f"{name}={value}" for name, value in query.items())
    connection = http.client.HTTPConnection("daemon", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    with closing(connection):
        try:
            connection.sock.connect(str(daemon.socket))
            connection.request("POST", target, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
        except TimeoutError:
            raise AssertionError(f"a pull of {reference} went on for more than {PATIENCE:.0f} s") from None
        except (OSError, http.client.HTTPException):
            return Pulled(0, [], "the daemon broke off")
    return _pulled(answer.status, data)


def _pulled(status: int, data: bytes) -> Pulled:
    messages = [json.loads(line) for line in data.splitlines() if line.strip()]
    if status != 200:
        return Pulled(status, [], messages[0]["message"])
    return Pulled(status, messages, next((m["error"] for m in messages if "error" in m), ""))


def credentials(user: str, password: str) -> str:
    """The header that clients send them in."""
    document = {"username": user, "password": password, "serveraddress": "127.0.0.1"}
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


def images(daemon: DaemonProcess) -> set[str]:
    """Ids of all images."""
    return {image["Id"] for image in json.loads(api(daemon, "GET", "/images/json?all=1")[1])}


def remove(daemon: DaemonProcess, *references: str) -> None:
    for reference in references:
        status, answer = api(daemon, "DELETE", f"/images/{reference}?force=1")
        assert status == 200, answer


class Disk:
    """What lies below a daemon's data root, of images."""

    def __init__(self, root: Path) -> None:
        self._root = root / "data"

    def wrong(self) -> list[str]:
        """Blobs that are not what their names say, what is unfinished, layers that nobody would find again."""
        found = [f"blob {path.name}" for path in self._files("blobs/sha256") if _sha(path) != path.name]
        found += [f"unfinished {path}" for path in self._files("ingest")]
        for path in self._root.glob("layers/*/layers/*"):
            if not re.fullmatch("[0-9a-f]{64}", path.name.removeprefix("sha256:").removeprefix("sha256-")):
                found.append(f"half a layer {path}")
        return found

    def partial(self) -> dict[str, int]:
        """Bytes of blobs that are half here, by digest."""
        return {f"sha256:{path.name}": path.stat().st_size for path in self._files("partial")}

    def blobs(self) -> set[str]:
        return {f"sha256:{path.name}" for path in self._files("blobs/sha256")}

    def layers(self) -> set[str]:
        return {path.name for path in self._root.glob("layers/*/layers/*")}

    def _files(self, folder: str) -> list[Path]:
        return [path for path in (self._root / folder).glob("*") if path.is_file()]


def _sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
