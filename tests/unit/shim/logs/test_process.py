from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import log_servers as servers

from carrack.runtime import channel
from carrack.shim.logs import process
from carrack.shim.logs.process import HEAD, Logger, Status
from carrack.shim.logs.spawn import GAP

FILE = {"kind": "json-file", "name": "l", "max_size": 0, "max_file": 1}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


class Run:
    """A logger in a thread, and the shim's end of its socket."""

    def __init__(self, directory: int, **document: Any) -> None:
        self.ours, self.theirs = channel.pair()
        self.ours.settimeout(20)
        self.logger = Logger(self.theirs, document, [directory])
        self.logger.connect()
        self.thread = threading.Thread(target=self.logger.serve)
        self.thread.start()

    def write(self, data: bytes, stream: int = 1) -> None:
        self.ours.send(HEAD.pack(stream, 10**9) + data)

    def end(self) -> None:
        self.ours.shutdown(socket.SHUT_WR)
        assert json.loads(self.ours.recv(100)) == {"closed": True}
        self.thread.join(20)
        self.ours.close()
        self.theirs.close()


def test_a_file_is_written_when_the_end_is_answered(directory: int, tmp_path: Path) -> None:
    run = Run(directory, file=FILE, blocking=True)
    run.write(b"one\ntw")
    run.write(b"err\n", 2)
    run.write(b"o\nrest")
    run.end()
    found = [json.loads(line) for line in (tmp_path / "l").read_text().splitlines()]
    assert [(e["log"], e["stream"]) for e in found] == [
        ("one\n", "stdout"), ("err\n", "stderr"), ("two\n", "stdout"), ("rest", "stdout"),
    ]  # fmt: skip
    assert not (tmp_path / process.STATUS_FILE).exists()


def test_the_cache_is_beside_the_server(directory: int, tmp_path: Path) -> None:
    with servers.udp() as server:
        task = {"driver": "gelf", "options": {"gelf-address": f"udp://127.0.0.1:{server.port}"}}
        run = Run(directory, task=task, cache=FILE, blocking=True)
        run.write(b"one\n")
        run.end()
        server.wait(lambda got: len(got) == 1)
    assert '"log":"one\\n"' in (tmp_path / "l").read_text()


def test_what_is_lost_and_dropped_is_on_file(directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FAREWELL_SECONDS", 0.2)
    (tmp_path / process.STATUS_FILE).write_text("of the run before")
    options = {"fluentd-address": "unix:///no/such", "fluentd-async": "true", "fluentd-retry-wait": "10s"}
    run = Run(directory, task={"driver": "fluentd", "options": options}, max_buffer=4, blocking=False)
    run.write(b"first\n")
    while run.logger._in_hand == 0:
        time.sleep(0.01)
    run.write(b"1234\n5678\n")
    run.ours.send(HEAD.pack(GAP | 1, 40))
    run.end()
    status = json.loads((tmp_path / process.STATUS_FILE).read_text())
    assert status == {"dropped": 41, "lost": 2, "error": ""}


def test_errors_of_a_server_are_told(directory: int, tmp_path: Path) -> None:
    options = {"fluentd-address": "unix:///no/such", "fluentd-async": "true", "fluentd-max-retries": "0"}
    run = Run(directory, task={"driver": "fluentd", "options": options}, blocking=True)
    run.write(b"first\n")
    run.end()
    status = json.loads((tmp_path / process.STATUS_FILE).read_text())
    assert status["lost"] == 1
    assert status["error"] == "fluentd: dial unix /no/such: connect: no such file or directory"


def test_a_status_is_written_when_it_changes(directory: int, tmp_path: Path) -> None:
    status = Status(directory)
    status.tell(0)
    assert not (tmp_path / process.STATUS_FILE).exists()
    status.tell(1)
    status.tell(2)
    assert json.loads((tmp_path / process.STATUS_FILE).read_text())["dropped"] == 1
    status.tell(2, now=True)
    assert json.loads((tmp_path / process.STATUS_FILE).read_text())["dropped"] == 2
    status.forget()
    status.forget()
    assert not (tmp_path / process.STATUS_FILE).exists()
