"""Many containers at once: all are made, started, listed, stopped and removed together, and nothing of them is left."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.faults.api import Answer, Api
from tests.faults.audit import Auditor

pytestmark = pytest.mark.root

COUNT = int(os.environ.get("CARRACK_TEST_MANY", "60"))
"""Containers; 200 in the long run that the status page tells of."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path)
    made.start()
    try:
        CommandLine("carrack", made)("image", "bootstrap", "busybox")
        yield made
    finally:
        left = CommandLine("carrack", made)("ps", "-aq", check=False).stdout.split()
        if left:
            CommandLine("carrack", made)("rm", "-f", *left, check=False)
        made.stop()


def at_once(work: Callable[[int], Answer]) -> list[Answer]:
    """One thread for each container, all let go together."""
    answers: list[Any] = [None] * COUNT
    gate = threading.Barrier(COUNT)

    def run(number: int) -> None:
        gate.wait()
        answers[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(COUNT)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{COUNT} at once in {time.monotonic() - begun:.2f} s")
    return answers


def statuses(answers: list[Answer]) -> set[tuple[int, str]]:
    return {(answer.status, answer.message if answer.status >= 400 else "") for answer in answers}


def test_all_at_once_by_the_api(daemon: DaemonProcess) -> None:
    api, auditor = Api(daemon.socket), Auditor(daemon)
    eventually(lambda: auditor.differences() == [])
    body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"PortBindings": {"80/tcp": [{}]}}}
    made = at_once(lambda n: api("POST", f"/containers/create?name=many-{n}", body))
    assert statuses(made) == {(201, "")}
    assert statuses(at_once(lambda n: api("POST", f"/containers/many-{n}/start"))) == {(204, "")}
    listed = api.listed("/containers/json")
    assert len(listed) == COUNT
    addresses = {row["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] for row in listed}
    ports = {row["Ports"][0]["PublicPort"] for row in listed}
    assert (len(addresses), len(ports)) == (COUNT, COUNT)
    told: list[str] = []
    eventually(lambda: told.__setitem__(slice(None), auditor.differences()) is None and not told)
    assert statuses(at_once(lambda n: api("POST", f"/containers/many-{n}/stop?t=0"))) == {(204, "")}
    assert {row["State"] for row in api.listed("/containers/json?all=1")} == {"exited"}
    assert statuses(at_once(lambda n: api("DELETE", f"/containers/many-{n}"))) == {(204, "")}
    assert api.listed("/containers/json?all=1") == []
    eventually(lambda: auditor.differences() == [])


def test_all_in_one_command(daemon: DaemonProcess) -> None:
    cli, api, auditor = CommandLine("carrack", daemon), Api(daemon.socket), Auditor(daemon)
    for number in range(COUNT):
        api("POST", f"/containers/create?name=many-{number}", {"Image": "busybox", "Cmd": ["sleep", "1000"]})
    names = cli("ps", "-aq").stdout.split()
    assert len(names) == COUNT
    cli("start", *names)
    assert len(api.listed("/containers/json")) == COUNT
    removed = cli("rm", "-f", *names, timeout=120).stdout.split()
    assert sorted(removed) == sorted(names)
    assert cli("ps", "-aq").stdout == ""
    eventually(lambda: auditor.differences() == [])
