"""A privileged container runs the distribution's own dockerd, which runs containers: what kind and CI do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.cli.busybox import root_file_system
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.clients import images

pytestmark = pytest.mark.root
_PATIENCE = 240
"""Seconds: a guest without hardware support is some 40 times slower than a machine."""


@pytest.fixture(params=["host", "private"])
def inside(
    request: pytest.FixtureRequest, daemon: DaemonProcess, provide: Callable[[images.Recipe], str]
) -> Iterator[CommandLine]:
    """The command line outside, while `outer` runs a dockerd that answers and holds an image."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    cli = CommandLine("carrack", daemon)
    options = ["--cgroupns", request.param, "--tmpfs", "/run", "-v", "/lib/modules:/lib/modules:ro"]
    cli("run", "-d", "--name", "outer", "--privileged", *options, provide(images.DOCKER))
    _answers(cli)
    cli("exec", "-i", "outer", "docker", "import", "-c", 'CMD ["sh"]', "-", "box", stdin=archive)
    yield cli
    cli("rm", "-fv", "outer")


@pytest.mark.census("HostConfig.Privileged", "run --privileged", "HostConfig.CgroupnsMode", "run --cgroupns")
def test_a_container_in_a_container(inside: CommandLine) -> None:
    def docker(*words: str) -> str:
        return inside("exec", "outer", "docker", *words).stdout

    assert docker("run", "--rm", "box", "sh", "-c", "echo inner; exit 0") == "inner\n"
    assert inside("exec", "outer", "docker", "run", "--rm", "box", "sh", "-c", "exit 7", check=False).returncode == 7
    assert docker("info", "--format", "{{.Driver}}").strip() == "overlay2"
    # Limits and networks of the inner engine are the kernel's.
    docker(
        "run", "-d", "--name", "web", "-m", "64m", "--cpus", "0.5", "-p", "8080:80", "box", "httpd", "-f", "-h", "/www"
    )
    limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    assert docker("exec", "web", "sh", "-c", limit).strip() == str(64 << 20)
    address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web").strip()
    fetch = ["run", "--rm", "box", "wget", "-q", "-O", "-"]
    eventually(lambda: docker(*fetch, f"http://{address}/") == "carrack serves\n", _PATIENCE)
    assert docker(*fetch[:2], "--network", "host", *fetch[2:], "http://127.0.0.1:8080/") == "carrack serves\n"
    assert docker("logs", "web") == ""


@pytest.mark.parametrize("inside", ["host"], indirect=True)
def test_the_inner_daemon_comes_back_with_its_containers(inside: CommandLine) -> None:
    inside("exec", "outer", "docker", "run", "-d", "--restart", "always", "--name", "lasting", "box", "sleep", "600")
    inside("kill", "outer")
    inside("start", "outer")
    _answers(inside)
    status = ["exec", "outer", "docker", "ps", "--format", "{{.Names}} {{.State}}"]
    eventually(lambda: inside(*status).stdout == "lasting running\n", _PATIENCE)


@pytest.mark.census("run --security-opt", "run --stop-signal", "run --tmpfs", "security-opt seccomp=unconfined")
def test_systemd_boots_as_the_first_process_and_runs_docker(
    daemon: DaemonProcess, provide: Callable[[images.Recipe], str]
) -> None:
    """A node of kind: the distribution's whole init in a privileged container, with dockerd as its service."""
    cli = CommandLine("carrack", daemon)
    options = ["--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/tmp", "-v", "/lib/modules:/lib/modules:ro"]
    options += ["--security-opt", "seccomp=unconfined", "--stop-signal", "RTMIN+3", "-e", "container=docker"]
    cli("run", "-dt", "--name", "outer", "--privileged", *options, "--entrypoint", "/sbin/init", provide(images.DOCKER))

    def systemctl(*words: str) -> str:
        return cli("exec", "outer", "systemctl", *words, check=False).stdout.strip()

    eventually(lambda: systemctl("is-system-running") in ("running", "degraded"), seconds=_PATIENCE)
    assert systemctl("--failed", "--plain", "--no-legend") == ""
    assert systemctl("is-active", "docker") == "active"
    assert "Debian GNU/Linux" in cli("logs", "outer").stdout
    limited = ["systemd-run", "--wait", "--pipe", "-q", "-p", "TasksMax=40", "cat", "/proc/self/cgroup"]
    assert "/system.slice/run-" in cli("exec", "outer", *limited).stdout
    # Its own way to go down: all services stopped, within its patience.
    cli("stop", "-t", "60", "outer")
    assert cli("inspect", "-f", "{{.State.ExitCode}} {{.State.OOMKilled}}", "outer").stdout == "130 false\n"
    assert "Stopped" in cli("logs", "--tail", "100", "outer").stdout


def _answers(cli: CommandLine) -> None:
    try:
        eventually(lambda: cli("exec", "outer", "docker", "version", check=False).returncode == 0, seconds=_PATIENCE)
    except AssertionError:
        logs = cli("logs", "--tail", "40", "outer")
        pytest.fail(f"the dockerd inside does not answer:\n{logs.stdout}{logs.stderr}", pytrace=False)
