"""Options of ``build``, by both commands: each is seen from inside what was built, or while it was."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api

pytestmark = pytest.mark.root


@pytest.fixture(scope="module", autouse=True)
def classic() -> Iterator[None]:
    """The real command uses its classic request, and what was made is gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_BUILDKIT", "0")
        yield


@pytest.fixture(autouse=True)
def cleared(daemon: DaemonProcess, image: str) -> Iterator[None]:
    command = CommandLine("carrack", daemon)
    base = command("images", "-q", image).stdout
    yield
    for identity in set(command("images", "-aq").stdout.split()) - set(base.split()):
        command("rmi", "-f", identity, check=False)
    api(daemon, "POST", "/build/prune?all=1")


# what both commands make of flags in a classic request
PARAMETERS = {
    "add-host": "extrahosts", "build-arg": "buildargs", "file": "dockerfile", "label": "labels",
    "network": "networkmode", "tag": "t", "target": "target", "memory": "memory", "memory-swap": "memswap",
    "shm-size": "shmsize", "cpu-period": "cpuperiod", "cpu-quota": "cpuquota", "cpu-shares": "cpushares",
    "cpuset-cpus": "cpusetcpus", "cpuset-mems": "cpusetmems", "ulimit": "ulimits", "cgroup-parent": "cgroupparent",
    "no-cache": "nocache", "quiet": "q", "pull": "pull", "platform": "platform",
}  # fmt: skip


def marked(*flags: str) -> pytest.MarkDecorator:
    parameters = (f"POST /build?{PARAMETERS[flag]}" for flag in flags if flag in PARAMETERS)
    verbs = ("image build", "builder build")
    return pytest.mark.census(*(f"{verb} --{flag}" for flag in flags for verb in verbs), *parameters)


