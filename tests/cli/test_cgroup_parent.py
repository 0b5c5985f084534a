"""Where a container's cgroup goes, who makes it, and the real time that all of them share."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess

pytestmark = pytest.mark.root

CPU = Path("/sys/fs/cgroup/cpu")


def remove(name: str) -> None:
    """Cgroups of that name, which the daemon leaves to whoever named them."""
    for tree in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        for folder in sorted((tree / name).glob("**/"), reverse=True):
            folder.rmdir()


@pytest.fixture
def own() -> Iterator[str]:
    """A word for cgroups that nobody else uses."""
    name = f"crk{uuid.uuid4().hex[:8]}"
    yield name
    remove(name)
    remove(f"{name}.slice")


def places(docker: Cli, image: str, parent: str, *options: str) -> set[str]:
    """The cgroups in which a container's process finds itself, without the id."""
    words = ["--cgroupns", "host", "--cgroup-parent", parent, *options]
    lines = docker("run", "--rm", *words, image, "cat", "/proc/self/cgroup").stdout.splitlines()
    paths = [line.split(":", 2)[2] for line in lines if line.split(":", 2)[2] != "/"]
    assert paths
    return {os.path.dirname(path) for path in paths}


@pytest.mark.census(
    "run --cgroup-parent", "HostConfig.CgroupParent", "resource cgroup-parent", "resource cgroupfs driver"
)
@pytest.mark.parametrize("runtime", ["carrack", "runc", "crun"])
def test_paths_and_slices(docker: Cli, image: str, own: str, runtime: str) -> None:
    if runtime != "carrack" and not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    options = ["--runtime", runtime]
    for parent, place in (
        (f"/{own}/below", f"/{own}/below"),
        (f"{own}/x/../below", f"/{own}/below"),
        (f"{own}.slice", f"/{own}.slice"),
        (f"{own}-one-two.slice", f"/{own}.slice/{own}-one.slice/{own}-one-two.slice"),
    ):
        assert places(docker, image, parent, *options) == {place}, parent
    docker("create", "--name", "parented", *options, "--cgroup-parent", f"{own}-one.slice", image)
    assert docker("inspect", "-f", "{{.HostConfig.CgroupParent}}", "parented").stdout == f"{own}-one.slice\n"


def test_limits_and_exec_are_there_too(docker: Cli, image: str, own: str) -> None:
    docker("run", "-d", "--name", "below", "--cgroup-parent", f"{own}-a.slice", "-m", "64m", image, "sleep", "1000")
    pid = docker("inspect", "-f", "{{.State.Pid}}", "below").stdout.strip()
    identity = docker("inspect", "-f", "{{.Id}}", "below").stdout.strip()
    path = f"/{own}.slice/{own}-a.slice/{identity}"
    assert path in Path(f"/proc/{pid}/cgroup").read_text()
    version_1 = Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")
    limit = version_1 if version_1.exists() else Path(f"/sys/fs/cgroup{path}/memory.max")
    assert limit.read_text() == f"{64 << 20}\n"
    assert docker("exec", "below", "cat", "/proc/1/cgroup").stdout == docker("exec", "below", "cat", "/proc/self/cgroup").stdout  # fmt: skip  # noqa: E501
    docker("rm", "-f", "below")
    assert not limit.exists()


@pytest.mark.parametrize("parent", ["a--b.slice", "-a.slice", "a-.slice"])
def test_names_that_no_slice_has(docker: Cli, image: str, parent: str) -> None:
    done = docker("create", f"--cgroup-parent={parent}", image, check=False)
    assert done.returncode == 1
    assert f"invalid slice name: {parent}" in done.stderr


@pytest.mark.census("run --cgroupns", "HostConfig.CgroupnsMode", "namespace cgroupns")
def test_the_namespace_decides_what_is_seen_of_it(docker: Cli, image: str, own: str) -> None:
    words = ["run", "--rm", "--cgroup-parent", f"/{own}", image, "cat", "/proc/self/cgroup"]
    shared = docker(*words[:2], "--cgroupns", "host", *words[2:]).stdout
    private = docker(*words[:2], "--cgroupns", "private", *words[2:]).stdout
    assert own in shared
    assert own not in private
    assert all(line.endswith(":/") for line in private.splitlines() if "hugetlb" not in line)
    for mode, same in (("host", True), ("private", False)):
        seen = docker("run", "--rm", "--cgroupns", mode, image, "readlink", "/proc/self/ns/cgroup").stdout.strip()
        assert (seen == os.readlink("/proc/self/ns/cgroup")) is same


