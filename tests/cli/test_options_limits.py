"""Limits at work: what they hold back, on machines of either cgroup version, and when they may be changed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, created, eventually

pytestmark = pytest.mark.root
FIRST = pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="cgroup version 1")


def inspect(docker: Cli, name: str, path: str) -> object:
    return json.loads(docker("inspect", "-f", "{{json " + path + "}}", name).stdout)


def update(docker: Cli, name: str, **body: object) -> list[str]:
    """Change a container by a request of our own; the warnings."""
    status, answer = api(docker.daemon, "POST", f"/containers/{name}/update", body)
    assert status == 200, answer
    return json.loads(answer)["Warnings"] or []


def actions(docker: Cli, name: str) -> set[str]:
    past = ["--since", "1h", "--until", f"{time.time():.9f}", "--filter", f"container={name}"]
    return set(docker("events", *past, "--format", "{{.Action}}").stdout.split())


@pytest.mark.census(
    "event container oom", "exit-code 137", "run --memory", "resource memory/-swap/-reservation/-swappiness"
)
def test_memory_that_runs_out(docker: Cli, image: str) -> None:
    eat = "dd if=/dev/zero of=/dev/null bs=64M count=1"
    done = docker(
        "run", "--name", "eater", "-m", "8m", "--memory-swap", "8m", image, "sh", "-c", f"exec {eat}", check=False
    )
    assert done.returncode == 137
    assert inspect(docker, "eater", ".State.OOMKilled") is True
    assert {"oom", "die"} <= actions(docker, "eater")
    # One of a container's processes may go while the first stays.
    docker(
        "run",
        "--name",
        "loser",
        "-m",
        "8m",
        "--memory-swap",
        "8m",
        image,
        "sh",
        "-c",
        f"{eat}; sleep 0.2; exit 3",
        check=False,
    )
    assert inspect(docker, "loser", ".State.ExitCode") == 3
    assert inspect(docker, "loser", ".State.OOMKilled") is True


def disk_below(path: Path) -> str | None:
    """The whole disk that a file lies on, as a device node."""
    number = os.stat(path).st_dev
    place = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not place.exists():
        return None
    whole = place.resolve().parent if (place / "partition").exists() else place.resolve()
    return f"/dev/{whole.name}" if Path(f"/dev/{whole.name}").exists() else None


@pytest.mark.docker_28
@pytest.mark.parametrize(
    ("option", "field", "words"),
    [
        pytest.param(
            "read-bps", "ReadBps", "if=/disk/file of=/dev/null iflag=direct",
            marks=pytest.mark.census("run --device-read-bps", "POST /containers/{id}/update BlkioDeviceReadBps"),
        ),
        pytest.param(
            "write-bps", "WriteBps", "if=/dev/zero of=/disk/NAME oflag=direct",
            marks=pytest.mark.census("run --device-write-bps", "POST /containers/{id}/update BlkioDeviceWriteBps"),
        ),
    ],
)  # fmt: skip
def test_a_disk_is_used_no_faster_than_allowed(
    docker: Cli, image: str, tmp_path: Path, option: str, field: str, words: str
) -> None:
    """While an unhindered user comes to the end, one that may move half a megabyte in a second is far from it."""
    disk = disk_below(tmp_path)
    if disk is None:
        pytest.skip("the files of this test lie on no disk")
    (tmp_path / "file").write_bytes(bytes(32 << 20))
    use = [image, "dd", "bs=1M", "count=32"]
    slow, free = words.replace("NAME", "slow").split(), words.replace("NAME", "free").split()
    docker("run", "-d", "--name", "slow", "-v", f"{tmp_path}:/disk", f"--device-{option}", f"{disk}:512kb", *use, *slow)
    docker("run", "--rm", "-v", f"{tmp_path}:/disk", *use, *free)
    assert inspect(docker, "slow", ".State.Running") is True
    update(docker, "slow", **{f"BlkioDevice{field}": [{"Path": disk, "Rate": 1 << 40}]})
    assert docker("wait", "slow").stdout == "0\n"
    assert "32+0 records in" in docker("logs", "slow").stderr


@pytest.mark.census("run --pids-limit", "resource pids-limit", "POST /containers/{id}/update PidsLimit")
def test_a_fork_bomb_stays_small(docker: Cli, image: str) -> None:
    """Attack of exhaustion: processes. The limit is the container's, and can be taken away."""
    fork = "for i in 1 2 3 4 5 6 7 8 9; do sleep 20 & done"
    docker("run", "-d", "--name", "bomb", "--pids-limit", "5", image, "sleep", "1000")
    refused = docker("exec", "bomb", "sh", "-c", fork, check=False)
    assert "can't fork" in refused.stderr
    update(docker, "bomb", PidsLimit=-1)
    docker("exec", "bomb", "sh", "-c", fork)


