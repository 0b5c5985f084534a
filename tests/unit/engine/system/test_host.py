"""Host facts from recorded trees."""

from __future__ import annotations

from pathlib import Path

from carrack.engine.system.host import Host


def tree(root: Path, files: dict[str, str]) -> Host:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return Host(root)


def test_plain_facts(tmp_path: Path) -> None:
    host = tree(
        tmp_path,
        {
            "proc/sys/kernel/hostname": "harbour\n",
            "proc/sys/kernel/osrelease": "6.12.0-test\n",
            "proc/sys/net/ipv4/ip_forward": "1\n",
            "proc/meminfo": "MemTotal:       1024 kB\nMemFree: 1 kB\n",
            "etc/os-release": '# c\nNAME="X"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID=\'12\'\n',
        },
    )
    assert host.hostname() == "harbour"
    assert host.kernel_version() == "6.12.0-test"
    assert host.memory_total() == 1024 * 1024
    assert host.ip_forwarding()
    assert host.operating_system() == ("Debian GNU/Linux 12 (bookworm)", "12")
    assert host.processors() >= 1
    assert host.open_files() >= 3


def test_what_is_missing_is_told_as_unknown(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.memory_total() == 0
    assert not host.ip_forwarding()
    assert host.operating_system() == ("Linux", "")
    limits = host.limits()
    assert (limits.cgroup_version, limits.memory, limits.pids) == (1, False, False)
    assert "WARNING: No memory limit support" in limits.warnings()


def test_limits_of_cgroup_v1(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/"
    names = ["memory/memory.limit_in_bytes", "memory/memory.oom_control", "cpu/cpu.shares", "cpu/cpu.cfs_quota_us"]
    limits = tree(tmp_path, {base + name: "" for name in [*names, "cpuset/cpuset.cpus", "pids/tasks"]}).limits()
    assert limits.cgroup_version == 1
    assert limits.memory
    assert limits.oom_kill_disable
    assert not limits.swap
    assert limits.warnings() == ["WARNING: No swap limit support"]


def test_limits_of_cgroup_v2(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/cgroup.controllers": "cpuset cpu memory pids\n", "proc/swaps": ""}
    limits = tree(tmp_path, files).limits()
    assert limits.cgroup_version == 2
    assert not limits.oom_kill_disable
    assert limits.warnings() == []
