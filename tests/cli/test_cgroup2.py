"""On a machine with cgroup version 2 alone: limits, updates, freezing, killing, figures, devices refused by program.

The files are those of Documentation/admin-guide/cgroup-v2.rst. Such a machine is the guest of ``scripts/test v2``.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, created, eventually
from tests.cli.test_options_resources import block_device

UNIFIED = Path("/sys/fs/cgroup")
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not (UNIFIED / "cgroup.controllers").exists(), reason="needs cgroup version 2 (scripts/test v2)"
    ),
]

LIMITS = {  # options: file, what it says
    "--memory 64m": ("memory.max", "67108864"),
    "--memory-reservation 32m": ("memory.low", "33554432"),
    "--cpu-shares 2048": ("cpu.weight", "79"),
    "--cpu-period 50000 --cpu-quota 20000": ("cpu.max", "20000 50000"),
    "--cpuset-cpus 0": ("cpuset.cpus", "0"),
    "--cpuset-mems 0": ("cpuset.mems", "0"),
    "--pids-limit 33": ("pids.max", "33"),
}
UPDATES = {
    "--memory 128m --memory-swap 256m": ("memory.max", "134217728"),
    "--memory-reservation 40m": ("memory.low", "41943040"),
    "--cpu-shares 512": ("cpu.weight", "20"),
    "--cpu-period 40000 --cpu-quota 10000": ("cpu.max", "10000 40000"),
    "--cpuset-cpus 1": ("cpuset.cpus", "1"),
    "--pids-limit 44": ("pids.max", "44"),
}
THROTTLES = {
    "device-read-bps": "rbps",
    "device-write-bps": "wbps",
    "device-read-iops": "riops",
    "device-write-iops": "wiops",
}


def folder(docker: Cli, name: str) -> Path:
    """The container's cgroup."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
    line = next(line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.startswith("0::"))
    return UNIFIED / line.removeprefix("0::/")


def setting(docker: Cli, name: str, file: str) -> str:
    return (folder(docker, name) / file).read_text().strip()


def words(options: dict[str, tuple[str, str]]) -> list[str]:
    return [word for option in options for word in option.split()]


def disk() -> tuple[str, str]:
    found = block_device()
    if found is None:
        pytest.skip("the machine has no disk")
    return found


@pytest.mark.census("resource cgroup v2")
def test_limits_stand_in_the_cgroup(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "small", *words(LIMITS), image, "sleep", "100")
    assert {option: setting(docker, "small", file) for option, (file, _) in LIMITS.items()} == {
        option: text for option, (_, text) in LIMITS.items()
    }
    docker("run", "-d", "--name", "half", "--cpus", "0.5", image, "sleep", "100")
    assert setting(docker, "half", "cpu.max") == "50000 100000"
    assert setting(docker, "half", "memory.max") == "max"
    place = docker("inspect", "-f", "{{.Id}}", "half").stdout.strip()
    assert folder(docker, "half") == UNIFIED / docker.daemon.cgroup.lstrip("/") / place


@pytest.mark.docker_28  # 26.1 sends no limits of devices
def test_limits_of_a_disk(docker: Cli, image: str) -> None:
    path, number = disk()
    options = [f"--{option}={path}:{number}" for number, option in enumerate(THROTTLES, 1000)]
    docker("run", "-d", "--name", "slow", *options, image, "sleep", "100")
    line = setting(docker, "slow", "io.max").split()
    assert line[0] == number
    assert line[1:] == [f"{word}={value}" for value, word in enumerate(THROTTLES.values(), 1000)]


def test_swap_is_what_remains_above_the_memory(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "swaps", "-m", "64m", "--memory-swap", "96m", image, "sleep", "100")
    docker("run", "-d", "--name", "doubled", "-m", "64m", image, "sleep", "100")
    docker("run", "-d", "--name", "unlimited", "-m", "64m", "--memory-swap", "-1", image, "sleep", "100")
    found = [setting(docker, name, "memory.swap.max") for name in ("swaps", "doubled", "unlimited")]
    assert found == [str(32 << 20), str(64 << 20), "max"]


def test_out_of_memory(docker: Cli, image: str) -> None:
    eater = ["run", "--name", "eater", "--memory", "8m", "--memory-swap", "8m", image]
    done = docker(*eater, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", check=False)
    assert done.returncode == 137
    assert docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "eater").stdout == "true 137\n"
    past = ["--since", "1h", "--until", f"{time.time():.9f}", "--filter", "container=eater"]
    events = docker("events", *past, "--format", "{{.Action}}")
    assert {"oom", "die"} <= set(events.stdout.split())


def test_limits_of_processes_and_processors_hold(docker: Cli, image: str) -> None:
    forks = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait"
    done = docker("run", "--rm", "--pids-limit", "4", image, "sh", "-c", forks, check=False)
    assert "can't fork" in done.stderr
    assert docker("run", "--rm", "--cpuset-cpus", "1", image, "nproc").stdout == "1\n"
    docker("run", "-d", "--name", "busy", "--cpus", "0.1", image, "sh", "-c", "while :; do :; done")
    eventually(lambda: "nr_throttled 0\n" not in setting(docker, "busy", "cpu.stat") + "\n")
    status, answer = api(docker.daemon, "GET", "/containers/busy/stats?stream=false&one-shot=true")
    assert status == 200
    assert json.loads(answer)["cpu_stats"]["throttling_data"]["throttled_periods"] > 0