@pytest.mark.census(
    "update --restart", "POST /containers/{id}/update RestartPolicy.Name", "POST /containers/{id}/update RestartPolicy"
)
def test_a_restart_policy_that_comes_later(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "once", image, "sleep", "1000")
    docker("update", "--restart", "always", "once")
    docker("exec", "once", "kill", "-INT", "1", check=False)
    pid = inspect(docker, "once", ".State.Pid")
    docker("exec", "once", "sh", "-c", "kill -KILL -1", check=False)
    Path(f"/proc/{pid}/comm").read_text()  # it runs still: the first of its namespace is not killed from inside
    docker("run", "-d", "--name", "ends", image, "sh", "-c", "while ! test -e /end; do sleep 0.05; done")
    docker("update", "--restart", "always", "ends")
    docker("exec", "ends", "touch", "/end")
    eventually(lambda: int(str(inspect(docker, "ends", ".RestartCount"))) >= 1)
    docker("update", "--restart", "no", "ends")
    eventually(lambda: inspect(docker, "ends", ".State.Status") == "exited")
    removed = docker("create", "--rm", "--name", "gone", image).stdout
    assert removed
    refused = docker("update", "--restart", "always", "gone", check=False)
    assert "AutoRemove" in refused.stderr


@pytest.mark.census("POST /containers/{id}/update RestartPolicy.MaximumRetryCount")
def test_a_bound_of_restarts_that_comes_later(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "fails", image, "sh", "-c", "while ! test -e /end; do sleep 0.05; done; exit 3")
    docker("update", "--restart", "on-failure:2", "fails")
    docker("exec", "fails", "touch", "/end")
    eventually(lambda: inspect(docker, "fails", ".State.Status") == "exited")
    assert inspect(docker, "fails", ".RestartCount") == 2


@pytest.mark.census("resource live update (docker update)")
def test_what_is_changed_before_the_start_counts(docker: Cli, image: str) -> None:
    docker("create", "--name", "later", image, "sh", "-c", "ulimit -n; nproc; sleep 1000")
    docker("update", "-m", "64m", "--memory-swap", "64m", "--pids-limit", "3", "--cpuset-cpus", "0", "later")
    docker("start", "later")
    refused = docker("exec", "later", "sh", "-c", "for i in 1 2 3 4; do sleep 9 & done", check=False)
    assert "can't fork" in refused.stderr
    eventually(lambda: docker("logs", "later").stdout.split()[-1:] == ["1"])
    docker("restart", "-t", "0", "later")
    ended = docker("exec", "later", "dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1", check=False)
    assert ended.returncode == 137


@pytest.mark.census("run --cpus", "resource cpus/cpuset/shares/quota/period/rt")
def test_a_busy_program_is_held_back(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "busy", "--cpus", "0.1", image, "sh", "-c", "while :; do :; done")

    def throttled() -> bool:
        status, answer = api(docker.daemon, "GET", "/containers/busy/stats?stream=false&one-shot=true")
        return status == 200 and json.loads(answer)["cpu_stats"]["throttling_data"]["throttled_periods"] > 0

    eventually(throttled)


