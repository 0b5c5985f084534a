from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.fakes.api_server import serving

from carrack.client import archives
from carrack.errors import Unavailable

STAT = {"name": "hosts", "size": 3, "mode": 420, "mtime": "2026-01-01T00:00:00Z", "linkTarget": ""}
HEADER = b"X-Docker-Container-Path-Stat: " + base64.b64encode(json.dumps(STAT).encode()) + b"\r\n"


def test_stat_and_get(tmp_path: Path) -> None:
    answers = {
        "HEAD /containers/c/archive": b"HTTP/1.1 200 OK\r\n" + HEADER + b"\r\n",
        "GET /containers/c/archive": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + HEADER + b"\r\ntar",
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert archives.stat(daemon, "c", "/etc/hosts") == STAT
        response, found = archives.get(daemon, "c", "/etc/hosts")
        assert (found, response.read()) == (STAT, b"tar")
        daemon.close()
    assert server.requests[0].query == "path=%2Fetc%2Fhosts"


def test_put(tmp_path: Path) -> None:
    answers = {"HEAD /_ping": (200, None), "PUT /containers/c/archive": (200, None)}
    with serving(tmp_path / "s", answers) as server:
        archives.put(server.daemon, "c", "/tmp", iter([b"tar"]), keep_owner=True)
    assert server.requests[1].query == "path=%2Ftmp&noOverwriteDirNonDir=true&copyUIDGID=1"
    assert server.requests[1].body == b"tar"


@pytest.mark.parametrize(
    "header", [b"", b"X-Docker-Container-Path-Stat: @@@x\r\n", b"X-Docker-Container-Path-Stat: AAAA\r\n"]
)
def test_an_answer_without_a_stat(tmp_path: Path, header: bytes) -> None:
    answers = {"HEAD /containers/c/archive": b"HTTP/1.1 200 OK\r\n" + header + b"\r\n"}
    with serving(tmp_path / "s", answers) as server, pytest.raises(Unavailable):
        archives.stat(server.daemon, "c", "/x")
