"""What a RUN may have when the daemon's file and the one who builds both allow it, seen from inside; and else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess

pytestmark = pytest.mark.root
SPEC = {
    "cdiVersion": "0.6.0",
    "kind": "vendor.com/device",
    "devices": [
        {
            "name": "zero",
            "containerEdits": {"env": ["ZERO=1"], "deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/zero"}]},
        }
    ],
}
INSECURE = (
    "RUN --security=insecure grep CapEff /proc/self/status; mkdir /m; mount -t tmpfs x /m && echo tmpfs is mounted"
)
DEVICE = "RUN --device=vendor.com/device=zero head -c 3 /dev/vendor0 | wc -c; echo in the environment: $ZERO"
Build = Callable[..., subprocess.CompletedProcess[str]]


def _started(folder: Path, builder: dict[str, object]) -> DaemonProcess:
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    process = DaemonProcess(folder)
    (folder / "daemon.json").write_text(json.dumps({"builder": builder}))
    (folder / "cdi").mkdir()
    (folder / "cdi" / "vendor.json").write_text(json.dumps(SPEC))
    process.start()
    CommandLine("carrack", process)(*IMPORT, stdin=archive)
    return process


@pytest.fixture(scope="module")
def granting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon whose configuration file grants all."""
    process = _started(
        tmp_path_factory.mktemp("granting"), {"entitlements": {"security-insecure": True, "device": True}}
    )
    yield process
    process.stop()


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon whose configuration file says nothing."""
    process = _started(tmp_path_factory.mktemp("usual"), {})
    yield process
    process.stop()


@pytest.fixture(params=["carrack", "buildx"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Build:
    """Builds one line on busybox with a daemon, by each command line; gives what it told."""

    def run(daemon: DaemonProcess, line: str, *words: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\n{line}\n")
        environment = daemon.environment
        program = [*CommandLine("carrack", daemon).program, "build"]
        if request.param == "buildx":
            environment = {**environment, "DOCKER_CONFIG": str(request.getfixturevalue("plugins"))}
            program = ["docker", "buildx", "build", "--progress=plain"]
        command = [*program, "--no-cache", *words, str(tmp_path)]
        return subprocess.run(
            command, env=environment, text=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return run


@pytest.mark.census("daemon.json builder")
def test_all_privileges(build: Build, granting: DaemonProcess) -> None:
    plain = build(granting, INSECURE.replace("--security=insecure ", ""))
    assert plain.returncode == 1, "mount is not permitted"
    capabilities = re.search(r"CapEff:\s(\w+)", plain.stdout)
    assert capabilities is not None
    refused = build(granting, INSECURE)
    assert (refused.returncode, "security.insecure is not allowed" in refused.stdout) == (1, True)
    done = build(granting, INSECURE, "--allow", "security.insecure")
    assert done.returncode == 0, done.stdout
    assert "tmpfs is mounted" in done.stdout.partition("RUN")[2].partition("\n")[2]
    inside = re.search(r"CapEff:\s(\w+)", done.stdout)
    own = re.search(r"CapBnd:\s(\w+)", Path("/proc/self/status").read_text())
    assert inside is not None
    assert own is not None
    assert int(inside[1], 16) == int(own[1], 16) > int(capabilities[1], 16)


@pytest.mark.parametrize("allowed", ["device=vendor.com/device=zero", "device"])
def test_a_device(build: Build, granting: DaemonProcess, allowed: str) -> None:
    refused = build(granting, DEVICE)
    assert (refused.returncode, "device is not allowed" in refused.stdout) == (1, True)
    other = build(granting, DEVICE, "--allow", "device=vendor.com/device=one")
    assert (other.returncode, "device is not allowed" in other.stdout) == (1, True)
    done = build(granting, DEVICE, "--allow", allowed)
    assert done.returncode == 0, done.stdout
    assert "in the environment: 1" in done.stdout
    assert re.search(r"(?m)(?:^| )3$", done.stdout)


@pytest.mark.parametrize(("line", "allowed"), [(INSECURE, "security.insecure"), (DEVICE, "device")])
def test_what_the_daemon_does_not_grant(build: Build, usual: DaemonProcess, line: str, allowed: str) -> None:
    refused = build(usual, line, "--allow", allowed)
    assert refused.returncode == 1
    assert f"granting entitlement {allowed} is not allowed by build daemon configuration" in refused.stdout
