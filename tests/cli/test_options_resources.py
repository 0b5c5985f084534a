"""Limits: what the options say stands in the container's cgroup or in its process, and updates change it there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.cli.running import Cli, DaemonProcess, api, created

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="reads the files of cgroup v1"),
]

LIMITS = [  # options, controller, file, what it says
    ("--memory 64m", "memory", "memory.limit_in_bytes", "67108864"),
    ("--memory-swap 96m", "memory", "memory.memsw.limit_in_bytes", "100663296"),
    ("--memory-reservation 32m", "memory", "memory.soft_limit_in_bytes", "33554432"),
    ("--memory-swappiness 10", "memory", "memory.swappiness", "10"),
    ("--oom-kill-disable", "memory", "memory.oom_control", "oom_kill_disable 1"),
    ("--cpu-shares 300", "cpu", "cpu.shares", "300"),
    ("--cpu-period 50000", "cpu", "cpu.cfs_period_us", "50000"),
    ("--cpu-quota 20000", "cpu", "cpu.cfs_quota_us", "20000"),
    ("--cpuset-cpus 0", "cpuset", "cpuset.cpus", "0"),
    ("--cpuset-mems 0", "cpuset", "cpuset.mems", "0"),
    ("--pids-limit 33", "pids", "pids.max", "33"),
    ("--blkio-weight 300", "blkio", "blkio.bfq.weight", "300"),
    ("--device-read-bps {disk}:1mb", "blkio", "blkio.throttle.read_bps_device", "{number} 1048576"),
    ("--device-write-bps {disk}:2mb", "blkio", "blkio.throttle.write_bps_device", "{number} 2097152"),
    ("--device-read-iops {disk}:30", "blkio", "blkio.throttle.read_iops_device", "{number} 30"),
    ("--device-write-iops {disk}:40", "blkio", "blkio.throttle.write_iops_device", "{number} 40"),
]
UPDATES = [
    ("--memory 128m", "memory", "memory.limit_in_bytes", "134217728"),
    ("--memory-swap 256m", "memory", "memory.memsw.limit_in_bytes", "268435456"),
    ("--memory-reservation 40m", "memory", "memory.soft_limit_in_bytes", "41943040"),
    ("--cpu-shares 400", "cpu", "cpu.shares", "400"),
    ("--cpu-period 40000", "cpu", "cpu.cfs_period_us", "40000"),
    ("--cpu-quota 10000", "cpu", "cpu.cfs_quota_us", "10000"),
    ("--cpuset-cpus 0", "cpuset", "cpuset.cpus", "0"),
    ("--cpuset-mems 0", "cpuset", "cpuset.mems", "0"),
    ("--pids-limit 44", "pids", "pids.max", "44"),
    ("--blkio-weight 400", "blkio", "blkio.bfq.weight", "400"),
]
ULIMITS = {  # name: (soft, hard) and the kernel's name of it in /proc/PID/limits
    "as": (1 << 31, 1 << 31, "Max address space"),
    "core": (0, 0, "Max core file size"),
    "cpu": (100, 200, "Max cpu time"),
    "data": (1 << 30, 1 << 30, "Max data size"),
    "fsize": (1 << 20, 1 << 21, "Max file size"),
    "locks": (10, 20, "Max file locks"),
    "memlock": (8192, 8192, "Max locked memory"),
    "msgqueue": (1000, 1000, "Max msgqueue size"),
    "nice": (0, 0, "Max nice priority"),
    "nofile": (100, 200, "Max open files"),
    "nproc": (500, 600, "Max processes"),
    "rss": (1 << 30, 1 << 30, "Max resident set"),
    "rtprio": (0, 0, "Max realtime priority"),
    "rttime": (1000000, 1000000, "Max realtime timeout"),
    "sigpending": (50, 50, "Max pending signals"),
    "stack": (1 << 20, 1 << 20, "Max stack size"),
}


def setting(docker: Cli, name: str, controller: str, file: str) -> str:
    """The content of a file of the container's cgroup."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    path = next(path for _, controllers, path in lines if controller in controllers.split(","))
    return (Path("/sys/fs/cgroup", controller + path) / file).read_text().strip()


def block_device() -> tuple[str, str] | None:
    """A whole disk that may be throttled, and its numbers."""
    for name in sorted(os.listdir("/sys/block"), reverse=True):
        path = f"/dev/{name}"
        if (
            not name.startswith(("loop", "ram", "zram"))
            and os.path.exists(path)
            and stat.S_ISBLK(os.stat(path).st_mode)
        ):
            return path, Path(f"/sys/block/{name}/dev").read_text().strip()
    return None


