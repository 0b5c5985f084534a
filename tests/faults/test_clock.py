"""The wall clock jumps by ten years, there and back: nothing that waits is early or late, and nothing is lost.

The clock of the machine is not touched. The daemon runs with a clock of its own, whose distance from the machine's is
in a file that the test writes: what asks for the time of day (`time.time`, `time.time_ns`) is moved, the
monotonic clocks are not, as with clock_settime(2). Zygote and shims keep the machine's clock, so that the daemon's and
theirs differ by ten years besides.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.faults.api import Api

pytestmark = pytest.mark.root

YEARS = 10 * 365 * 86400
_PROGRAM = """
import sys, time
path, really, really_ns = {path!r}, time.time, time.time_ns
def offset():
    with open(path) as file:
        return int(file.read() or 0)
time.time = lambda: really() + offset()
time.time_ns = lambda: really_ns() + offset() * 10**9
from carrack.daemon.main import main
sys.exit(main())
"""


class Jumping(DaemonProcess):
    """A daemon whose clock can be set."""

    def __init__(self, root: Path, *options: str) -> None:
        super().__init__(root, *options)
        self.clock = root / "clock"
        self.set(0)

    def set(self, seconds: int) -> None:
        made = self.clock.with_suffix(".new")
        made.write_text(str(seconds))
        made.rename(self.clock)

    @property
    def program(self) -> str:
        return _PROGRAM.format(path=str(self.clock))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Jumping]:
    made = Jumping(tmp_path, "--live-restore", "--slots", "1")
    made.start()
    try:
        CommandLine("carrack", made)("image", "bootstrap", "busybox")
        yield made
    finally:
        made.set(0)
        left = CommandLine("carrack", made)("ps", "-aq", check=False).stdout.split()
        if left:
            CommandLine("carrack", made)("rm", "-f", *left, check=False)
        made.stop()


def run(api: Api, name: str, words: list[str], **more: Any) -> None:
    body = {"Image": "busybox", "Cmd": words, **more}
    assert api("POST", f"/containers/create?name={name}", body).status == 201
    assert api("POST", f"/containers/{name}/start").status == 204


def state(api: Api, name: str) -> Any:
    return api.listed(f"/containers/{name}/json")["State"]


@pytest.mark.parametrize("years", [YEARS, -YEARS], ids=["forward", "back"])
def test_nothing_that_waits_is_early_or_late(daemon: Jumping, years: int) -> None:
    api = Api(daemon.socket)
    check = {"Test": ["CMD", "test", "-e", "/ready"], "Interval": 10**8, "StartPeriod": 3600 * 10**9, "Retries": 1}
    run(api, "young", ["sleep", "1000"], Healthcheck=check | {"StartInterval": 10**8})
    run(api, "deaf", ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    run(api, "fails", ["false"], HostConfig={"RestartPolicy": {"Name": "always"}})
    run(api, "waited", ["sleep", "1000"])
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(api("POST", "/containers/waited/wait").json()))
    stopping = threading.Thread(target=lambda: answers.append(api("POST", "/containers/deaf/stop?t=3").status))
    waiting.start()
    eventually(lambda: api.listed("/containers/fails/json")["RestartCount"] >= 3)
    began = time.monotonic()
    stopping.start()
    daemon.set(years)
    # The pauses between restarts go on growing (to 0.8, 1.6, 3.2 s), as if no time of day there were.
    count = api.listed("/containers/fails/json")["RestartCount"]
    time.sleep(1.5)
    assert api.listed("/containers/fails/json")["RestartCount"] - count <= 2
    assert state(api, "young")["Health"]["Status"] == "starting", "its start period is an hour"
    assert not answers or time.monotonic() - began >= 3
    stopping.join(30)
    assert time.monotonic() - began >= 3
    assert answers == [204]
    assert state(api, "deaf")["ExitCode"] == 137
    assert api("POST", "/containers/young/exec", {"Cmd": ["touch", "/ready"]}).status == 201
    CommandLine("carrack", daemon)("exec", "young", "touch", "/ready")
    eventually(lambda: state(api, "young")["Health"]["Status"] == "healthy")
    assert api("POST", "/containers/waited/kill").status == 204
    waiting.join(30)
    assert answers[1:] == [{"StatusCode": 137}]


@pytest.mark.parametrize("years", [YEARS, -YEARS], ids=["forward", "back"])
def test_states_logs_and_events_stand(daemon: Jumping, years: int) -> None:
    api, cli = Api(daemon.socket), CommandLine("carrack", daemon)
    run(api, "before", ["sh", "-c", "echo one; sleep 1000"])
    before = api.listed("/containers/before/json")
    daemon.set(years)
    run(api, "after", ["sh", "-c", "echo two; exit 4"])
    assert api("POST", "/containers/after/wait").json()["StatusCode"] == 4
    assert api.listed("/containers/before/json") == before
    names = cli("ps", "-a", "--format", "{{.Names}} {{.Status}}").stdout.splitlines()
    assert {line.split()[0] for line in names} == {"before", "after"}
    assert cli("logs", "before").stdout == "one\n"
    assert cli("logs", "--tail", "1", "after").stdout == "two\n"
    # Events are told by the clock of their time: those of both sides of the jump, in their order.
    told = events(daemon, since=1, last=("die", "after"))
    starts = [event["Actor"]["Attributes"]["name"] for event in told if event["Action"] == "start"]
    assert starts == ["before", "after"]
    after = [event for event in told if event["Actor"]["Attributes"].get("name") == "after"]
    assert abs(after[0]["time"] - (time.time() + years)) < 600
    for how in (daemon.crash, daemon.end):
        how()
        daemon.start()
        again = api.listed("/containers/before/json")
        assert (again["State"], again["Id"]) == (before["State"], before["Id"])
        assert state(api, "after")["ExitCode"] == 4
    daemon.set(0)
    assert cli("exec", "before", "echo", "still").stdout == "still\n"
    cli("restart", "-t", "0", "before")
    cli("start", "after")
    assert cli("run", "--rm", "busybox", "echo", "works").stdout == "works\n"


def events(daemon: Jumping, since: int, last: tuple[str, str]) -> list[Any]:
    """The events since then up to an action of a container: as there is no `until` that suits both clocks."""
    words = [*CommandLine("carrack", daemon).program, "events", "--since", str(since), "--format", "{{json .}}"]
    told: list[Any] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=daemon.environment) as listening:
        assert listening.stdout is not None
        impatient = threading.Timer(30, listening.terminate)
        impatient.start()
        try:
            for line in listening.stdout:
                told.append(json.loads(line))
                if (told[-1]["Action"], told[-1]["Actor"]["Attributes"].get("name")) == last:
                    break
        finally:
            impatient.cancel()
            listening.terminate()
    return told


def test_the_clock_of_the_test_is_the_daemons(daemon: Jumping) -> None:
    daemon.set(YEARS)
    shown = CommandLine("carrack", daemon)("info", "--format", "{{.SystemTime}}").stdout
    assert int(shown[:4]) == time.gmtime(time.time() + YEARS).tm_year