@FIRST
@pytest.mark.docker_28
@pytest.mark.census("HostConfig.KernelMemoryTCP")
def test_what_is_dangerous_or_discarded_is_warned_of(cli: Cli, image: str) -> None:
    warned = cli("create", "--oom-kill-disable", image)
    assert "OOM killer is disabled for the container, but no memory limit is set" in warned.stderr
    assert "WARNING" in warned.stderr
    assert cli("create", "--oom-kill-disable", "-m", "64m", image).stderr == ""
    assert "cpu real-time runtime cannot be higher" in refused(
        cli, image, CpuRealtimePeriod=1000, CpuRealtimeRuntime=2000
    )


def refused(cli: Cli, image: str, **host: object) -> str:
    status, answer = api(cli.daemon, "POST", "/containers/create", {"Image": image, "HostConfig": host})
    assert status == 400
    return answer.decode()


@pytest.fixture(scope="module")
def realtime(tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """A command line to a daemon that has real time to give away."""
    if not Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists():
        pytest.skip("this kernel gives no real time to control groups")
    words = ["--cpu-rt-period", "1000000", "--cpu-rt-runtime", "50000"]
    process = DaemonProcess(tmp_path_factory.mktemp("realtime"), *words)
    try:
        process.start()
        cli = CommandLine("carrack", process)
        cli("load", stdin=CommandLine("carrack", daemon).raw("save", image))
        yield cli
    finally:
        process.stop()


@pytest.mark.census(
    *("run --cpu-rt-runtime", "run --cpu-rt-period", "update --cpu-rt-runtime", "update --cpu-rt-period"),
    *("daemon.json cpu-rt-period", "daemon.json cpu-rt-runtime"),
)
def test_real_time(realtime: Cli, image: str) -> None:
    given = ["--cpu-rt-period", "500000", "--cpu-rt-runtime", "5000", "--cap-add", "SYS_NICE"]
    container = realtime("run", "-d", *given, image, "sleep", "1000").stdout.strip()
    folder = Path("/sys/fs/cgroup/cpu") / realtime.daemon.cgroup[1:] / container
    assert (folder / "cpu.rt_runtime_us").read_text() == "5000\n"
    assert (folder / "cpu.rt_period_us").read_text() == "500000\n"
    pid = int(realtime("inspect", "-f", "{{.State.Pid}}", container).stdout)
    os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))  # which the kernel grants to who has time
    realtime("update", "--cpu-rt-runtime", "6000", "--cpu-rt-period", "600000", container)
    assert (folder / "cpu.rt_runtime_us").read_text() == "6000\n"
    other = realtime("run", "-d", image, "sleep", "1000").stdout.strip()
    pid = int(realtime("inspect", "-f", "{{.State.Pid}}", other).stdout)
    with pytest.raises(PermissionError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    realtime("rm", "-f", container, other)


@pytest.fixture
def fair_disk(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A disk of our own whose scheduler knows weights, and its numbers."""
    (tmp_path / "image").write_bytes(bytes(1 << 20))
    made = subprocess.run(["losetup", "-f", "--show", tmp_path / "image"], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr}")
    path = made.stdout.strip()
    scheduler = Path(f"/sys/block/{Path(path).name}/queue/scheduler")
    before = scheduler.read_text().partition("[")[2].partition("]")[0]
    try:
        try:
            scheduler.write_text("bfq")
        except OSError:
            pytest.skip("the kernel has no scheduler that knows weights")
        yield path, Path(f"/sys/block/{Path(path).name}/dev").read_text().strip()
    finally:
        scheduler.write_text(before or "none")
        subprocess.run(["losetup", "-d", path], check=True)


@pytest.mark.docker_28
@pytest.mark.census(
    *("run --blkio-weight-device", "run --blkio-weight", "update --blkio-weight"),
    *("POST /containers/{id}/update BlkioWeightDevice", "POST /containers/{id}/update BlkioWeightDevice[].Weight"),
    *(f"GET /containers/{{id}}/json → HostConfig.BlkioWeightDevice[].{name}" for name in ("Path", "Weight")),
    "POST /containers/{id}/update BlkioWeightDevice[].Path",
)
def test_weights_at_a_disk(docker: Cli, image: str, fair_disk: tuple[str, str]) -> None:
    path, number = fair_disk
    words = ["--blkio-weight", "200", "--blkio-weight-device", f"{path}:300"]
    started = docker("run", "-d", "--name", "weighed", *words, image, "sleep", "100")
    assert "discarded" not in started.stderr
    weights, of_disk = weight_files(docker, "weighed")
    assert "200" in weights.read_text().split()
    assert f"{number} 300" in of_disk.read_text()
    docker("update", "--blkio-weight", "250", "weighed")
    update(docker, "weighed", BlkioWeightDevice=[{"Path": path, "Weight": 400}])
    assert "250" in weights.read_text().split()
    assert f"{number} 400" in of_disk.read_text()
    shown = json.loads(docker("inspect", "-f", "{{json .HostConfig.BlkioWeightDevice}}", "weighed").stdout)
    assert shown == [{"Path": path, "Weight": 400}]


def weight_files(docker: Cli, name: str) -> tuple[Path, Path]:
    """The files of the weights in general, and at single disks, of a container's cgroup."""
    pid = inspect(docker, name, ".State.Pid")
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    for _, controllers, place in lines:
        if controllers == "" and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            file = Path("/sys/fs/cgroup" + place) / "io.bfq.weight"
            return file, file
        if "blkio" in controllers.split(","):
            folder = Path("/sys/fs/cgroup/blkio" + place)
            return folder / "blkio.bfq.weight", folder / "blkio.bfq.weight_device"
    raise AssertionError(lines)


THROTTLES = ("BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps")


def throttles(docker: Cli, name: str) -> list[str]:
    """What stands in a container's cgroup about its disks: one line, or the rate in each of four files."""
    weights, _ = weight_files(docker, name)
    if (weights.parent / "io.max").exists():
        return (weights.parent / "io.max").read_text().split()[1:]
    files = ("read_bps_device", "write_bps_device", "read_iops_device", "write_iops_device")
    return [(weights.parent / f"blkio.throttle.{file}").read_text().split()[1] for file in files]


@pytest.mark.census(
    *(f"HostConfig.{name}[].{field}" for name in THROTTLES for field in ("Path", "Rate")),
    *(f"GET /containers/{{id}}/json → HostConfig.{name}[].{field}" for name in THROTTLES for field in ("Path", "Rate")),
    *(f"POST /containers/{{id}}/update {name}" for name in THROTTLES),
    *(f"POST /containers/{{id}}/update {name}[].{field}" for name in THROTTLES for field in ("Path", "Rate")),
    *(f"GET /containers/{{id}}/json → HostConfig.BlkioWeightDevice[].{field}" for field in ("Path", "Weight")),
    "POST /containers/{id}/update BlkioWeightDevice[].Path",
)
def test_every_limit_of_a_disk_by_requests(docker: Cli, image: str, fair_disk: tuple[str, str]) -> None:
    path, _ = fair_disk
    host = {name: [{"Path": path, "Rate": 4096 + number}] for number, name in enumerate(THROTTLES)}
    weight = {"BlkioWeightDevice": [{"Path": path, "Weight": 300}]}
    container = created(docker.daemon, image, ["sleep", "100"], {**host, **weight})
    docker("start", container)
    assert [word.rpartition("=")[2] for word in throttles(docker, container)] == ["4096", "4097", "4098", "4099"]
    shown = inspect(docker, container, ".HostConfig")
    assert isinstance(shown, dict)
    assert {name: shown[name] for name in (*host, *weight)} == {**host, **weight}
    for number, name in enumerate(THROTTLES):
        update(docker, container, **{name: [{"Path": path, "Rate": 8192 + number}]})
    assert [word.rpartition("=")[2] for word in throttles(docker, container)] == ["8192", "8193", "8194", "8195"]
    update(docker, container, BlkioWeightDevice=[{"Path": path, "Weight": 400}])
    assert inspect(docker, container, ".HostConfig.BlkioWeightDevice") == [{"Path": path, "Weight": 400}]
