"""A daemon that ends and comes back finds everything as it was; and at a boot containers start as their policies and
their needs of each other say."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.faults.api import Api
from tests.faults.audit import Auditor

pytestmark = pytest.mark.root

COUNT = int(os.environ.get("CARRACK_TEST_RESTART", "60"))
"""Containers, of which two fifths run; 500 in the long run that the status page tells of."""
RUNNING = COUNT * 2 // 5
SERVES = "echo began $0; mkdir -p /www; echo page $0 >/www/index.html; exec httpd -f -p 80 -h /www"


class World:
    """A daemon with containers of all kinds, and what it says of them."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.api = Api(daemon.socket)
        self.cli = CommandLine("carrack", daemon)

    def create(self, name: str, *words: str, start: bool = False, config: Any = None, **host: Any) -> str:
        body = {"Image": "busybox", "Cmd": list(words), "HostConfig": host, **(config or {})}
        answer = self.api("POST", f"/containers/create?name={name}", body)
        assert answer.status == 201, answer
        if start:
            self.start(name)
        return str(answer.json()["Id"])

    def start(self, name: str) -> None:
        answer = self.api("POST", f"/containers/{name}/start")
        assert answer.status == 204, answer

    def inspect(self, name: str) -> Any:
        return self.api.listed(f"/containers/{name}/json")

    def state(self, name: str) -> tuple[str, int]:
        state = self.inspect(name)["State"]
        return state["Status"], state["ExitCode"]

    def settles(self, name: str, status: str, code: int) -> None:
        eventually(lambda: self.state(name) == (status, code))

    def everything(self) -> dict[str, Any]:
        """What must be the same after a restart, by the containers' names."""
        found = {}
        for row in self.api.listed("/containers/json?all=1"):
            c = self.inspect(row["Id"])
            state = {k: v for k, v in c["State"].items() if k != "Health"}
            network = c["NetworkSettings"]
            found[c["Name"]] = {
                "id": c["Id"],
                "state": state,
                "config": c["Config"],
                "host": c["HostConfig"],
                "networks": network["Networks"],
                "ports": network["Ports"],
                "mounts": c["Mounts"],
                "restarts": c["RestartCount"],
                "logs": self.api("GET", f"/containers/{row['Id']}/logs?stdout=1&timestamps=1").data,
                "row": {k: v for k, v in row.items() if k != "Status"},
            }
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = DaemonProcess(tmp_path)
    (tmp_path / "daemon.json").write_text('{"live-restore": true}')
    made.start()
    try:
        CommandLine("carrack", made)("image", "bootstrap", "busybox")
        yield World(made)
    finally:
        if made.died:
            made.start()
        left = CommandLine("carrack", made)("ps", "-aq", check=False).stdout.split()
        if left:
            CommandLine("carrack", made)("rm", "-f", *left, check=False, timeout=300)
        made.stop()


def populate(world: World) -> None:
    """COUNT containers: RUNNING of them serve a page on a port of the host, the others have ended or never ran."""

    def make(number: int) -> None:
        if number < RUNNING:
            ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
            world.create(f"c{number}", "sh", "-c", SERVES, str(number), start=True, PortBindings=ports)
        else:
            world.create(f"c{number}", "sh", "-c", f"echo out {number}; exit {number % 7}")
            if number % 2:
                world.start(f"c{number}")
                assert world.api("POST", f"/containers/c{number}/wait").json()["StatusCode"] == number % 7

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(make, range(COUNT)))


def page(row: Any) -> str:
    """What a container serves on its port of the host."""
    with socket.create_connection(("127.0.0.1", row["Ports"][0]["PublicPort"]), 10) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: sock.recv(4096), b"")).decode().rpartition("\n\n")[2].rpartition("\r\n")[2].strip()


@pytest.mark.census("dockerd --live-restore", "daemon.json live-restore", "daemon live-restore")
def test_a_restart_changes_nothing(world: World) -> None:
    populate(world)
    before = world.everything()
    assert len(before) == COUNT
    assert sum(one["state"]["Running"] for one in before.values()) == RUNNING
    for how in (world.daemon.crash, world.daemon.end):
        how()
        world.daemon.start()
        assert world.everything() == before
    rows = [row for row in world.api.listed("/containers/json") if row["Ports"]]
    assert {page(row) for row in rows} == {f"page {number}" for number in range(RUNNING)}
    ended_meanwhile(world, before)
    auditor = Auditor(world.daemon)
    eventually(lambda: auditor.differences() == [])


def ended_meanwhile(world: World, before: dict[str, Any]) -> None:
    """One that is killed and one that ends by itself while there is no daemon: their ends are found."""
    world.create("brief", "sh", "-c", "sleep 1; echo last words; exit 9", start=True)
    pids = before["/c0"]["state"]["Pid"], world.inspect("brief")["State"]["Pid"]
    world.daemon.crash()
    os.kill(pids[0], signal.SIGKILL)
    began = time.time()
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    world.daemon.start()
    assert world.state("c0") == ("exited", 137)
    assert world.state("brief") == ("exited", 9)
    assert world.inspect("brief")["State"]["FinishedAt"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began - 2))
    assert b"last words" in world.api("GET", "/containers/brief/logs?stdout=1").data
    assert world.api("POST", "/containers/brief/wait").json()["StatusCode"] == 9
    assert world.state("c1") == ("running", 0)
    assert world.cli("exec", "c1", "cat", "/www/index.html").stdout == "page 1\n"
    world.start("c0")
    assert world.state("c0")[0] == "running"


