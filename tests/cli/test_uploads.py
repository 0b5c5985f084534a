"""How many layers are pushed at a time, as the daemon's configuration says."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.fakes.images import config_for, docker_archive, tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Answer, Request

pytestmark = pytest.mark.root
LAYERS = [tar({f"layer-{number}": os.urandom(2000)}) for number in range(4)]


class Counting(FakeRegistry):
    """Takes its time for each blob that comes, and knows how many came at once at the most."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        if request.method not in ("PUT", "PATCH") or "/blobs/uploads/" not in request.target:
            return super().answer(request)
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.1)
        with self._lock:
            self._now -= 1
        return super().answer(request)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path)
    _allow(process, 1)
    try:
        process.start()
        yield process
    finally:
        process.stop()


def _allow(process: DaemonProcess, uploads: int) -> None:
    (process.root / "daemon.json").write_text(json.dumps({"max-concurrent-uploads": uploads}))


@pytest.mark.census("dockerd --max-concurrent-uploads", "daemon.json max-concurrent-uploads")
def test_uploads_at_a_time(daemon: DaemonProcess) -> None:
    cli = CommandLine("carrack", daemon)
    cli("load", stdin=docker_archive([(config_for(LAYERS), LAYERS, ["app:1"])]))
    with Counting() as one:
        cli("tag", "app:1", f"{one.host}/app:1")
        cli("push", f"{one.host}/app:1")
        assert one.most == 1
    _allow(daemon, 3)
    os.kill(int((daemon.root / "pid").read_text()), signal.SIGHUP)
    eventually(lambda: "reload" in cli("events", "--since", "1m", "--until", f"{time.time():.3f}").stdout)
    with Counting() as three:
        cli("tag", "app:1", f"{three.host}/app:1")
        cli("push", f"{three.host}/app:1")
        assert three.most == 3
