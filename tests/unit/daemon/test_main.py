"""The program: its commands, its start and stop, signals, and systemd's protocol, with the system's routes alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, os, sys
from carrack.api.app import Route
from carrack.api.response import text
from carrack.daemon import config, main


class Services:
    authorizer = None
    metrics_routes = ()

    def __init__(self, config):
        self.config = config

    @property
    def routes(self):
        async def labels(request):
            return text(",".join(self.config.labels))

        return [Route("GET", "/labels", labels)]

    async def start(self):
        if self.config.slots == 64:
            raise OSError(5, "Input/output error", "/dev/broken")
        print("started", flush=True)

    async def stop_containers(self, timeout):
        print("stop containers", timeout, flush=True)

    async def stop(self):
        print("stopped", flush=True)

    def reload(self, config):
        self.config = config
        print("reloaded", flush=True)


async def build(config, survey):
    await asyncio.sleep(float(os.environ.get("SLOW", 0)))
    return Services(config)


sys.exit(main.run(config.from_process().config, build))
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the daemon itself refuses to run without root")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "carrack.daemon.main", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "src"},
        timeout=30,
        check=False,
    )


class Daemon:
    """A running program, its sockets, and what systemd would hear of it."""

    def __init__(self, root: Path, process: subprocess.Popen[str], manager: socket.socket) -> None:
        self.root, self.process, self._manager = root, process, manager

    def heard(self) -> str:
        return self._manager.recv(100).decode()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def get(self, path: str) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.root / "api.sock"))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(65536), b"")).decode().partition("\r\n\r\n")[2]

    def ask(self, path: str) -> str:
        """A short answer as it comes, on a connection that stays."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.root / "api.sock"))
            client.settimeout(20)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return client.recv(65536).decode()

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@contextmanager
def running(root: Path, *arguments: str) -> Iterator[Daemon]:
    config = root / "daemon.json"
    if not config.exists():
        config.write_text('{"labels": ["a=1"]}')
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(20)
    (root / "notify").unlink(missing_ok=True)
    manager.bind(str(root / "notify"))
    options = ["-H", f"unix://{root}/api.sock", "--data-root", f"{root}/data", "--exec-root", f"{root}/run"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--config-file", str(config), *options, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "src", "NOTIFY_SOCKET": str(root / "notify")},
    )
    try:
        yield Daemon(root, process, manager)
    finally:
        manager.close()
        process.kill()
        process.communicate()


def test_commands_that_do_not_run_a_daemon(tmp_path: Path) -> None:
    assert command("--version").stdout.startswith("Carrack version ")
    assert "--data-root" in command("--help").stdout
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text("{}")
    bad.write_text('{"colour": 1}')
    checked = command("--validate", "--config-file", str(good))
    assert (checked.returncode, checked.stdout) == (0, "configuration OK\n")
    refused = command("--validate", "--config-file", str(bad))
    assert refused.returncode == 2
    assert "don't match any configuration option: colour" in refused.stderr
    assert "See 'carrackd --help'." in refused.stderr


@needs_root
def test_it_serves_reloads_and_stops_cleanly(tmp_path: Path) -> None:
    with running(tmp_path, "--shutdown-timeout", "7") as daemon:
        assert daemon.heard() == "READY=1"
        assert daemon.line() == "started"
        assert int((tmp_path / "run/carrackd.pid").read_text()) == daemon.process.pid
        assert daemon.get("/labels") == "a=1"
        (tmp_path / "daemon.json").write_text('{"labels": ["a=2"]}')
        daemon.process.send_signal(signal.SIGHUP)
        assert (daemon.heard(), daemon.heard()) == ("RELOADING=1", "READY=1")
        assert daemon.get("/labels") == "a=2"
        code, out, err = daemon.end()
        assert (code, out) == (0, "reloaded\nstop containers 7.0\nstopped\n")
        assert daemon.heard() == "STOPPING=1"
        assert "got SIGTERM, stopping" in err
    assert not (tmp_path / "api.sock").exists()
    assert not (tmp_path / "run/carrackd.pid").exists()


@needs_root
def test_live_restore_leaves_the_containers(tmp_path: Path) -> None:
    with running(tmp_path, "--live-restore") as daemon:
        assert daemon.heard() == "READY=1"
        assert daemon.end(signal.SIGINT)[:2] == (0, "started\nstopped\n")


@needs_root
def test_a_killed_daemon_leaves_nothing_in_the_way_of_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        assert daemon.heard() == "READY=1"
        daemon.end(signal.SIGKILL)
    assert (tmp_path / "api.sock").exists()
    with running(tmp_path) as daemon:
        assert daemon.heard() == "READY=1"
        assert daemon.get("/labels") == "a=1"
        daemon.end()


@needs_root
def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        assert daemon.heard() == "READY=1"
        other = tmp_path / "other"
        other.mkdir()
        with running(other, "--data-root", f"{tmp_path}/data") as second:
            _, err = second.process.communicate(timeout=20)
            assert second.process.returncode == 1
            assert f"another carrackd (process {daemon.process.pid}) is using" in err
        with running(other, "-H", f"unix://{tmp_path}/api.sock") as second:
            _, err = second.process.communicate(timeout=20)
            assert second.process.returncode == 1
            assert "another daemon is listening" in err
        assert daemon.get("/labels") == "a=1"
        daemon.end()


@needs_root
def test_a_start_that_fails_says_why_and_cleans_up(tmp_path: Path) -> None:
    with running(tmp_path, "--slots", "64", "--log-format", "json") as daemon:
        out, err = daemon.process.communicate(timeout=20)
        assert (daemon.process.returncode, out) == (1, "stopped\n")
        last = json.loads(err.splitlines()[-1])
        assert (last["level"], "/dev/broken" in last["msg"]) == ("fatal", True)
    assert not (tmp_path / "api.sock").exists()


@needs_root
def test_the_list_is_answered_while_the_rest_still_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOW", "3600")
    with running(tmp_path) as daemon:
        while not (tmp_path / "api.sock").exists():
            time.sleep(0.01)
        assert daemon.ask("/v1.51/containers/json").endswith("\r\n\r\n[]\n")
        assert daemon.ask("/_ping").endswith("\r\n\r\nOK")


@needs_root
def test_nothing_is_answered_before_plugins_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOW", "0.3")
    with running(tmp_path, "--authorization-plugin", "judge") as daemon:
        while not (tmp_path / "api.sock").exists():
            time.sleep(0.01)
        assert "page not found" in daemon.get("/_ping")  # answered by the stand-in for all services, which has none