def rows(docker: Cli, image: str, table: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """The rows of a table that this kernel has files for, with a disk of this machine put in."""
    docker("run", "-d", "--name", "probe", image, "sleep", "100")
    disk = block_device()
    found = []
    for words, controller, file, text in table:
        try:
            setting(docker, "probe", controller, file)
        except OSError:
            continue
        if "{disk}" not in words or disk:
            path, number = disk or ("", "")
            found.append((words.format(disk=path), controller, file, text.format(number=number)))
    docker("rm", "-f", "probe")
    return found


def check(docker: Cli, name: str, table: list[tuple[str, str, str, str]]) -> None:
    for words, controller, file, text in table:
        assert text in setting(docker, name, controller, file).splitlines(), words


@pytest.mark.census(
    "run --memory",
    "run --memory-swap",
    "run --memory-reservation",
    "run --memory-swappiness",
    "run --oom-kill-disable",
    "run --cpu-shares",
    "run --cpu-period",
    "run --cpu-quota",
    "run --cpuset-cpus",
    "run --cpuset-mems",
    "run --pids-limit",
    "run --blkio-weight",
    "run --device-read-bps",
    "run --device-write-bps",
    "run --device-read-iops",
    "run --device-write-iops",
    "run --cpus",
    "resource cgroup v1",
    "resource oom-kill-disable (v1)",
    "device blkio weight/bps/iops per device",
    "resource cpus/cpuset/shares/quota/period/rt",
    "resource memory/-swap/-reservation/-swappiness",
)
@pytest.mark.docker_28  # 26.1 sends no limits of devices
def test_limits_stand_in_the_cgroup(docker: Cli, image: str) -> None:
    table = rows(docker, image, LIMITS)
    options = [word for row in table for word in row[0].split()]
    docker("run", "-d", "--name", "small", *options, image, "sleep", "100")
    check(docker, "small", table)
    docker("run", "-d", "--name", "half", "--cpus", "0.5", "--memory", "64m", image, "sleep", "100")
    assert setting(docker, "half", "cpu", "cpu.cfs_quota_us") == "50000"
    assert setting(docker, "half", "memory", "memory.memsw.limit_in_bytes") == str(128 << 20)


@pytest.mark.census("resource pids-limit")
def test_limits_hold(docker: Cli, image: str) -> None:
    eater = ["run", "--name", "eater", "--memory", "8m", "--memory-swap", "8m", image]
    done = docker(*eater, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", check=False)
    assert done.returncode == 137
    assert docker("inspect", "-f", "{{.State.OOMKilled}}", "eater").stdout == "true\n"
    forks = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait"
    done = docker("run", "--rm", "--pids-limit", "4", image, "sh", "-c", forks, check=False)
    assert "can't fork" in done.stderr


@pytest.mark.census(
    "update --memory",
    "update --memory-swap",
    "update --memory-reservation",
    "update --cpu-shares",
    "update --cpu-period",
    "update --cpu-quota",
    "update --cpuset-cpus",
    "update --cpuset-mems",
    "update --pids-limit",
    "update --blkio-weight",
    "update --cpus",
    "resource live update (docker update)",
)
def test_updates_reach_what_runs(docker: Cli, image: str) -> None:
    table = rows(docker, image, UPDATES)
    docker("run", "-d", "--name", "grows", "-m", "64m", image, "sleep", "100")
    docker("update", *[word for row in table for word in row[0].split()], "grows")
    check(docker, "grows", table)
    docker("update", "--memory-swap", "-1", "--pids-limit", "-1", "grows")
    assert setting(docker, "grows", "pids", "pids.max") == "max"
    assert int(setting(docker, "grows", "memory", "memory.memsw.limit_in_bytes")) > 1 << 60
    docker("run", "-d", "--name", "cpus", image, "sleep", "100")
    docker("update", "--cpus", "0.25", "cpus")
    assert setting(docker, "cpus", "cpu", "cpu.cfs_quota_us") == "25000"


@pytest.mark.census(
    "POST /containers/{id}/update MemorySwappiness",
    "POST /containers/{id}/update OomKillDisable",
    "POST /containers/{id}/update BlkioDeviceReadBps",
)
def test_updates_that_no_flag_asks_for(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "grows", image, "sleep", "100")

    def update(**body: object) -> tuple[int, bytes]:
        return api(docker.daemon, "POST", "/containers/grows/update", body)

    assert update(MemorySwappiness=30, OomKillDisable=True)[0] == 200
    assert setting(docker, "grows", "memory", "memory.swappiness") == "30"
    assert "oom_kill_disable 1" in setting(docker, "grows", "memory", "memory.oom_control")
    if disk := block_device():
        assert update(BlkioDeviceReadBps=[{"Path": disk[0], "Rate": 4096}])[0] == 200
        assert setting(docker, "grows", "blkio", "blkio.throttle.read_bps_device") == f"{disk[1]} 4096"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CgroupParent", "/else"),
        ("Devices", [{"PathOnHost": "/dev/null"}]),
        ("DeviceCgroupRules", ["c 1:1 r"]),
        ("Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 1}]),
        ("DeviceRequests", [{"Count": -1}]),
        ("KernelMemory", 1 << 26),
    ],
)
def test_what_an_update_cannot_change_is_refused(docker: Cli, image: str, name: str, value: object) -> None:
    docker("create", "--name", "fixed", image)
    status, answer = api(docker.daemon, "POST", "/containers/fixed/update", {name: value})
    assert status == 400
    assert name.encode() in answer


@pytest.mark.census(
    "run --ulimit",
    "ulimit core",
    "ulimit cpu",
    "ulimit data",
    "ulimit fsize",
    "ulimit locks",
    "ulimit memlock",
    "ulimit msgqueue",
    "ulimit nice",
    "ulimit nofile",
    "ulimit nproc",
    "ulimit rss",
    "ulimit rtprio",
    "ulimit rttime",
    "ulimit sigpending",
    "ulimit stack",
)
def test_every_ulimit(docker: Cli, image: str) -> None:
    wanted = [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard, _) in ULIMITS.items()]
    container = created(docker.daemon, image, ["cat", "/proc/self/limits"], {"Ulimits": wanted})
    lines = docker("start", "-a", container).stdout.splitlines()
    for name, (soft, hard, title) in ULIMITS.items():
        line = next(line for line in lines if line.startswith(title))
        assert line.removeprefix(title).split()[:2] == [str(soft), str(hard)], name