def test_updates_reach_what_runs(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "grows", "-m", "64m", image, "sleep", "100")
    docker("update", *words(UPDATES), "grows")
    assert {option: setting(docker, "grows", file) for option, (file, _) in UPDATES.items()} == {
        option: text for option, (_, text) in UPDATES.items()
    }
    assert setting(docker, "grows", "memory.swap.max") == str(128 << 20)
    docker("update", "--memory-swap", "-1", "--pids-limit", "-1", "grows")
    assert setting(docker, "grows", "pids.max") == setting(docker, "grows", "memory.swap.max") == "max"
    docker("restart", "-t", "0", "grows")
    assert setting(docker, "grows", "memory.max") == str(128 << 20)


def test_what_this_version_does_not_have_is_dropped_with_a_warning(docker: Cli, image: str) -> None:
    for options, warning in (
        (
            ["--memory-swappiness", "10"],
            "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness",
        ),
        (["--oom-kill-disable", "-m", "64m"], "OomKillDisable. OomKillDisable discarded."),
    ):
        done = docker("run", "--rm", *options, image, "echo", "runs")
        assert f"WARNING: Your kernel does not support {warning}" in done.stderr
        assert done.stdout == "runs\n"
    real = docker("run", "--rm", "--cpu-rt-runtime", "1000", "--cpu-rt-period", "10000", image, "true", check=False)
    assert real.returncode == 125
    assert "kernel does not support CPU real-time scheduler" in real.stderr


@pytest.mark.census("security-opt writable-cgroups")
def test_cgroups_of_its_own_that_it_may_write(docker: Cli, image: str) -> None:
    script = "mkdir /sys/fs/cgroup/x && echo 0 > /sys/fs/cgroup/x/cgroup.procs && cat /proc/self/cgroup"
    done = docker("run", "--rm", "--security-opt", "writable-cgroups=true", image, "sh", "-c", script)
    assert done.stdout == "0::/x\n"


def test_the_container_sees_its_own_cgroup_only(docker: Cli, image: str) -> None:
    script = "cat /proc/self/cgroup; cat /sys/fs/cgroup/memory.max; mkdir /sys/fs/cgroup/x"
    done = docker("run", "--rm", "-m", "64m", image, "sh", "-c", script, check=False)
    assert done.stdout == f"0::/\n{64 << 20}\n"
    assert "Read-only file system" in done.stderr
    shared = docker("run", "--rm", "--cgroupns", "host", image, "cat", "/proc/self/cgroup").stdout
    assert shared.startswith(f"0::{docker.daemon.cgroup}/")
    script = "mkdir /sys/fs/cgroup/x && rmdir /sys/fs/cgroup/x; cat /proc/self/cgroup"
    most = docker("run", "--rm", "--privileged", "--cgroupns", "private", image, "sh", "-c", script)
    assert most.stdout == "0::/\n"
    docker("run", "-d", "--name", "one", image, "sleep", "100")
    assert docker("exec", "one", "cat", "/proc/self/cgroup").stdout == "0::/\n"


def test_a_container_stays_in_the_cgroup_that_its_slot_was_made_in(docker: Cli, image: str) -> None:
    """Its id is that of a slot which waited: moving the process would cost a grace period of the kernel."""
    parent = UNIFIED / docker.daemon.cgroup.lstrip("/")

    def waiting() -> set[str]:
        return {path.name for path in parent.iterdir() if path.is_dir()}

    for number in range(5):  # one that waits may have been promised to a container that is gone
        eventually(lambda: len(waiting() - {*docker("ps", "-q", "--no-trunc").stdout.split()}) >= 2)
        before = waiting()
        if docker("run", "-d", "--name", f"n{number}", image, "sleep", "100").stdout.strip() in before:
            return
    raise AssertionError("no container was put where a slot waited")


def test_pause(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "stops", image, "sleep", "100")
    docker("pause", "stops")
    assert setting(docker, "stops", "cgroup.freeze") == "1"
    assert "frozen 1" in setting(docker, "stops", "cgroup.events")
    assert "(Paused)" in docker("ps", "--filter", "name=stops", "--format", "{{.Status}}").stdout
    refused = docker("exec", "stops", "true", check=False)
    assert "is paused" in refused.stderr
    docker("unpause", "stops")
    assert "frozen 0" in setting(docker, "stops", "cgroup.events")
    docker("exec", "stops", "true")
    docker("pause", "stops")
    docker("rm", "-f", "stops")