@pytest.mark.census(
    "restart no", "restart always", "restart unless-stopped", "run --restart", "HostConfig.RestartPolicy.Name"
)
def test_what_starts_with_the_daemon_after_a_clean_stop(world: World) -> None:
    (world.daemon.root / "daemon.json").write_text('{"live-restore": false, "shutdown-timeout": 1}')
    world.daemon.end()
    world.daemon.start()
    for name in ("no", "always", "unless-stopped", "on-failure"):
        for by_user in ("", "stopped-"):
            world.create(f"{by_user}{name}", "sleep", "1000", start=True, RestartPolicy={"Name": name})
            if by_user:
                assert world.api("POST", f"/containers/{by_user}{name}/stop?t=0").status == 204
    for name, code in (("failed", 3), ("fine", 0)):
        policy = {"Name": "on-failure", "MaximumRetryCount": 1}
        world.create(name, "sh", "-c", f"exit {code}", start=True, RestartPolicy=policy)
        world.settles(name, "exited", code)
    world.create("never-started", "sleep", "1000", RestartPolicy={"Name": "always"})
    world.daemon.end()
    world.daemon.start()
    running = {"always", "stopped-always", "unless-stopped", "on-failure", "stopped-on-failure"}
    eventually(lambda: {row["Names"][0][1:] for row in world.api.listed("/containers/json")} == running)
    assert world.state("no")[0] == "exited"
    assert world.state("never-started")[0] == "created"
    assert world.inspect("always")["RestartCount"] == 0
    assert [world.state(name) for name in ("failed", "fine")] == [("exited", 3), ("exited", 0)]
    assert world.inspect("failed")["RestartCount"] == 1


def reboot(world: World) -> None:
    """All processes end at once, and what the run root holds goes."""
    pids = [world.inspect(row["Id"])["State"]["Pid"] for row in world.api.listed("/containers/json")]
    shims = {int(Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0]) for pid in pids}
    world.daemon.crash()
    for pid in (*shims, *pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (*pids, *shims)))
    for path in world.daemon.root.glob("run/containers/*/shm"):
        subprocess.run(["umount", str(path)], check=False, capture_output=True)
    shutil.rmtree(world.daemon.root / "run" / "containers")


def test_at_boot_those_that_are_needed_come_first_and_what_is_missing_stops_no_other(world: World) -> None:
    always = {"RestartPolicy": {"Name": "always"}}
    world.create("base", "sleep", "1000", start=True, IpcMode="shareable", Binds=["kept:/data"], **always)
    names = ["base"]
    needs: dict[str, dict[str, Any]] = {
        "network": {"NetworkMode": "container:base"},
        "pid": {"PidMode": "container:network"},
        "ipc": {"IpcMode": "container:base"},
        "volumes": {"VolumesFrom": ["pid", "base"]},
    }
    for name, host in needs.items():
        world.create(name, "sleep", "1000", start=True, **host, **always)
        names.append(name)
    source = world.daemon.root / "source"
    source.mkdir()
    bind = {"Type": "bind", "Source": str(source), "Target": "/x"}
    world.create("gone", "sleep", "1000", start=True, Mounts=[bind], **always)
    world.create("on-gone", "sleep", "1000", start=True, NetworkMode="container:gone", **always)
    many = [f"many{number}" for number in range(20)]
    for name in many:
        world.create(name, "sleep", "1000", start=True, **always)
    reboot(world)
    source.rmdir()
    world.daemon.start()
    wanted = {*names, *many}
    eventually(lambda: {row["Names"][0][1:] for row in world.api.listed("/containers/json")} == wanted, 60)
    started = [world.inspect(name)["State"]["StartedAt"] for name in names]
    assert started[0] < min(started[1], started[3], started[4])
    assert started[1] < started[2]
    assert "source" in world.inspect("gone")["State"]["Error"]
    assert "cannot join network namespace" in world.inspect("on-gone")["State"]["Error"]


def test_the_log_of_a_policy_goes_on_over_a_restart_of_the_daemon(world: World) -> None:
    """One that fails again and again keeps doing so, with the pauses it had come to."""
    world.create("fails", "sh", "-c", "echo run; exit 3", start=True, RestartPolicy={"Name": "on-failure"})
    eventually(lambda: world.inspect("fails")["RestartCount"] >= 2)
    world.daemon.crash()
    world.daemon.start()
    count = world.inspect("fails")["RestartCount"]
    eventually(lambda: world.inspect("fails")["RestartCount"] > max(1, count))
    assert world.api("GET", "/containers/fails/logs?stdout=1").data.count(b"run\n") >= 4
    policy = json.loads(world.cli("inspect", "-f", "{{json .HostConfig.RestartPolicy}}", "fails").stdout)
    assert policy == {"Name": "on-failure", "MaximumRetryCount": 0}