class Other:
    """Another daemon, with a configuration file."""

    def __init__(self, root: Path) -> None:
        self.daemon = DaemonProcess(root, "--slots", "0")
        self.docker = CommandLine("docker" if shutil.which("docker") else "carrack", self.daemon)

    def start(self, **settings: object) -> Cli:
        (self.daemon.root / "daemon.json").write_text(json.dumps(settings))
        self.daemon.start()
        self.docker(*IMPORT, stdin=root_file_system())
        return self.docker


@pytest.fixture
def other(tmp_path: Path, image: str) -> Iterator[Other]:
    made = Other(tmp_path)
    yield made
    made.daemon.stop()


@pytest.mark.census("daemon.json cgroup-parent", "daemon.json exec-opts")
def test_the_daemons_own_parent_may_be_a_slice(other: Other, own: str) -> None:
    other.daemon.cgroup = f"{own}-daemon.slice"  # as --cgroup-parent
    docker = other.start(**{"exec-opts": ["native.cgroupdriver=cgroupfs"]})
    assert docker("info", "-f", "{{.CgroupDriver}}").stdout == "cgroupfs\n"
    seen = docker("run", "--rm", "--cgroupns", "host", IMAGE, "cat", "/proc/self/cgroup").stdout
    assert f":/{own}.slice/{own}-daemon.slice/" in seen
    other.daemon.end()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{own}-daemon.slice"))


@pytest.mark.census("resource systemd cgroup driver")
@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("native.cgroupdriver=systemd", "does not ask systemd for scopes"),
        ("native.cgroupdriver=cake", "native.cgroupdriver option cake not supported"),
    ],
)
def test_other_drivers_are_refused(other: Other, word: str, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        other.start(**{"exec-opts": [word]})


def may_be_realtime(docker: Cli, name: str) -> bool:
    """Whether the kernel lets a container's program be scheduled in real time."""
    pid = int(docker("inspect", "-f", "{{.State.Pid}}", name).stdout)
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return os.sched_getscheduler(pid) == os.SCHED_FIFO


@pytest.mark.skipif(not (CPU / "cpu.rt_runtime_us").exists(), reason="needs cgroup v1 with real-time groups")
@pytest.mark.census(
    "run --cpu-rt-runtime", "run --cpu-rt-period", "HostConfig.CpuRealtimeRuntime", "HostConfig.CpuRealtimePeriod",
    "update --cpu-rt-runtime", "update --cpu-rt-period", "daemon.json cpu-rt-runtime", "daemon.json cpu-rt-period",
)  # fmt: skip
@pytest.mark.parametrize("runtime", ["carrack", "runc", "crun"])
def test_real_time_is_shared_out(other: Other, own: str, runtime: str) -> None:
    if runtime != "carrack" and not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    docker = other.start(**{"cpu-rt-runtime": 20_000, "cpu-rt-period": 900_000})
    run = ["run", "-d", "--runtime", runtime]
    docker(*run, "--name", "some", "--cpu-rt-runtime", "5000", "--cpu-rt-period", "900000", IMAGE, "sleep", "1000")
    seen = docker("exec", "some", "cat", "/sys/fs/cgroup/cpu/cpu.rt_runtime_us", "/sys/fs/cgroup/cpu/cpu.rt_period_us")
    assert seen.stdout.split() == ["5000", "900000"]
    assert may_be_realtime(docker, "some")
    docker(*run, "--name", "none", IMAGE, "sleep", "1000")
    assert not may_be_realtime(docker, "none")
    docker("update", "--cpu-rt-runtime", "1000", "none")
    assert may_be_realtime(docker, "none")
    too_much = docker("update", "--cpu-rt-runtime", "500000", "none", check=False)
    assert "Cannot update container" in too_much.stderr
    assert "cpu.rt_runtime_us" in too_much.stderr
    docker("rm", "-f", "some", "none")
    elsewhere = ["--cgroup-parent", f"/{own}/deep", "--cpu-rt-runtime", "2000"]
    done = docker("run", "--rm", "--runtime", runtime, *elsewhere, IMAGE, "cat", "/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
    assert done.stdout == "2000\n"
    for options in (["--cpu-rt-runtime", "2000", "--cpu-rt-period", "1000"],):
        refused = docker("create", *options, IMAGE, check=False)
        assert "cpu real-time runtime cannot be higher than cpu real-time period" in refused.stderr


@pytest.mark.skipif((CPU / "cpu.rt_runtime_us").exists(), reason="this kernel has real-time groups")
def test_real_time_that_cannot_be_shared_out_is_refused(docker: Cli, image: str, other: Other) -> None:
    done = docker("create", "--cpu-rt-runtime", "1000", image, check=False)
    assert "kernel does not support CPU real-time scheduler" in done.stderr
    with pytest.raises(AssertionError, match="kernel does not support CPU real-time scheduler"):
        other.start(**{"cpu-rt-runtime": 1000})
