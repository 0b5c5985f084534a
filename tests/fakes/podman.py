"""A real podman in namespaces of its own, whose OCI runtime is this source tree's carrack-runtime.

``CARRACK_TEST_PODMAN_ROOT`` names a root file system that has podman; without it that of other engines is taken
(``CARRACK_PEERS``), and where there is none the machine's own podman.
Its storage, its run directories and its network end with the namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.bundle import Bundle

import carrack

#: $1 a root with podman, $2 an empty directory: there it becomes the root, with the machine's own at /run/host.
ENTER = """
set -e
mount --rbind "$1" "$2"
mount -t tmpfs tmpfs "$2/run"
mkdir "$2/run/host" "$2/run/lock"
mount --rbind / "$2/run/host"
mount -t proc proc "$2/proc"
mount -t sysfs sysfs "$2/sys"
mount --rbind /sys/fs/cgroup "$2/sys/fs/cgroup"
mount --rbind /dev "$2/dev"
mount -t tmpfs tmpfs "$2/tmp"
mkdir -p "$2/var/lib/containers"
mount -t tmpfs tmpfs "$2/var/lib/containers"
ip link set lo up
cd "$2"
pivot_root . .
umount --lazy .
cd /
echo ready
exec sleep 600
"""
_RUNTIME = """#!/run/host{python} -IBS
import sys
sys.path.insert(0, "/run/host{source}")
from carrack.runtime.main import main
raise SystemExit(main())
"""


def root_of_others() -> str:
    """The root file system that has other engines and clients."""
    peers = os.path.join(os.environ.get("CARRACK_PEERS", "/opt/peers"), "root")
    return os.environ.get("CARRACK_TEST_PODMAN_ROOT") or (peers if os.path.isdir(peers) else "/")


def podman_root() -> str:
    """The root file system that has podman; skips the test when there is none."""
    root = root_of_others()
    if shutil.which("podman", path=os.pathsep.join(f"{root}/{folder}" for folder in ("usr/bin", "usr/local/bin"))):
        return root
    pytest.skip("podman is not installed (CARRACK_TEST_PODMAN_ROOT can name a root file system that has it)")


class Podman:
    """podman's commands on containers from a root file system of busybox's applets. Call ``close``."""

    def __init__(self, directory: Path) -> None:
        root = podman_root()
        bundle = Bundle(directory)
        self.rootfs = f"/run/host{bundle.rootfs}"
        self.cgroup = f"/{bundle.id}"
        place = directory / "sandbox"
        place.mkdir()
        python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        source = os.path.dirname(os.path.dirname(os.path.abspath(carrack.__file__)))
        runtime = directory / "carrack-runtime"
        runtime.write_text(_RUNTIME.format(python=python, source=source))
        runtime.chmod(0o755)
        self.runtime = f"/run/host{runtime}"
        flags = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        self._holder = subprocess.Popen(
            ["unshare", *flags, "sh", "-c", ENTER, "sh", root, str(place)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert self._holder.stdout is not None
            assert self._holder.stdout.readline() == "ready\n", "podman's namespaces could not be made"
            children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text()
            self._target = children.split()[0]
            if self.inside(f"/run/host{python}", "-IBS", "-c", "import ctypes, json, socket").returncode:
                pytest.skip(f"this Python does not run in podman's root file system {root}")
            netavark = any(
                self.inside("test", "-x", f"{d}/netavark").returncode == 0
                for d in ("/usr/lib/podman", "/usr/libexec/podman")
            )
            self.network = "bridge" if netavark else "none"
        except BaseException:
            self.close()
            raise

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in podman's namespaces; never more than 60 s."""
        enter = ["nsenter", "--target", self._target, "--mount", "--net", "--pid", "--root", "--wd"]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }
        result = subprocess.run(
            [*enter, *command],
            capture_output=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        return subprocess.CompletedProcess(command, result.returncode, result.stdout.decode(), result.stderr.decode())

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """A podman command that must end with that code; what it printed, errors last."""
        flags = ["--runtime", self.runtime, "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
        result = self.inside("podman", *flags, *arguments)
        assert result.returncode == code, (arguments, result.stdout, result.stderr)
        return result.stdout + result.stderr

    def run(self, *arguments: str, options: tuple[str, ...] = (), code: int = 0) -> str:
        """``podman run`` of a program in a new container."""
        common = ["--cgroup-parent", self.cgroup, "--ulimit", "host"]
        if "--network" not in options:
            common += ["--network", self.network]
        return self("run", *common, *options, "--rootfs", self.rootfs, *arguments, code=code)

    def close(self) -> None:
        """End all of it; what is left in the control group file systems is removed."""
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()
        for controller in Path("/sys/fs/cgroup").iterdir():
            for folder, _, _ in os.walk(f"{controller}{self.cgroup}", topdown=False):
                os.rmdir(folder)
