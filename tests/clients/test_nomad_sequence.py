"""The calls of Nomad's docker driver: an allocation's pause container, a task in its network, signals, recovery."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import quote

import pytest
from tests.cli.running import DaemonProcess, eventually
from tests.clients.wire import Wire, all_of, apart, execute

pytestmark = pytest.mark.root
_ALLOCATION = "com.hashicorp.nomad.alloc_id"


@pytest.fixture
def wire(daemon: DaemonProcess, busybox: str) -> Wire:
    return Wire(daemon, "1.43")


def _pause(wire: Wire) -> str:
    """The container that holds an allocation's network, with its ports."""
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    pause = wire.create(
        "nomad_init_1234",
        {"PortBindings": ports, "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}},
        Image="busybox",
        Cmd=["sleep", "600"],
        Hostname="alloc",
        ExposedPorts={"80/tcp": {}},
        Labels={_ALLOCATION: "1234"},
    )
    wire.ask("POST", f"/containers/{pause}/start", status=204)
    return pause


def _task(wire: Wire, pause: str, folder: Any, *words: str) -> str:
    host = {
        "NetworkMode": f"container:{pause}",
        "Binds": [f"{folder}/alloc:/alloc:rw", f"{folder}/local:/local", f"{folder}/secrets:/secrets:ro"],
        "Memory": 64 << 20,
        "MemoryReservation": 32 << 20,
        "MemorySwap": 64 << 20,
        "MemorySwappiness": 0,
        "CpuShares": 100,
        "CpusetCpus": "0",
        "PidsLimit": 50,
        "Ulimits": [{"Name": "nofile", "Soft": 123, "Hard": 456}],
        "CapDrop": ["ALL"],
        "CapAdd": ["CHOWN", "KILL"],
        "GroupAdd": ["50"],
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "2", "max-size": "2m"}},
        "Mounts": [{"Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}}],
        "ReadonlyRootfs": True,
        "Runtime": "",
    }
    return wire.create(
        "task-1234",
        host,
        Image="busybox",
        Cmd=list(words),
        Env=["NOMAD_TASK_NAME=task", "NOMAD_ALLOC_ID=1234"],
        Labels={_ALLOCATION: "1234", "com.hashicorp.nomad.task_name": "task"},
        Healthcheck={"Test": ["NONE"]},
        StopSignal="SIGUSR1",
        StopTimeout=5,
    )


@pytest.fixture
def folder(tmp_path: Any) -> Any:
    for name in ("alloc", "local", "secrets"):
        (tmp_path / name).mkdir()
    (tmp_path / "secrets" / "token").write_text("secret\n")
    return tmp_path


@pytest.mark.census(
    "HostConfig.NetworkMode",
    "HostConfig.MemoryReservation",
    "HostConfig.MemorySwap",
    "HostConfig.CpusetCpus",
    "HostConfig.PidsLimit",
    "HostConfig.Ulimits",
    "HostConfig.GroupAdd",
    "HostConfig.LogConfig",
    "Config.StopSignal",
    "Config.StopTimeout",
    "POST /containers/{id}/kill",
)
def test_a_task_runs_in_its_allocation(wire: Wire, folder: Any) -> None:
    script = "trap 'echo reload' HUP; trap 'echo bye; exit 9' USR1; echo up; while :; do sleep 0.05; done"
    task = _task(wire, _pause(wire), folder, "sh", "-c", script)
    wire.ask("POST", f"/containers/{task}/start", status=204)
    seen = execute(
        wire, task, "sh", "-c", "hostname; cat /secrets/token; id -G; ulimit -n; touch /secrets/x /x /alloc/y"
    )
    assert seen[1] == "alloc\nsecret\n0 50\n123\n"
    assert seen[0] == 1
    assert seen[2].count("Read-only file system") == 2
    assert (folder / "alloc" / "y").exists()
    assert execute(wire, task, "sh", "-c", "df -k /scratch | awk 'NR>1{print $2}'; grep CapEff /proc/1/status")[1] == (
        "1024\nCapEff:\t0000000000000021\n"
    )
    # The log is followed while signals come.
    lines: list[str] = []

    def follow() -> None:
        for piece in wire.stream(f"/containers/{task}/logs?follow=1&stdout=1&stderr=1&since=0"):
            lines.extend(apart(piece)[0].splitlines())

    follower = threading.Thread(target=follow)
    follower.start()
    eventually(lambda: lines == ["up"])
    wire.ask("POST", f"/containers/{task}/kill?signal=SIGHUP", status=204)
    eventually(lambda: lines == ["up", "reload"])
    wire.ask("POST", f"/containers/{task}/stop", status=204)  # its own signal, its own patience
    follower.join(20)
    assert lines == ["up", "reload", "bye"]
    assert wire.ask("POST", f"/containers/{task}/wait") == {"StatusCode": 9}
    state = wire.ask("GET", f"/containers/{task}/json")["State"]
    assert (state["ExitCode"], state["OOMKilled"], state["Status"]) == (9, False, "exited")
    wire.ask("DELETE", f"/containers/{task}?force=1&v=1", status=204)


@pytest.mark.census("GET /containers/{id}/stats", "HostConfig.PortBindings")
def test_its_figures_are_streamed_and_its_port_is_the_allocations(wire: Wire, folder: Any) -> None:
    import urllib.request

    (folder / "local" / "index.html").write_text("from the task\n")
    pause = _pause(wire)
    task = _task(wire, pause, folder, "httpd", "-f", "-p", "80", "-h", "/local")
    wire.ask("POST", f"/containers/{task}/start", status=204)
    figures = next(wire.events(f"/containers/{task}/stats?stream=1"))
    assert figures["memory_stats"]["limit"] == 64 << 20
    assert {"cpu_usage", "system_cpu_usage", "throttling_data"} <= figures["cpu_stats"].keys()
    port = wire.ask("GET", f"/containers/{pause}/json")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]

    def served() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                return bool(answer.read() == b"from the task\n")
        except OSError:
            return False

    eventually(served)


