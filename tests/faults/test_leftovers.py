"""What many containers leave behind (nothing), and who dies first when memory is short (the workload)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.faults.api import Api

pytestmark = pytest.mark.root

CYCLES = int(os.environ.get("CARRACK_TEST_CYCLES", "60"))
"""Containers made and removed; `python -m bench.cycles` makes 10,000."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path, "--slots", "1")
    made.start()
    try:
        CommandLine("carrack", made)("image", "bootstrap", "busybox")
        yield made
    finally:
        left = CommandLine("carrack", made)("ps", "-aq", check=False).stdout.split()
        if left:
            CommandLine("carrack", made)("rm", "-f", *left, check=False)
        made.stop()


def pid_of(daemon: DaemonProcess) -> int:
    return int((daemon.root / "pid").read_text())


def counted(daemon: DaemonProcess) -> dict[str, int]:
    """All that could stay of a container, of this daemon alone."""
    pid = pid_of(daemon)
    links = _links(pid)
    cgroups = [folder for tree in Path("/sys/fs/cgroup").iterdir() for folder in (tree / daemon.cgroup[1:]).glob("**/")]
    table = subprocess.run(["nft", "list", "table", "ip", daemon.table], capture_output=True, text=True, check=False)
    bridge = Path(f"/sys/class/net/{daemon.bridge}/brif")
    return {
        "descriptors": len(links),
        "inotify": sum("inotify" in link for link in links),
        "sockets": sum(link.startswith("socket:") for link in links),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "mounts": Path(f"/proc/{pid}/mountinfo").read_text().count(str(daemon.root)),
        "cables": len(os.listdir(bridge)) if bridge.exists() else 0,
        "cgroups": len(cgroups),
        "rules": table.stdout.count("\n"),
        "children": sum(1 for other in _children() if other == pid),
        "directories": sum(len(list((daemon.root / path).iterdir())) for path in ("data/containers", "run/containers")),
        "upper": len(list((daemon.root / "data").glob("layers/*/containers/*"))),
        "volumes": len([path for path in (daemon.root / "data" / "volumes").iterdir() if path.is_dir()]),
    }


def _links(pid: int) -> list[str]:
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(entry.path))
        except OSError:
            continue
    return found


def _children() -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                yield int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue


def memory(daemon: DaemonProcess) -> int:
    """KiB that the daemon's process holds for itself alone."""
    text = Path(f"/proc/{pid_of(daemon)}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


def cycle(api: Api, number: int) -> None:
    """One container's whole life, with something of each kind."""
    host: dict[str, Any] = {
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        "Tmpfs": {"/t": ""},
        "IpcMode": ("private", "shareable")[number % 2],
    }
    body = {"Image": "busybox", "Cmd": ["sh", "-c", "echo x; read y"], "OpenStdin": True, "HostConfig": host}
    identity = api("POST", "/containers/create", {**body, "Volumes": {"/v": {}}}).json()["Id"]
    assert api("POST", f"/containers/{identity}/start").status == 204
    made = api("POST", f"/containers/{identity}/exec", {"Cmd": ["true"], "AttachStdout": True}).json()["Id"]
    assert api.stream("POST", f"/exec/{made}/start", {"Detach": False}).known
    assert api("GET", f"/containers/{identity}/stats?stream=0&one-shot=1").status == 200
    assert api.stream("GET", f"/containers/{identity}/logs?stdout=1&follow=1", seconds=0.05).known
    assert api("DELETE", f"/containers/{identity}?force=1&v=1").status == 204


def test_many_lives_leave_nothing(daemon: DaemonProcess) -> None:
    api = Api(daemon.socket)
    for number in range(8):
        cycle(api, number)
    time.sleep(1)
    before, held = counted(daemon), memory(daemon)
    for number in range(CYCLES):
        cycle(api, number)
    # Of a parked slot, which may be in the making in either look: its cable, cgroups and descriptors.
    room = {"cables": 1, "cgroups": 16, "descriptors": 6, "threads": 3, "sockets": 3, "children": 1, "mounts": 1}

    def grown() -> dict[str, int]:
        now = counted(daemon)
        return {name: now[name] - before[name] for name in now if now[name] - before[name] > room.get(name, 0)}

    eventually(lambda: not grown())
    assert memory(daemon) - held < 6 * 1024, "KiB"


@pytest.mark.census("event container oom", "GET /containers/{id}/json → State.OOMKilled")
def test_a_container_without_memory_dies_alone(daemon: DaemonProcess) -> None:
    cli, api = CommandLine("carrack", daemon), Api(daemon.socket)
    cli("run", "-d", "--name", "bystander", "busybox", "sleep", "1000")
    eats = "x=$(head -c 1000000 /dev/zero | tr '\\0' a); while :; do x=$x$x; done"
    code = cli("run", "--name", "eats", "-m", "16m", "--memory-swap", "16m", "busybox", "sh", "-c", eats, check=False)
    assert code.returncode == 137
    state = json.loads(cli("inspect", "-f", "{{json .State}}", "eats").stdout)
    assert (state["OOMKilled"], state["ExitCode"], state["Status"]) == (True, 137, "exited")
    past = cli(
        "events", "--since", "0", "--until", "0s", "--filter", "event=oom", "--format", "{{.Actor.Attributes.name}}"
    )
    assert past.stdout == "eats\n"
    assert api.listed("/containers/bystander/json")["State"]["Running"]


def score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_the_kernel_prefers_the_workload_to_the_shim_and_the_daemon(tmp_path: Path) -> None:
    """As the service unit starts it (OOMScoreAdjust=-500), where we may lower scores; else as it is, all alike."""
    made = DaemonProcess(tmp_path, "--slots", "0")
    lowered = _may_lower() and shutil.which("choom") is not None
    if lowered:
        made.wrapper = ["choom", "-n", "-500", "--"]
    made.start()
    cli = CommandLine("carrack", made)
    try:
        cli("image", "bootstrap", "busybox")
        cli("run", "-d", "--name", "usual", "busybox", "sleep", "1000")
        cli("run", "-d", "--name", "first", "--oom-score-adj", "700", "busybox", "sleep", "1000")
        usual, first = (int(cli("inspect", "-f", "{{.State.Pid}}", name).stdout) for name in ("usual", "first"))
        shim = int(Path(f"/proc/{usual}/status").read_text().split("PPid:")[1].split()[0])
        assert (score(usual), score(first)) == (0, 700)
        assert score(pid_of(made)) == score(shim) == (-500 if lowered else 0)
        # A shim that is killed all the same takes its own container along and no other.
        os.kill(shim, signal.SIGKILL)
        eventually(lambda: cli("inspect", "-f", "{{.State.Status}}", "usual").stdout == "exited\n")
        assert "shim was lost" in cli("inspect", "-f", "{{.State.Error}}", "usual").stdout
        assert cli("inspect", "-f", "{{.State.Status}}", "first").stdout == "running\n"
    finally:
        cli("rm", "-f", "usual", "first", check=False)
        made.stop()


def _may_lower() -> bool:
    held = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    return bool(held >> 24 & 1)  # CAP_SYS_RESOURCE
