"""The defaults are Docker's own (compared with dockerd 28.5's inspect and runc's config.json)."""

from __future__ import annotations

from carrack.engine import defaults
from carrack.linux.caps import CAPABILITIES


def test_fourteen_capabilities_that_exist() -> None:
    assert len(set(defaults.CAPABILITIES)) == 14
    assert set(defaults.CAPABILITIES) <= set(CAPABILITIES)
    dangerous = {"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}
    assert not dangerous & set(defaults.CAPABILITIES)


def test_masked_and_read_only_paths() -> None:
    assert len(defaults.MASKED_PATHS) == 12
    assert "/proc/kcore" in defaults.MASKED_PATHS
    assert "/sys/devices/virtual/powercap" in defaults.MASKED_PATHS
    assert defaults.READONLY_PATHS == ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def test_devices_are_denied_first_and_none_is_a_disk() -> None:
    first, *rest = defaults.DEVICE_RULES
    assert first == {"allow": False, "access": "rwm"}
    assert all(rule["allow"] for rule in rest)
    for rule in rest:
        assert rule["type"] == "c" or rule["access"] == "m", rule
        assert "major" in rule or rule["access"] == "m", rule


def test_kernel_file_systems_cannot_be_written_or_executed_from() -> None:
    for mount in (defaults.PROC, defaults.SYS, defaults.CGROUP, defaults.MQUEUE, defaults.shm(1)):
        assert {"nosuid", "noexec", "nodev"} <= set(mount["options"]), mount
    assert "ro" in defaults.SYS["options"]
    assert "ro" in defaults.CGROUP["options"]
    assert "newinstance" in defaults.PTS["options"]
    assert "size=4096" in defaults.shm(4096)["options"]
