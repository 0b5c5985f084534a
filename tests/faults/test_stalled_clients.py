"""Clients that open a stream and then neither read nor write: others are served, and nothing of them stays."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.faults.api import Api
from tests.faults.audit import Auditor

pytestmark = pytest.mark.root

COUNT = 150
"""More than the 128 inotify instances that a user has by default."""

REQUESTS = {
    "half a head": b"GET /_ping HTT",
    "half an upload": b"POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "half a body": b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000,
    "events": b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n",
    "a long log": b"GET /containers/talker/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\n\r\n",
    "an archive": b"GET /containers/talker/archive?path=/bin HTTP/1.1\r\nHost: d\r\n\r\n",
    "attached": (
        b"POST /containers/talker/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
        b"Upgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    ),
    "statistics": b"GET /containers/talker/stats HTTP/1.1\r\nHost: d\r\n\r\n",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path_factory.mktemp("stalled"))
    made.start()
    ours = CommandLine("carrack", made)
    try:
        ours("image", "bootstrap", "busybox")
        ours("run", "-d", "--name", "talker", "busybox", "sh", "-c", "seq 100000; exec sleep 1000")
        eventually(lambda: ours("logs", "--tail", "1", "talker").stdout == "100000\n")
        yield made
    finally:
        ours("rm", "-f", "talker", check=False)
        made.stop()


@pytest.mark.parametrize("kind", REQUESTS)
def test_others_are_served_and_nothing_of_them_stays(daemon: DaemonProcess, kind: str) -> None:
    api, auditor = Api(daemon.socket), Auditor(daemon)
    before = auditor.descriptors()
    with contextlib.ExitStack() as clients:
        for _ in range(COUNT):
            sock = clients.enter_context(api.connect())
            sock.sendall(REQUESTS[kind])
        made = api("POST", "/containers/create?name=other", {"Image": "busybox", "Cmd": ["echo", "served"]})
        assert made.status == 201
        assert api("POST", "/containers/other/start").status == 204
        assert api("POST", "/containers/other/wait").json()["StatusCode"] == 0
        assert b"served" in api("GET", "/containers/other/logs?stdout=1").data
        assert api("DELETE", "/containers/other").status == 204
    # A slot more or less may be parked now; a descriptor of each client would be another matter.
    eventually(lambda: all(more < COUNT // 10 for more in (auditor.descriptors() - before).values()))


def test_every_follower_beyond_the_limit_of_watches_gets_the_whole_log(daemon: DaemonProcess, tmp_path: Path) -> None:
    ours = CommandLine("carrack", daemon)
    ours("run", "-d", "--name", "later", "busybox", "sh", "-c", "echo first; sleep 3; echo last")
    api = Api(daemon.socket)
    request = b"GET /containers/later/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
    with contextlib.ExitStack() as clients:
        socks: list[socket.socket] = [clients.enter_context(api.connect()) for _ in range(COUNT)]
        for sock in socks:
            sock.sendall(request)
        for sock in socks:
            got = b""
            while data := sock.recv(65536):
                got += data
            assert b"first" in got
            assert b"last" in got
    ours("rm", "-f", "later")


MANY = 1000
MIB = 1024  # of KiB


def resident(daemon: DaemonProcess) -> int:
    """KiB of memory that the daemon has."""
    status = (Path("/proc") / (daemon.root / "pid").read_text().strip() / "status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_a_thousand_who_read_nothing_cost_little(daemon: DaemonProcess) -> None:
    """Events beyond a client's queue, logs beyond its socket, and answers that it asks for without end."""
    api, auditor = Api(daemon.socket), Auditor(daemon)
    before, memory = auditor.descriptors(), resident(daemon)
    endless = b"GET /containers/json?all=1 HTTP/1.1\r\nHost: d\r\n\r\n" * 300
    cheap = [REQUESTS[kind] for kind in ("events", "attached", "half a body", "half a head")]
    kinds = [*cheap * 12, endless, REQUESTS["a long log"].replace(b"&follow=1", b"")]
    with contextlib.ExitStack() as clients:
        for number in range(MANY):
            sock = clients.enter_context(api.connect())
            sock.setblocking(False)
            sock.send(kinds[number % len(kinds)])
        for number in range(50):
            assert api("POST", "/volumes/create", {"Name": f"v{number}"}).status == 201
            assert api("DELETE", f"/volumes/v{number}").status == 204
        assert resident(daemon) - memory < 200 * MIB
        assert api("GET", "/_ping").data == b"OK"
        assert b"100000" in api("GET", "/containers/talker/logs?stdout=1&tail=1").data
    eventually(lambda: all(more < MANY // 10 for more in (auditor.descriptors() - before).values()))


def test_there_is_an_end_to_how_many_may_come(daemon: DaemonProcess, tmp_path: Path) -> None:
    other = DaemonProcess(tmp_path)
    other.wrapper = ["prlimit", "--nofile=256:256"]
    other.start()
    try:
        api = Api(other.socket)
        with contextlib.ExitStack() as clients:
            for _ in range(128):
                clients.enter_context(api.connect()).send(b"GET /ev")
            eventually(lambda: api("GET", "/_ping").status == 503)
            assert b"128 clients are connected" in api("GET", "/_ping").data
        eventually(lambda: api("GET", "/_ping").data == b"OK")
    finally:
        other.stop()
