"""Passwords that clients send reach neither logs, events, records, process lists, errors nor authorization plugins."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.cli.running import DaemonProcess
from tests.fakes import plugin as fake

from carrack.engine.authorization import REQUEST, RESPONSE

pytestmark = pytest.mark.root

CANARY = "canary-7f3a9c"
ENCODED = base64.urlsafe_b64encode(json.dumps({"username": "u", "password": CANARY}).encode()).decode()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DaemonProcess, fake.Plugin]]:
    """A daemon that logs all it can, and the plugin that judges its requests."""
    root = tmp_path_factory.mktemp("secrets")
    with fake.Plugin(root / "plugins" / "judge.sock", root, ("authz",)) as plugin:
        plugin.answers = {REQUEST: {"Allow": True}, RESPONSE: {"Allow": True}}
        options = ["--debug", "--authorization-plugin", "judge", "--plugin-dir", str(root / "plugins")]
        process = DaemonProcess(root, *options)
        try:
            process.start()
            yield process, plugin
        finally:
            process.stop()


def ask(process: DaemonProcess, method: str, path: str, body: object = None, **fields: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    with closing(connection):
        connection.sock.connect(str(process.socket))
        headers = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): text for name, text in fields.items()},
        }
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_password_stays_with_who_sent_it(daemon: tuple[DaemonProcess, fake.Plugin]) -> None:
    process, plugin = daemon
    login = {"username": "u", "password": CANARY, "serveraddress": "127.0.0.1:1"}
    answers = [
        ask(process, "POST", "/auth", login),
        ask(process, "POST", "/v1.51/auth", login),
        ask(process, "POST", "/images/create?fromImage=127.0.0.1:1/x&tag=1", X_Registry_Auth=ENCODED),
        ask(process, "POST", "/images/x/push?tag=1", X_Registry_Auth=ENCODED, Authorization=f"Basic {ENCODED}"),
    ]
    judged = json.dumps(plugin.calls).encode()
    answers.append(ask(process, "POST", f"/images/create?fromSrc=http://u:{CANARY}@127.0.0.1:1/x.tar&repo=x"))
    assert all(400 <= status < 600 or b'"errorDetail":' in body for status, body in answers)
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    places = {
        "answers": b"".join(body for _, body in answers),
        "events": ask(process, "GET", f"/events?since=1&until={int(time.time()) + 1}")[1],
        "the log": process.log.read_bytes(),
        "processes": listing.encode(),
        "the plugin": judged,
        **{str(path): path.read_bytes() for path in (process.root / "data").glob("meta.db*")},
    }
    words = [CANARY.encode(), ENCODED.encode(), ENCODED[:40].encode()]
    assert [name for name, text in places.items() if any(word in text for word in words)] == []