@pytest.mark.census("run --oom-score-adj", "resource oom-score-adj")
def test_what_needs_a_capability_that_the_machine_may_lack(docker: Cli, image: str) -> None:
    limit = Path("/proc/self/limits").read_text().split("Max open files")[1].split()[1]
    effective = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    more = docker("run", "--rm", "--ulimit", f"nofile={int(limit) + 1}", image, "sh", "-c", "ulimit -n", check=False)
    first = docker("run", "--rm", "--oom-score-adj", "-500", image, "cat", "/proc/self/oom_score_adj", check=False)
    if effective >> 24 & 1:  # CAP_SYS_RESOURCE
        assert (more.stdout, first.stdout) == (f"{int(limit) + 1}\n", "-500\n")
    else:
        assert {more.returncode, first.returncode} <= {125, 126}
        assert "error setting rlimit" in more.stderr
        assert "oom_score_adj: permission denied" in first.stderr
    last = docker("run", "--rm", "--oom-score-adj", "500", image, "cat", "/proc/self/oom_score_adj")
    assert last.stdout == "500\n"


def test_realtime_is_granted_or_refused_by_the_kernel(docker: Cli, image: str) -> None:
    options = ["--cpu-rt-period", "100000", "--cpu-rt-runtime", "1000"]
    done = docker("run", "-d", "--name", "rt", *options, image, "sleep", "100", check=False)
    if done.returncode:
        assert "cpu.rt_runtime_us" in done.stderr
    else:
        assert setting(docker, "rt", "cpu", "cpu.rt_runtime_us") == "1000"


@pytest.mark.parametrize("form", ["{}/deeper", "{}/./x/../rel"])
def test_the_parent_of_the_cgroup(docker: Cli, image: str, form: str) -> None:
    parent = form.format(docker.daemon.cgroup.lstrip("/") if "rel" in form else docker.daemon.cgroup)
    done = docker("run", "--rm", "--cgroup-parent", parent, image, "cat", "/proc/self/cgroup")
    place = f":memory:{docker.daemon.cgroup}/" + ("rel/" if "rel" in form else "deeper/")
    assert place in done.stdout


def test_refused_limits_name_the_field(daemon: DaemonProcess, docker: Cli, image: str) -> None:
    for name in ("KernelMemory", "KernelMemoryTCP", "CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"):
        with pytest.raises(AssertionError, match=f"HostConfig.{name} is not supported"):
            created(daemon, image, ["true"], {name: 1})
