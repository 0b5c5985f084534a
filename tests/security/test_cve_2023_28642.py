"""CVE-2023-27561, CVE-2023-28642, CVE-2019-19921: /proc or /sys of the image, or a volume there, leads elsewhere, so
that what protects the kernel's files is set up somewhere else.

An image whose /proc and /sys are links, to a directory of its own and to the host's; volumes on /proc, on its parts and
on /sys. Either the start is refused, or the kernel's own files are where they belong, masked and read-only.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.security import evil

pytestmark = pytest.mark.root

LOOK = "stat -f -c %t /proc /sys; (: > /proc/sys/kernel/core_pattern) 2>&1; (: > /sys/x) 2>&1; wc -c < /proc/interrupts"
PROC, SYS = "9fa0", "62656572"


def protected(said: str) -> None:
    proc, sys, *rest = said.splitlines()
    assert (proc, sys) == (PROC, SYS)
    assert "Read-only file system" in rest[0]
    assert "Read-only file system" in rest[1]
    assert rest[-1] == "0"


@pytest.mark.parametrize("target", ["/fake", "../../../../proc", "/tmp"])
def test_cve_2023_28642_proc_and_sys_of_the_image_are_links(docker: Cli, target: str) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    members = [evil.link("proc", target), evil.link("sys", target), evil.file("fake/self/attr/exec", "")]
    with evil.image(docker, "r-links", *members) as name:
        done = docker("run", "--rm", name, "sh", "-c", LOOK, check=False)
        if done.returncode != 125:
            protected(done.stdout)
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/proc/self", "/proc/sys/kernel", "/proc/interrupts"])
def test_cve_2023_27561_volumes_on_proc(docker: Cli, image: str, tmp_path: Path, place: str) -> None:
    (tmp_path / "volume").mkdir()
    refused = docker("run", "--rm", "-v", f"{tmp_path}/volume:{place}", image, "sh", "-c", LOOK, check=False)
    assert refused.returncode
    assert "Read-only" not in refused.stdout
    assert list((tmp_path / "volume").iterdir()) == []


def test_without_any_trick_it_is_so(docker: Cli, image: str) -> None:
    protected(docker("run", "--rm", image, "sh", "-c", LOOK).stdout)
