"""GHSA-6fw5-f8r9-fgfm, GHSA-jq35-85cj-fj4p: files of the kernel through which one container watches the machine.

Interrupt counts, power draw and thermal throttling tell of keystrokes and keys in neighbours. What is masked is just
Docker's list, each path shows nothing inside a container, and a privileged one, where nothing is masked, sees the
difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import Cli

from carrack.engine import defaults

pytestmark = pytest.mark.root

DOCKERS = {
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
}  # fmt: skip


def test_the_list_is_dockers() -> None:
    assert set(defaults.MASKED_PATHS) == DOCKERS
    assert set(defaults.READONLY_PATHS) == {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}


def test_nothing_is_seen_through_them(docker: Cli, image: str) -> None:
    thermal = [str(path) for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle")]
    paths = " ".join(sorted(DOCKERS) + thermal)
    script = f"for p in {paths}; do if [ -d $p ]; then ls $p; elif [ -e $p ]; then cat $p; fi; done"
    assert docker("run", "--rm", image, "sh", "-c", script).stdout == ""
    seen = docker("run", "--rm", "--privileged", image, "cat", "/proc/interrupts")
    assert "CPU0" in seen.stdout
