"""A real dockerd of a root file system of other engines (``CARRACK_PEERS``), in namespaces that end with it.

``outside`` gives it a way to the machine's network, for builds that fetch something: a cable and a rule of NAT. The
machine is `HERE` then.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fakes.podman import root_of_others

HERE = "10.199.78.1"
_PATIENCE = 60.0
#: $1 the root, $2 the directory of its data, $3… the daemon
_ENTER = """
mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc; mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup; mount --rbind /dev dev
mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp
mkdir tmp/data; mount --bind "$2" tmp/data
: > run/resolv; cat /etc/resolv.conf > run/resolv; mount --bind run/resolv "$(readlink -f etc/resolv.conf)"
ip link set lo up
pivot_root . mnt; umount --lazy mnt; cd /
shift 2; exec "$@"
"""


def missing() -> str:
    """Why there can be no dockerd here; "" when there can."""
    if not (Path(root_of_others()) / "usr/sbin/dockerd").exists():
        return "no dockerd among other engines (CARRACK_PEERS names their folder)"
    return "" if shutil.which("docker") else "the real docker command is not on the PATH"


class Dockerd:
    """It has begun to answer at ``host`` when this is made. Call `close`."""

    def __init__(self, folder: Path, *, outside: bool = False, flags: Sequence[str] = ()) -> None:
        self._folder = folder
        self._name = f"crkd{os.getpid()}"
        self.host = f"unix://{folder}/s"
        log = folder / "log"
        paths = ["--data-root", "/tmp/data/d", "--exec-root", "/run/docker", "--pidfile", "/run/d.pid"]
        words = ["dockerd", *paths, "--host", "unix:///tmp/data/s", "--bip", "172.28.0.1/16"]
        words += ["--cgroup-parent", f"/{self._name}", *flags]
        apart = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        enter = ["unshare", *apart, "sh", "-ec", _ENTER, "sh", root_of_others(), str(folder), *words]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        with log.open("wb") as file:
            self._holder = subprocess.Popen(enter, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
        self._outside = False
        try:
            self._wait(log)
            if outside:
                self._connect()
        except BaseException:
            self.close()
            raise

    def _wait(self, log: Path) -> None:
        end = time.monotonic() + _PATIENCE
        while "API listen on" not in log.read_text("utf-8", "replace"):
            assert self._holder.poll() is None, log.read_text("utf-8", "replace")[-2000:]
            assert time.monotonic() < end, log.read_text("utf-8", "replace")[-2000:]
            time.sleep(0.1)

    def _connect(self) -> None:
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text()
        self._outside = True
        there = "10.199.78.2"
        inside = ["nsenter", "--net", "--target", children.split()[0]]
        rules = (
            f"add table ip {self._name}\nadd chain ip {self._name} p {{ type nat hook postrouting priority srcnat; }}"
        )
        rules += f"\nadd rule ip {self._name} p ip saddr {there} masquerade\n"
        cable = f"{self._name}c"
        for words in (
            # Firewalls beside a daemon of ours let through what comes from a bridge or goes to one.
            ["ip", "link", "add", self._name, "type", "bridge"],
            ["ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", children.split()[0]],
            ["ip", "link", "set", cable, "master", self._name, "up"],
            ["ip", "address", "add", f"{HERE}/30", "dev", self._name],
            ["ip", "link", "set", self._name, "up"],
            [*inside, "ip", "address", "add", f"{there}/30", "dev", "eth0"],
            [*inside, "ip", "link", "set", "eth0", "up"],
            [*inside, "ip", "route", "add", "default", "via", HERE],
            ["nft", "-f", "-"],
        ):
            subprocess.run(words, input=rules.encode(), check=True)

    def close(self) -> None:
        """End all of it; what it leaves in the kernel and on the disk is removed."""
        self._holder.kill()
        self._holder.wait()
        if self._outside:
            subprocess.run(["ip", "link", "delete", self._name], capture_output=True, check=False)
            subprocess.run(["nft", "delete", "table", "ip", self._name], capture_output=True, check=False)
        for hierarchy in Path("/sys/fs/cgroup").iterdir():
            for folder in sorted((hierarchy / self._name).glob("**/"), reverse=True):
                folder.rmdir()
        shutil.rmtree(self._folder, ignore_errors=True)