def test_all_of_a_container_ends_with_it(docker: Cli, image: str) -> None:
    """Also where no process namespace of its own sees to that: cgroup.kill does."""
    script = "for i in 1 2 3; do setsid sleep 100 & done; wait"
    docker("run", "-d", "--name", "many", "--pid", "host", image, "sh", "-c", script)
    place = folder(docker, "many")
    eventually(lambda: len((place / "cgroup.procs").read_text().split()) == 4)
    pids = (place / "cgroup.procs").read_text().split()
    docker("kill", "many")
    docker("wait", "many")
    eventually(lambda: not place.exists())
    assert not [pid for pid in pids if Path("/proc", pid).exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text()]


def test_figures(docker: Cli, image: str) -> None:
    docker(
        "run",
        "-d",
        "--name",
        "seen",
        "-m",
        "64m",
        "--pids-limit",
        "50",
        image,
        "sh",
        "-c",
        "sleep 100 & sleep 100 & wait",
    )
    eventually(lambda: len(docker("top", "seen").stdout.splitlines()) == 4)
    line = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", "seen").stdout)
    assert line["PIDs"] == "3"
    assert line["MemUsage"].endswith("/ 64MiB")
    assert not line["MemUsage"].startswith("0B")
    status, answer = api(docker.daemon, "GET", "/containers/seen/stats?stream=false&one-shot=true")
    assert status == 200
    document = json.loads(answer)
    assert document["pids_stats"] == {"current": 3, "limit": 50}
    assert document["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert "percpu_usage" not in document["cpu_stats"]["cpu_usage"]
    assert {"anon", "file", "inactive_file", "pgfault"} <= set(document["memory_stats"]["stats"])
    assert "max_usage" not in document["memory_stats"]


def test_info(docker: Cli) -> None:
    info = json.loads(docker("info", "--format", "{{json .}}").stdout)
    assert info["CgroupVersion"] == "2"
    assert "name=cgroupns" in info["SecurityOptions"]
    known = ("MemoryLimit", "SwapLimit", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit", "OomKillDisable")
    assert [info[name] for name in known] == [True] * 6 + [False]


def test_the_disk_of_the_host_is_out_of_reach(docker: Cli, image: str) -> None:
    """Root in a container may make the node (it has CAP_MKNOD), and the program in the kernel refuses to open it."""
    path, number = disk()
    node = f"mknod /disk b {number.replace(':', ' ')}"
    read, write = "dd if=/disk of=/dev/null bs=512 count=1", "dd if=/dev/zero of=/disk bs=512 seek=9 count=0"
    script = f"{node} && echo made; {read}; {write}; (: < /disk); (: > /disk); mkdir -p /mnt; mount -t ext4 /disk /mnt"
    done = docker("run", "--name", "hostile", "--cap-add", "SYS_ADMIN", image, "sh", "-c", script, check=False)
    assert done.stdout == "made\n"
    assert done.stderr.count("Operation not permitted") + done.stderr.count("ermission denied") == 5, done.stderr
    docker("run", "-d", "--name", "later", image, "sleep", "100")
    for change in ([], ["update", "-m", "64m", "--memory-swap", "64m", "later"], ["restart", "-t", "0", "later"]):
        if change:
            docker(*change)
        script = f"rm -f /disk; {node} && {read}"
        assert "Operation not permitted" in docker("exec", "later", "sh", "-c", script, check=False).stderr, change
    readable = docker(
        "run", "--rm", "--device", f"{path}:/disk:r", image, "sh", "-c", f"{read}; : >> /disk", check=False
    )
    assert "1+0 records in" in readable.stderr
    assert "can't create /disk: Operation not permitted" in readable.stderr
    most = docker("run", "--rm", "--privileged", image, "sh", "-c", f"{node}; {read}")
    assert "1+0 records in" in most.stderr


def test_a_limit_through_the_api_alone(docker: Cli, image: str) -> None:
    """Zero is no limit, here as in Docker."""
    container = created(docker.daemon, image, ["sleep", "100"], {"Memory": 0, "PidsLimit": 0, "CpuShares": 0})
    docker("start", container)
    assert setting(docker, container, "memory.max") == setting(docker, container, "pids.max") == "max"
    assert setting(docker, container, "cpu.weight") == "100"
    assert os.path.basename(folder(docker, container)) == container


def test_a_container_that_hands_its_controllers_down_is_joined_below(docker: Cli, image: str) -> None:
    """As an engine or init inside does: its own cgroup holds no process from then on."""
    script = """
        mkdir /sys/fs/cgroup/init && echo 1 >/sys/fs/cgroup/init/cgroup.procs &&
        echo +pids >/sys/fs/cgroup/cgroup.subtree_control && echo ready && exec sleep 600
    """
    words = ["--privileged", "--cgroupns", "private", "--pids-limit", "50"]
    docker("run", "-d", "--name", "parent", *words, image, "sh", "-c", script)
    eventually(lambda: docker("logs", "parent").stdout == "ready\n", 60)
    said = docker("exec", "parent", "tail", "-n", "1", "/proc/self/cgroup").stdout
    assert said == "0::/init\n"
    assert docker("exec", "-t", "parent", "tail", "-n", "1", "/proc/self/cgroup").stdout.strip() == "0::/init"
    assert "sleep 600" in docker("top", "parent").stdout