@pytest.mark.census("POST /exec/{id}/resize", "POST /exec/{id}/start")
def test_alloc_exec_on_a_terminal(wire: Wire, folder: Any) -> None:
    task = _task(wire, _pause(wire), folder, "sleep", "600")
    wire.ask("POST", f"/containers/{task}/start", status=204)
    body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": True, "Cmd": ["sh"]}
    made = wire.ask("POST", f"/containers/{task}/exec", body, status=201)["Id"]
    stream = wire.hijack(f"/exec/{made}/start", {"Tty": True, "Detach": False})
    wire.ask("POST", f"/exec/{made}/resize?h=25&w=95")
    stream.sendall(b"stty size; exit 6\n")
    assert b"25 95" in all_of(stream)
    assert wire.ask("GET", f"/exec/{made}/json")["ExitCode"] == 6


@pytest.mark.census("GET /containers/json", "filter /containers/json label")
def test_a_restarted_client_finds_its_tasks(wire: Wire, folder: Any, daemon: DaemonProcess) -> None:
    """The agent and the engine go away and come back; what ran meanwhile is found and waited for."""
    pause = _pause(wire)
    task = _task(wire, pause, folder, "sh", "-c", "until test -e /alloc/end; do sleep 0.05; done; exit 4")
    wire.ask("POST", f"/containers/{task}/start", status=204)
    daemon.crash()
    daemon.start()
    filters = quote(json.dumps({"label": {_ALLOCATION: True}}))
    found = {one["Id"]: one["State"] for one in wire.ask("GET", f"/containers/json?all=1&filters={filters}")}
    assert found == {pause: "running", task: "running"}
    (folder / "alloc" / "end").touch()
    assert wire.ask("POST", f"/containers/{task}/wait")["StatusCode"] == 4


@pytest.mark.census("event container oom", "HostConfig.Memory")
def test_a_task_that_eats_too_much_is_told_of(wire: Wire, folder: Any) -> None:
    task = _task(wire, _pause(wire), folder, "sh", "-c", "x=x; while :; do x=$x$x; done")
    wire.ask("POST", f"/containers/{task}/start", status=204)
    assert wire.ask("POST", f"/containers/{task}/wait")["StatusCode"] == 137
    assert wire.ask("GET", f"/containers/{task}/json")["State"]["OOMKilled"] is True
