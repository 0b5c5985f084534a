"""CVE-2025-52881: what the runtime writes to procfs (sysctls, LSM labels) is redirected by something mounted over it.

Shared mounts let an attacker cover files of the container's /proc between its mounting and the runtime's writes. Here
they are covered at the worst moment, right before the write. A runtime that writes by name writes to the attacker's
file, as the test does itself first; ours writes to a procfs that is attached nowhere, and the kernel's own value is
read back. (Volumes on /proc and its parts, links in its place: test_runtime_escapes.py.)
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.fakes.sandbox import run_apart

from carrack.errors import CarrackError
from carrack.linux.namespaces import CLONE_NEWNET, CLONE_NEWNS
from carrack.linux.syscalls import LINUX
from carrack.runtime import lsm, sysctl
from carrack.runtime.inroot import Procfs

pytestmark = pytest.mark.root

KEY = "net/ipv4/ip_unprivileged_port_start"


def test_a_sysctl_reaches_the_kernel_though_proc_sys_is_covered() -> None:
    def work() -> None:
        procfs = Procfs(LINUX)
        LINUX.mount("tmpfs", f"/proc/sys/{KEY.rpartition('/')[0]}", "tmpfs", 0)
        Path(f"/proc/sys/{KEY}").parent.mkdir(exist_ok=True)
        Path(f"/proc/sys/{KEY}").write_text("1024")
        sysctl.apply({KEY.replace("/", "."): "7"}, procfs)
        assert Path(f"/proc/sys/{KEY}").read_text() == "1024"
        LINUX.umount(f"/proc/sys/{KEY.rpartition('/')[0]}")
        assert Path(f"/proc/sys/{KEY}").read_text() == "7\n"

    run_apart(work, CLONE_NEWNS | CLONE_NEWNET)


def test_a_label_that_is_redirected_is_noticed(tmp_path: Path) -> None:
    """Both guards of a write: the file is one of procfs, and what was written is what is read."""

    def work() -> None:
        procfs = Procfs(LINUX)
        LINUX.mount("tmpfs", "/proc", "tmpfs", 0)
        for directory in ("/proc/self/attr/apparmor", "/proc/sys/kernel"):
            Path(directory).mkdir(parents=True)
        for name in ("/proc/self/attr/exec", "/proc/self/attr/apparmor/exec", "/proc/sys/kernel/domainname"):
            Path(name).write_text("the attacker's")
        before = procfs.read("sys/kernel/domainname")
        procfs.write("self/oom_score_adj", procfs.read("self/oom_score_adj").strip())
        with pytest.raises((OSError, CarrackError)):  # no such label on this kernel: told, not passed over
            lsm.apply({"args": [], "apparmorProfile": "docker-default"}, procfs)
        assert Path("/proc/self/attr/exec").read_text() == "the attacker's"
        assert Path("/proc/self/attr/apparmor/exec").read_text() == "the attacker's"
        assert procfs.read("sys/kernel/domainname") == before != "the attacker's"

    run_apart(work, CLONE_NEWNS)


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/proc/sys/net", "/proc/self/attr", "/proc/1"])
def test_the_daemon_s_volumes_are_kept_off_procfs(docker: Cli, image: str, tmp_path: Path, place: str) -> None:
    refused = docker("run", "--rm", "-v", f"{tmp_path}:{place}", "--sysctl", "kernel.msgmax=4096", image, check=False)
    assert refused.returncode in (125, 127)
    assert "proc" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_daemon_s_sysctls_are_read_back(docker: Cli, image: str) -> None:
    options = ("--sysctl", "net.ipv4.ip_unprivileged_port_start=99", "--sysctl", "kernel.msgmax=4096")
    said = docker("run", "--rm", *options, image, "cat", f"/proc/sys/{KEY}", "/proc/sys/kernel/msgmax").stdout
    assert said.split() == ["99", "4096"]
