"""Databases and a web server under limits lose nothing when they, their shim or the daemon are killed."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.clients import images
from tests.clients.packages import OF_OTHERS

pytestmark = [pytest.mark.root, *OF_OTHERS]
_LIMITS = ["--memory", "256m", "--cpus", "1", "--pids-limit", "200"]
_ENOUGH = 50
"""So many writes are acknowledged before anything is killed."""

Write = Callable[[int], object]


class Server:
    """A container named `server` on a port of the host, and what can be killed beneath it."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.cli = CommandLine("carrack", daemon)

    def run(self, port: int, *words: str) -> None:
        self.cli("run", "-d", "--name", "server", "-p", f"127.0.0.1::{port}", *_LIMITS, *words)

    def port(self) -> int:
        return int(self.cli("port", "server").stdout.rpartition(":")[2])

    def kill(self, what: str) -> None:
        if what == "container":
            self.cli("kill", "server")
        elif what == "shim":
            os.kill(self._shim(), signal.SIGKILL)
            eventually(lambda: self._state() == "exited")
        else:
            self.daemon.crash()
            self.daemon.start()
        if what != "daemon":
            self.cli("start", "server")
        assert self._state() == "running"

    def _state(self) -> str:
        return self.cli("inspect", "-f", "{{.State.Status}}", "server").stdout.strip()

    def _shim(self) -> int:
        first = self.cli("inspect", "-f", "{{.State.Pid}}", "server").stdout.strip()
        status = Path("/proc", first, "status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])


class Writer(threading.Thread):
    """Writes numbers one after the other and remembers those that were acknowledged, until it fails or is told."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write
        self._told = False
        self.acknowledged: list[int] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        for number in itertools.count():
            if self._told:
                return
            try:
                self._write(number)
            except Exception as failure:
                self.failure = failure
                return
            self.acknowledged.append(number)

    def finish(self) -> None:
        self._told = True
        self.join(30)


@pytest.fixture
def server(daemon: DaemonProcess) -> Server:
    return Server(daemon)


def _kill_while_writing(server: Server, what: str, write: Write) -> list[int]:
    """The numbers whose writing was acknowledged."""
    writer = Writer(write)
    writer.start()
    eventually(lambda: len(writer.acknowledged) > _ENOUGH)
    server.kill(what)
    if what == "daemon":
        before = len(writer.acknowledged)
        eventually(lambda: len(writer.acknowledged) > before or writer.failure is not None)
        assert writer.failure is None  # the server and its port go on
    writer.finish()
    return writer.acknowledged


@pytest.mark.parametrize("what", ["container", "shim", "daemon"])
def test_postgresql_keeps_every_committed_row(
    what: str, server: Server, provide: Callable[[images.Recipe], str], python_client: Callable[[str], Any]
) -> None:
    psycopg2 = python_client("psycopg2")
    options = ["-v", "rows:/var/lib/postgresql/data", "-e", "POSTGRES_PASSWORD=secret", "--shm-size", "64m"]
    server.run(5432, *options, provide(images.POSTGRES))
    connections: list[Any] = []

    def connect() -> bool:
        login = {"user": "postgres", "password": "secret", "dbname": "postgres", "connect_timeout": 20}
        try:
            connections.append(psycopg2.connect(host="127.0.0.1", port=server.port(), **login))
        except psycopg2.OperationalError:
            return False
        connections[-1].autocommit = True
        return True

    def ask(text: str, *values: object) -> None:
        connections[-1].cursor().execute(text, values)

    eventually(connect, 60)
    ask("CREATE TABLE written (number int)")
    acknowledged = _kill_while_writing(server, what, lambda number: ask("INSERT INTO written VALUES (%s)", number))
    eventually(connect, 60)
    cursor = connections[-1].cursor()
    cursor.execute("SELECT number FROM written")
    assert set(acknowledged) <= {row[0] for row in cursor.fetchall()}
    # Another container on the same volume has them, too.
    for connection in connections:
        connection.close()
    server.cli("rm", "-f", "server")
    server.run(5432, *options, images.POSTGRES.name)
    eventually(connect, 60)
    cursor = connections[-1].cursor()
    cursor.execute("SELECT count(*) FROM written")
    assert cursor.fetchone()[0] >= len(acknowledged)
    connections[-1].close()


@pytest.mark.parametrize("what", ["container", "shim", "daemon"])
def test_redis_keeps_every_appended_key(
    what: str, server: Server, provide: Callable[[images.Recipe], str], python_client: Callable[[str], Any]
) -> None:
    redis = python_client("redis")
    # With its default, `everysec`, Redis answers before it writes while an fsync of a slow disk still runs.
    appended = ["--appendonly", "yes", "--appendfsync", "always"]
    server.run(6379, "-v", "keys:/data", provide(images.REDIS), "redis-server", *appended)

    def connected() -> Any:
        return redis.Redis(port=server.port(), socket_timeout=30, retry=None)

    def answers() -> bool:
        try:
            return bool(connected().ping())
        except redis.exceptions.RedisError:
            return False

    eventually(answers)
    client = connected()
    acknowledged = _kill_while_writing(server, what, lambda number: client.rpush("written", number))
    eventually(answers)
    kept = {int(number) for number in connected().lrange("written", 0, -1)}
    assert set(acknowledged) <= kept


@pytest.mark.parametrize("what", ["container", "shim", "daemon"])
def test_nginx_serves_on_and_its_log_is_whole(
    what: str, server: Server, provide: Callable[[images.Recipe], str], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "index.html").write_text("kept\n")
    server.run(80, "-v", f"{tmp_path}:/var/www/html:ro", provide(images.NGINX))

    def fetch(name: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port()}/?{name}", timeout=30) as answer:
                return bool(answer.read() == b"kept\n")
        except OSError:
            return False

    def logged() -> list[str]:
        lines = server.cli("logs", "server").stdout.splitlines()
        return [line.partition("/?")[2].partition(" ")[0] for line in lines if '" 200 ' in line]

    names = [f"{when}-{number}" for when in ("before", "after") for number in range(20)]
    eventually(lambda: fetch(names[0]))
    assert all(fetch(name) for name in names[1:20])
    eventually(lambda: logged() == names[:20])
    server.kill(what)
    eventually(lambda: fetch(names[20]))
    assert all(fetch(name) for name in names[21:])
    eventually(lambda: logged() == names)
