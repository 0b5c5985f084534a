"""Which profiles the kernel says it has, and what ours forbids."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carrack.linux import apparmor


def machine(root: Path, *, enabled: str = "Y", parser: bool = True, profiles: str = "") -> str:
    (root / "sys/module/apparmor/parameters").mkdir(parents=True)
    (root / "sys/module/apparmor/parameters/enabled").write_text(enabled + "\n")
    (root / "sys/kernel/security/apparmor").mkdir(parents=True)
    (root / "sys/kernel/security/apparmor/profiles").write_text(profiles)
    if parser:
        (root / "sbin").mkdir()
        (root / "sbin/apparmor_parser").touch(mode=0o755)
    return f"{root}/"


def test_a_machine_that_confines(tmp_path: Path) -> None:
    root = machine(tmp_path, profiles="snap (x) (complain)\ndocker-default (enforce)\n")
    assert apparmor.usual(root) == "docker-default"
    assert apparmor.loaded("docker-default", root)
    assert apparmor.loaded("snap (x)", root)
    assert not apparmor.loaded("docker", root)


@pytest.mark.parametrize(("enabled", "parser"), [("N", True), ("Y", False)])
def test_machines_that_do_not(tmp_path: Path, enabled: str, parser: bool) -> None:
    assert apparmor.usual(machine(tmp_path, enabled=enabled, parser=parser)) == ""
    assert apparmor.usual(f"{tmp_path}/nowhere/") == ""
    assert not apparmor.loaded("x", f"{tmp_path}/nowhere/")


def matcher(pattern: str) -> re.Pattern[str]:
    """A path pattern of apparmor.d(5) as a regular expression."""
    text = re.escape(pattern.replace("@{PROC}", "/proc"))
    for glob, regex in (("\\*\\*", ".*"), ("\\*", "[^/]*"), ("\\[", "["), ("\\]", "]"), ("\\^", "^"), ("\\-", "-")):
        text = text.replace(glob, regex)
    text = text.replace("\\{", "(").replace("\\}", ")").replace(",", "|")
    return re.compile(text)


@pytest.mark.parametrize(
    ("path", "denied"),
    [
        ("/proc/sys/kernel/core_pattern", True),
        ("/proc/sys/kernel/sem", True),
        ("/proc/sys/kernel/shmmax", False),
        ("/proc/sys/net/ipv4/ip_forward", True),
        ("/proc/sys/vm/panic_on_oom", True),
        ("/proc/sysrq-trigger", True),
        ("/proc/acpi/x", True),
        ("/proc/scsi/scsi", True),
        ("/proc/uptime", True),
        ("/proc/12/oom_score_adj", False),
        ("/proc/1/task/1/comm", False),
        ("/sys/kernel/uevent_helper", True),
        ("/sys/fs/cgroup/memory/x", False),
        ("/sys/fs/bpf/x", True),
        ("/sys/fs/cpu", True),
        ("/sys/kernel/security/apparmor/.load", True),
        ("/etc/passwd", False),
    ],
)
def test_what_may_not_be_written(path: str, denied: bool) -> None:
    rules = re.findall(r"deny ((?:@|/)\S+) (\w+),", apparmor.profile())
    assert any("w" in modes and matcher(pattern).fullmatch(path) for pattern, modes in rules) is denied


def test_its_own_name_stands_wherever_peers_are_named() -> None:
    text = apparmor.profile("mine")
    assert "NAME" not in text
    assert text.count("mine") == 3
