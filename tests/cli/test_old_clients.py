"""Habits of clients older than the command on the PATH, as requests of their own."""

from __future__ import annotations

import http.client
import socket

import pytest
from tests.cli.running import Cli

pytestmark = pytest.mark.root


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def post(cli: Cli, path: str, body: bytes) -> tuple[int, bytes]:
    connection = _Connection(str(cli.daemon.socket))
    try:
        connection.request("POST", path, body, {"Content-Type": "text/plain", "Content-Length": str(len(body))})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_start_with_a_content_type_and_no_body(cli: Cli, image: str) -> None:
    """As docker 20.10, Debian 12's, sends it."""
    cli("create", "--name", "old", image, "true")
    assert post(cli, "/v1.41/containers/old/start", b"") == (204, b"")
    status, answer = post(cli, "/v1.41/containers/old/start", b'{"Binds": ["/:/host"]}')
    assert (status, b"non-empty request body" in answer) == (400, True)