@pytest.mark.census("image build", "builder build", "POST /build")
@marked("add-host", "build-arg", "file", "iidfile", "label", "network", "tag", "target")
def test_what_is_built(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(
        "FROM busybox AS wanted\nARG V\nRUN echo $V; tail -1 /etc/hosts; ls /sys/class/net\n"
        "FROM busybox\nRUN echo unwanted; exit 1\n"
    )
    identity = tmp_path / "id"
    words = ["-f", f"{tmp_path}/other", "--build-arg", "V=given", "--add-host", "far:192.0.2.7", "--network", "none"]
    words += ["--label", "l=1", "-t", "opt:1", "-t", "opt:2", "--target", "wanted", "--iidfile", str(identity)]
    verb = ["image", "build"] if cli.name == "docker" else ["builder", "build"]
    shown = cli(*verb, *words, str(tmp_path)).stdout
    assert "\ngiven\n192.0.2.7\tfar\nlo\n" in shown
    assert "unwanted" not in shown
    inspected = json.loads(cli("inspect", "opt:1").stdout)[0]
    assert inspected["Config"]["Labels"] == {"l": "1"}
    assert inspected["Id"] == identity.read_text()
    assert sorted(inspected["RepoTags"]) == ["opt:1", "opt:2"]


LIMITS = """FROM busybox
RUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max \\
    /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes /sys/fs/cgroup/memory.swap.max \\
    /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu.weight \\
    /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us /sys/fs/cgroup/cpu.max 2>/dev/null; \\
    grep -E '_allowed_list' /proc/self/status; df -k /dev/shm | tail -1; ulimit -n; cat /proc/self/cgroup
"""


@marked(
    "memory", "memory-swap", "shm-size", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems",
    "ulimit", "cgroup-parent",
)  # fmt: skip
def test_what_its_programs_may_use(cli: Cli, daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(LIMITS)
    words = "--memory 64m --memory-swap 96m --shm-size 3m --cpu-period 50000 --cpu-quota 25000 --cpu-shares 512"
    words += f" --cpuset-cpus 0 --cpuset-mems 0 --ulimit nofile=77:88 --cgroup-parent {daemon.cgroup}/opt"
    shown = cli("build", *words.split(), str(tmp_path)).stdout
    assert "\n67108864\n" in shown
    assert "\n100663296\n" in shown or "\n33554432\n" in shown  # version 2 counts swap alone
    assert "\n512\n" in shown or "\n20\n" in shown or "\n59\n" in shown  # weights, by the runtimes' two formulas
    assert "\n25000\n50000\n" in shown or "\n25000 50000\n" in shown
    assert "Cpus_allowed_list:\t0\n" in shown
    assert "Mems_allowed_list:\t0\n" in shown
    assert " 3072 " in shown
    assert "\n77\n" in shown
    if Path("/sys/fs/cgroup/memory").is_dir():  # version 2 shows a container the root of its own
        assert f"{daemon.cgroup}/opt/" in shown


@marked("no-cache", "quiet", "pull", "platform")
def test_how_it_is_built(docker: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY f /f\nRUN date +%s%N > /now\n")
    (tmp_path / "f").write_text("x" * 100_000)
    first = docker("build", "-q", "--compress", "--disable-content-trust", str(tmp_path)).stdout
    assert first.startswith("sha256:")
    assert docker("build", "-q", "--rm=false", "--force-rm", str(tmp_path)).stdout == first
    assert docker("ps", "-aq").stdout == ""
    time.sleep(0.001)
    assert docker("build", "-q", "--no-cache", str(tmp_path)).stdout != first
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY f /f\n")
    foreign = docker("build", "-q", "--platform", "linux/s390x", str(tmp_path)).stdout.strip()
    assert docker("inspect", "-f", "{{.Architecture}}", foreign).stdout == "s390x\n"
    (tmp_path / "Dockerfile").write_text("FROM 127.0.0.1:1/here\n")
    docker("tag", "busybox", "127.0.0.1:1/here")
    docker("build", str(tmp_path))
    failed = docker("build", "--pull", str(tmp_path), check=False)
    docker("rmi", "127.0.0.1:1/here")
    assert failed.returncode
    assert "127.0.0.1:1" in failed.stdout + failed.stderr


def test_guards_stay_as_they_are(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN true\n")
    failed = cli("build", "--security-opt", "seccomp=unconfined", str(tmp_path), check=False)
    assert failed.returncode == 1
    assert "security options of a build are not supported on Linux" in failed.stderr
    failed = cli("build", "--isolation", "hyperv", str(tmp_path), check=False)
    assert "unsupported isolation" in failed.stderr


@pytest.mark.census("POST /build?version")
def test_the_session_of_commands_without_buildx_is_missed_in_words(daemon: DaemonProcess) -> None:
    status, answer = api(daemon, "POST", "/build?version=2&session=x")
    assert (status, b"version=2 needs a session; build with buildx" in answer) == (400, True)
    status, answer = api(daemon, "POST", "/build?version=3")
    assert (status, json.loads(answer)["message"]) == (400, 'invalid version "3"')


@pytest.mark.census("POST /build/prune?all", "POST /build/prune?filters")
@pytest.mark.census("builder prune", "builder prune --*", "filter /build/prune *", "GET /system/df → BuildCache[].*")
def test_the_cache(cli: Cli, daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=cache,target=/c dd if=/dev/zero of=/c/f bs=1k count=100; echo > /y\n"
        "RUN echo x > /x\n"
    )
    CommandLine("carrack", daemon)("build", "-t", "kept", str(tmp_path))

    def rows() -> dict[str, dict[str, object]]:
        _, answer = api(daemon, "GET", "/system/df?type=build-cache")
        return {row["Description"].partition("] ")[2] or row["Type"]: row for row in json.loads(answer)["BuildCache"]}

    found = rows()
    assert found["exec.cachemount"]["Size"] == 102_400
    last = found["RUN echo x > /x"]
    assert last["Parents"] == [found[next(name for name in found if "mount=type" in name)]["ID"]]
    assert (last["Type"], last["Shared"], last["InUse"], last["UsageCount"]) == ("regular", True, False, 1)
    assert str(last["CreatedAt"])[:2] == "20"
    assert str(last["LastUsedAt"])[:2] == "20"
    for name in ("id=none", "parent=none", "type=source.local", "description=nothing", "until=24h"):
        assert cli("builder", "prune", "-af", "--filter", name).stdout.endswith("Total reclaimed space: 0B\n"), name
    assert cli("builder", "prune", "-af", "--keep-storage", "1gb").stdout.endswith("Total reclaimed space: 0B\n")
    assert rows() == found
    cli("builder", "prune", "-f", "--filter", "private=true", "--filter", "type=regular")
    assert rows().keys() == found.keys()
    cli("builder", "prune", "-f", "--filter", "inuse=0", "--filter", "type=exec.cachemount")
    assert "exec.cachemount" not in rows()
    cli("builder", "prune", "-af", "--filter", "shared=true")
    assert rows() == {}
