"""What a daemon settles for all its containers, seen in those that say nothing of it and in those that do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess

pytestmark = pytest.mark.root
TINI = "/usr/bin/tini-static"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """A command line to a daemon with defaults of its own."""
    root = tmp_path_factory.mktemp("settled")
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122}
    (root / "profile").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    shutil.copy(TINI, root / "own-init")
    words = [
        *("--default-shm-size", "8m", "--default-ipc-mode", "shareable", "--default-cgroupns-mode", "private"),
        *("--default-ulimit", "nofile=100:200", "--init", "--init-path", str(root / "own-init")),
        *("--no-new-privileges", "--seccomp-profile", str(root / "profile")),
    ]
    process = DaemonProcess(root, *words)
    archive = CommandLine("carrack", daemon).raw("save", image)
    try:
        process.start()
        cli = CommandLine("docker" if shutil.which("docker") else "carrack", process)
        cli("load", stdin=archive)
        yield cli
    finally:
        process.stop()


@pytest.mark.census(
    "user no-new-privileges daemon default",
    "daemon.json default-shm-size",
    "daemon.json default-ulimits",
    "daemon.json no-new-privileges",
)
def test_shared_memory_limits_and_privileges(settled: Cli, image: str) -> None:
    shown = "grep ' /dev/shm ' /proc/mounts; ulimit -Sn; ulimit -Hn; grep NoNewPrivs /proc/self/status"
    mount, *rest = settled("run", "--rm", image, "sh", "-c", shown).stdout.splitlines()
    assert "size=8192k" in mount
    assert rest == ["100", "200", "NoNewPrivs:\t1"]
    words = ["--shm-size", "4m", "--ulimit", "nofile=50:60", "--security-opt", "no-new-privileges=false"]
    mount, *rest = settled("run", "--rm", *words, image, "sh", "-c", shown).stdout.splitlines()
    assert "size=4096k" in mount
    assert rest == ["50", "60", "NoNewPrivs:\t0"]
    settled("run", "-d", "--name", "host", image, "sleep", "100")
    assert settled("exec", "host", "sh", "-c", "ulimit -Sn; grep NoNewPrivs /proc/self/status").stdout.split() == [
        "100",
        "NoNewPrivs:",
        "1",
    ]
    settled("rm", "-f", "host")


@pytest.mark.census("init daemon default init", "init init-path", "daemon.json init", "daemon.json init-path")
def test_an_init_of_the_operators_choice(settled: Cli, image: str) -> None:
    first = "tr '\\0' ' ' < /proc/1/cmdline; cmp /sbin/docker-init /own && echo own"
    own = f"{settled.daemon.root}/own-init:/own:ro"
    shown = settled("run", "--rm", "-v", own, image, "sh", "-c", first).stdout
    assert shown.startswith("/sbin/docker-init -- sh -c")
    assert shown.endswith("own\n")
    assert settled("run", "--rm", "--init=false", image, "cat", "/proc/1/cmdline").stdout.startswith("cat\0")
    assert settled("info", "-f", "{{.InitBinary}}").stdout == f"{settled.daemon.root}/own-init\n"


@pytest.mark.census("daemon.json default-ipc-mode", "daemon.json default-cgroupns-mode")
def test_namespaces(settled: Cli, image: str) -> None:
    settled("run", "-d", "--name", "owner", image, "sh", "-c", "echo shared > /dev/shm/f; sleep 100")
    assert settled("run", "--rm", "--ipc", "container:owner", image, "cat", "/dev/shm/f").stdout == "shared\n"
    settled("run", "-d", "--name", "alone", "--ipc", "private", image, "sleep", "100")
    assert settled("run", "--rm", "--ipc", "container:alone", image, "true", check=False).returncode
    ours = Path("/proc/self/ns/cgroup").readlink()
    assert settled("run", "--rm", image, "readlink", "/proc/self/ns/cgroup").stdout.strip() != str(ours)
    most = settled("run", "--rm", "--cgroupns", "host", image, "readlink", "/proc/self/ns/cgroup").stdout.strip()
    assert most == str(ours)
    settled("rm", "-f", "owner", "alone")


@pytest.mark.census("daemon.json seccomp-profile")
def test_a_filter_of_the_operators(settled: Cli, image: str) -> None:
    refused = settled("run", "--rm", image, "mkdir", "/x", check=False)
    assert "quota exceeded" in refused.stderr.lower()
    settled("run", "--rm", "--security-opt", "seccomp=builtin", image, "mkdir", "/x")
    settled("run", "--rm", "--security-opt", "seccomp=unconfined", image, "mkdir", "/x")
    listed = json.loads(settled("info", "-f", "{{json .SecurityOptions}}").stdout)
    assert f"name=seccomp,profile={settled.daemon.root}/profile" in listed
    assert "name=no-new-privileges" in listed
